/** Ends the build when what it writes has become too large. */

import { gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';

/** A plugin: everything the build writes, gzipped, must stay within so many KB. */
export function withinBudget(kilobytes: number): Plugin {
  return {
    name: 'within-budget',
    generateBundle(_, bundle) {
      const contents = Object.values(bundle).map((file) => (file.type === 'chunk' ? file.code : file.source));
      const size = contents.reduce((sum, content) => sum + gzipSync(content).length, 0) / 1_000;
      if (size > kilobytes) this.error(`the files have ${size.toFixed(1)} KB gzipped, allowed are ${kilobytes}`);
      this.info(`${size.toFixed(1)} KB gzipped of ${kilobytes}`);
    },
  };
}

import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';

it('has the types of the messages as the document of the gateway says', () => {
  expect(() => execFileSync('node', ['scripts/types.mjs', '--check'], { stdio: 'pipe' })).not.toThrow();
});

/** The tracker as a site owner's page loads it by one script tag: docs/tracker.md. */

import { listen, pageWorld, quiet } from './browser.ts';
import { type Told, track } from './tracker.ts';

type Call = [name: string, told?: Told | null];
/** What a page calls; `q` has the calls from before this script was there. */
type Tidemark = ((...call: Call) => void) & { q?: Iterable<Call>; runs?: boolean };

const page = window as Window & { tidemark?: Tidemark };

function start(script: HTMLScriptElement): void {
  const { site, key, respectDnt } = script.dataset;
  if (page.tidemark?.runs) return;
  const objects =
    navigator.doNotTrack === '1' || (navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl;
  if (respectDnt !== undefined && objects) {
    page.tidemark = () => {};
    return;
  }
  const door = new URL('events', script.src);
  if (key) door.searchParams.set('key', key);
  run(door.href, site ?? 'default');
}

function run(door: string, site: string): void {
  const early = page.tidemark?.q ?? [];
  const tracker = track(pageWorld(door), site);
  const tell: Tidemark = quiet(tracker.tell);
  tell.runs = true;
  page.tidemark = tell;
  listen(tracker);
  for (const call of early) tell(...call);
}

quiet(() => {
  const script = document.currentScript as HTMLScriptElement;
  const begin = quiet(() => start(script));
  // A page that the browser makes ready in advance may never be seen.
  if ((document as { prerendering?: boolean }).prerendering)
    document.addEventListener('prerenderingchange', begin, { once: true });
  else begin();
})();

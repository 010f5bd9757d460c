/** The page as the browser has it, and what happens on it, told to a tracker. Nothing is thrown into the page. */

import type { Tracker } from './tracker.ts';
import type { World } from './world.ts';

/** A door that does not answer is given up after so long (ms). */
const ANSWER_MS = 10_000;

/** A function that keeps its errors to itself. */
export function quiet<A extends unknown[]>(run: (...args: A) => void): (...args: A) => void {
  return (...args) => {
    try {
      run(...args);
    } catch {
      // The page is the site owner's: better no event than an error in it.
    }
  };
}

/** The world of this page; events go to `door`. */
export function pageWorld(door: string): World {
  const navigation = performance.getEntriesByType('navigation')[0] as PerformanceNavigationTiming | undefined;
  const { referrer } = document;
  const inside = referrer.split('/', 3).join('/') === location.origin;
  return {
    now: Date.now,
    after: (ms, run) => setTimeout(quiet(run), ms),
    random: Math.random,
    id,
    path: () => (location.pathname + location.search).slice(0, 2_000),
    title: () => document.title,
    loadTime: () => loadTime(navigation),
    referrer: inside ? '' : referrer.slice(0, 2_000),
    entered: !inside && navigation?.type === 'navigate',
    post: (body, answered) => post(door, body).then(quiet(answered)),
    beacon: (body) => navigator.sendBeacon(door, body),
  };
}

/** A text is sent as text/plain: browsers let a page send that to another site without asking there first. */
async function post(door: string, body: string): Promise<number> {
  try {
    const signal = AbortSignal.timeout?.(ANSWER_MS);
    const answer = await fetch(door, { method: 'POST', body, keepalive: true, credentials: 'omit', signal });
    // Single events may be refused for now: all are sent again, what was accepted counts once.
    return /RATE_LIMITED|UNAVAILABLE/.test(await answer.text()) ? 503 : answer.status;
  } catch {
    return 0;
  }
}

/** From the click, or, if the browser had the page ready by then, from when it was shown. */
function loadTime(navigation?: PerformanceNavigationTiming & { activationStart?: number }): number | undefined {
  const at = navigation?.loadEventStart;
  return at ? Math.max(0, Math.round(at - (navigation.activationStart ?? 0))) : undefined;
}

/** crypto.randomUUID is there on secure pages only. */
function id(): string {
  return '10000000-1000-4000-8000-100000000000'.replace(/[018]/g, (digit) =>
    (+digit ^ ((crypto.getRandomValues(new Uint8Array(1))[0] as number) & (15 >> (+digit / 4)))).toString(16),
  );
}

/** Tell a tracker from now on what happens on this page. */
export function listen(tracker: Tracker): void {
  on(window, 'popstate', () => tracker.moved());
  on(window, 'load', tracker.loaded);
  on(window, 'pageshow', (event) => (event as PageTransitionEvent).persisted && tracker.restored());
  on(document, 'visibilitychange', () => tracker.visible(!document.hidden));
  on(window, 'pagehide', tracker.gone);
  after('pushState', () => tracker.moved());
  after('replaceState', () => tracker.moved(true));
}

function on(target: EventTarget, name: string, run: (event: Event) => void): void {
  target.addEventListener(name, quiet(run));
}

function after(name: 'pushState' | 'replaceState', run: () => void): void {
  const original = history[name];
  history[name] = function (this: History, ...args) {
    original.apply(this, args);
    quiet(run)();
  };
}

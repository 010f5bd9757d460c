/** The events on their way to the door: in batches, again when it fails, never more than so many. */

import { backoff } from '../src/feed/backoff.ts';
import type { SiteEvent, World } from './world.ts';

/** Events wait so long (ms) for others to go with: the windows they count in close two seconds after their end. */
export const SOON_MS = 100;
/** A browser takes no more than 64 KB from pages that are going: that is more than so many of the longest events. */
export const BATCH = 10;
/** So many may wait, then the oldest go: their windows have closed. */
export const KEPT = 200;
/** The longest wait (ms) for the next attempt: every page of a site may be waiting. */
export const LAST_RETRY_MS = 60_000;

export interface Queue {
  /** Take an event, to be sent within so many ms. */
  add(event: SiteEvent, within?: number): void;
  /** Send now what waits. */
  flush(): void;
  /** Hand over what waits to the browser: the page is going. */
  handOver(): void;
}

/** `complete` is called before events leave: the last moment to add to them. */
export function makeQueue(world: World, complete: () => void): Queue {
  let waiting: SiteEvent[] = [];
  let failures = 0;
  let scheduled = false;
  let posting = 0;

  function later(ms: number): void {
    if (scheduled || posting) return;
    scheduled = true;
    world.after(ms, () => {
      scheduled = false;
      flush();
    });
  }

  function flush(): void {
    complete();
    const batch = waiting.splice(0, BATCH);
    if (!batch.length) return;
    posting++;
    world.post(bodyOf(batch), (status) => {
      posting--;
      const failed = !status || status === 408 || status === 429 || status >= 500;
      failures = failed ? failures + 1 : 0;
      if (failed) waiting = [...batch, ...waiting].slice(-KEPT);
      if (waiting.length) later(failed ? backoff(failures, world.random(), LAST_RETRY_MS) : 0);
    });
  }

  function bodyOf(batch: SiteEvent[]): string {
    const sent_at = new Date(world.now()).toISOString();
    return JSON.stringify(batch.map((event) => ({ ...event, sent_at })));
  }

  return {
    add(event, within = SOON_MS) {
      waiting = [...waiting, event].slice(-KEPT);
      later(within);
    },
    flush,
    handOver() {
      complete();
      while (waiting.length && world.beacon(bodyOf(waiting.slice(0, BATCH)))) waiting.splice(0, BATCH);
    },
  };
}

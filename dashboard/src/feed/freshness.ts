/** How old what is shown is, and whether that is all right. Times in ms, by the gateway's clock. */

/** Windows of 5 s become final 2 s after their end: no ended window newer than this is not live. */
export const STALE_AFTER_MS = 10_000;
export const DEAD_AFTER_MS = 30_000;

export type Freshness = 'empty' | 'live' | 'stale' | 'dead';

/** Judge data whose newest window has ended at `newestEnd`; null: there is none. */
export function freshness(newestEnd: number | null, now: number): Freshness {
  if (newestEnd === null) return 'empty';
  const age = now - newestEnd;
  if (age <= STALE_AFTER_MS) return 'live';
  return age <= DEAD_AFTER_MS ? 'stale' : 'dead';
}

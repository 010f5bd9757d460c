/** How long to wait before the next attempt: twice as long each time, spread so that pages do not come together. */

export const FIRST_RETRY_MS = 250;
export const LAST_RETRY_MS = 8_000;

/** Return the wait (ms) after so many attempts that failed in a row, from 1, at most `last`; `random` is 0 to 1, the wait at least half of the full one. */
export function backoff(failures: number, random: number, last = LAST_RETRY_MS): number {
  const full = Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), last);
  return full * (0.5 + random / 2);
}

/** How long to wait before the next attempt to connect: twice as long each time, spread so that pages do not come together. */

export const FIRST_RETRY_MS = 250;
export const LAST_RETRY_MS = 8_000;

/** Return the wait (ms) after so many attempts that failed in a row, from 1; `random` is 0 to 1, the wait at least half of the full one. */
export function backoff(failures: number, random: number): number {
  const full = Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), LAST_RETRY_MS);
  return full * (0.5 + random / 2);
}

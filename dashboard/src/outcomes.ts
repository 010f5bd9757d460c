/** From what became of the events, window by window, to what the pipeline's panel says. */

import type { Ranking } from './feed/site';

const WINDOW_S = 5;

const NAMES: Readonly<Record<string, string>> = {
  accepted: 'Accepted',
  duplicate: 'Duplicates',
  late: 'Late',
  undecodable: 'Not decodable',
  invalid_field: 'Invalid field',
  future_timestamp: 'In the future',
};

export interface Outcome {
  readonly name: string;
  readonly count: number;
}

/** Return how many events a second came in the newest window, whatever became of them; null without a window. */
export function eventsPerSecond(windows: readonly Ranking[]): number | null {
  const newest = windows.at(-1);
  return newest ? sum(newest.entries.map((entry) => entry.value)) / WINDOW_S : null;
}

/** Return how many events of all the windows had each outcome, none left out. */
export function outcomes(windows: readonly Ranking[]): Outcome[] {
  const entries = windows.flatMap((window) => window.entries);
  return Object.entries(NAMES).map(([key, name]) => ({
    name,
    count: sum(entries.filter((entry) => entry.key === key).map((entry) => entry.value)),
  }));
}

/** Return the time (s) that so many windows cover. */
export function seconds(windows: readonly Ranking[]): number {
  return windows.length * WINDOW_S;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

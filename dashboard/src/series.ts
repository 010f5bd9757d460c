/** From a metric's samples to the lines of the chart: what is settled, what is provisional, and the open window. */

import type { Sample } from './feed/site';

/** So many windows are on the cards and on the live chart. */
export const POINTS = 20;

const ROUND = [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10];

/** Columns of equal length; times in seconds, as uPlot wants them. */
export interface Lines {
  readonly times: number[];
  readonly settled: (number | null)[];
  readonly provisional: (number | null)[];
  readonly open: (number | null)[];
}

export interface OpenWindow {
  readonly end: number;
  readonly value: number;
}

/**
 * Draw samples, oldest first, `step` ms apart. A provisional stretch starts at the settled window before it; where windows
 * are missing both lines break.
 */
export function lines(samples: readonly Sample[], open: OpenWindow | null, step: number): Lines {
  const drawn: Lines = { times: [], settled: [], provisional: [], open: [] };
  samples.forEach((sample, index) => {
    const before = samples[index - 1];
    if (before && sample.end - before.end > 1.5 * step) add(drawn, before.end + step, null, null, null);
    const next = samples[index + 1];
    const leadsOn = sample.final && next && !next.final && next.end - sample.end <= 1.5 * step;
    add(drawn, sample.end, sample.final ? sample.value : null, !sample.final || leadsOn ? sample.value : null, null);
  });
  if (open && open.end > (samples.at(-1)?.end ?? 0)) add(drawn, open.end, null, null, open.value);
  return drawn;
}

/** Return the open window of a metric whose windows end every `step` ms; `at` is the time (ms) of its value. */
export function openWindow(value: number | undefined, at: number, step: number): OpenWindow | null {
  return value === undefined ? null : { end: (Math.floor(at / step) + 1) * step, value };
}

/** Return the samples that a range shows: the last 20, or those of the last minutes before the newest. */
export function within(samples: readonly Sample[], minutes: number | null): readonly Sample[] {
  if (minutes === null) return samples.slice(-POINTS);
  const newest = samples.at(-1);
  return newest ? samples.filter((sample) => sample.end > newest.end - minutes * 60_000) : samples;
}

/** Return a round number that leaves some room above the value; it changes seldom, so that the scale stands still. */
export function ceiling(value: number): number {
  if (value <= 0) return 1;
  const room = value * 1.08;
  const power = 10 ** Math.floor(Math.log10(room));
  return (ROUND.find((factor) => factor * power >= room) ?? 10) * power;
}

function add(drawn: Lines, end: number, settled: number | null, provisional: number | null, open: number | null): void {
  drawn.times.push(end / 1_000);
  drawn.settled.push(settled);
  drawn.provisional.push(provisional);
  drawn.open.push(open);
}

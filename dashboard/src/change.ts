/** How a metric has moved: its newest ended window against the mean of the ones before it. */

import type { Sample } from './feed/site';
import type { Metric } from './metrics';
import { number } from './wording';

export interface Change {
  /** ▲ 12%, ▼ 1.3 pp, or = when it rounds to nothing. */
  readonly text: string;
  readonly tone: 'good' | 'bad' | 'even';
}

/** A smaller change (a twentieth, or five percentage points) is mostly chance: it has no colour. */
const MATTERS = 0.05;

/** Return how the last of the samples differs from the mean of the others; null if there is nothing to compare with. */
export function change(samples: readonly Sample[], metric: Metric): Change | null {
  const last = samples.at(-1);
  const before = samples.slice(0, -1);
  if (!last || !before.length) return null;
  const mean = before.reduce((sum, sample) => sum + sample.value, 0) / before.length;
  const amount = metric.rate ? difference(last.value, mean) : share(last.value, mean);
  if (amount === null) return { text: '=', tone: 'even' };
  const up = last.value > mean;
  const moved = metric.rate ? Math.abs(last.value - mean) : Math.abs(last.value / mean - 1);
  const text = `${up ? '▲' : '▼'} ${amount}`;
  if (moved < MATTERS) return { text, tone: 'even' };
  return { text, tone: up === metric.moreIsGood ? 'good' : 'bad' };
}

function difference(value: number, mean: number): string | null {
  const points = number(Math.abs(value - mean) * 100, 1);
  return points === '0.0' ? null : `${points} pp`;
}

function share(value: number, mean: number): string | null {
  if (mean === 0) return value === 0 ? null : 'new';
  const percent = number(Math.abs(value / mean - 1) * 100, 0);
  return percent === '0' ? null : `${percent}%`;
}

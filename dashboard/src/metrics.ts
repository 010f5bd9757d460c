/** The six numbers of a site: what they are called, over which window they are, and how they read. */

import type { Scalar } from './feed/site';
import { duration, number, percent } from './wording';

export interface Metric {
  readonly key: Scalar;
  readonly label: string;
  /** What it means, in one sentence. */
  readonly meaning: string;
  /** The window's length, and how far apart windows end (ms). */
  readonly window: '5 s' | '60 s';
  readonly step: number;
  readonly write: (value: number) => string;
  /** A fraction: changes are told in percentage points. */
  readonly rate: boolean;
  /** Whether more of it is good. */
  readonly moreIsGood: boolean;
}

const tumbling = { window: '5 s', step: 5_000 } as const;
const sliding = { window: '60 s', step: 10_000 } as const;

export const METRICS: readonly Metric[] = [
  {
    ...tumbling,
    key: 'pageViewsPerSecond',
    label: 'Page views / s',
    meaning: 'Page views in 5 seconds, divided by 5',
    write: (value) => number(value, 1),
    rate: false,
    moreIsGood: true,
  },
  {
    ...tumbling,
    key: 'activeUsers',
    label: 'Active users',
    meaning: 'Distinct visitors with any event in 5 seconds',
    write: (value) => number(value, 0),
    rate: false,
    moreIsGood: true,
  },
  {
    ...sliding,
    key: 'conversionRate',
    label: 'Conversion rate',
    meaning: 'Visits with a conversion, of the visits with any event in 60 seconds',
    write: percent,
    rate: true,
    moreIsGood: true,
  },
  {
    ...tumbling,
    key: 'averageSessionDuration',
    label: 'Session duration',
    meaning: 'From the first to the last event so far, mean of the visits with an event in 5 seconds',
    write: duration,
    rate: false,
    moreIsGood: true,
  },
  {
    ...tumbling,
    key: 'bounceRate',
    label: 'Bounce rate',
    meaning: 'Visits with exactly one page view so far, of those with an event in 5 seconds',
    write: percent,
    rate: true,
    moreIsGood: false,
  },
  {
    ...sliding,
    key: 'revenuePerUser',
    label: 'Revenue / user',
    meaning: 'Value of the conversions in 60 seconds, divided by the distinct visitors',
    write: (value) => number(value, 2),
    rate: false,
    moreIsGood: true,
  },
];

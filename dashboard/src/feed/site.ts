/** One site as the gateway tells it: snapshots and messages laid over each other, without time, sockets or a screen. */

import type {
  AlertMessage as Alert,
  Dimension,
  MetricsMessage,
  Point,
  Snapshot,
  Values,
  VisitsMessage,
  Window,
} from './messages';

export const SCALARS = [
  'pageViewsPerSecond',
  'activeUsers',
  'conversionRate',
  'averageSessionDuration',
  'bounceRate',
  'revenuePerUser',
] as const;
export const LISTS = ['popularContent', 'geographicDistribution'] as const;
const OUTCOMES = 'eventsByOutcome';
/** Windows of 5 s that follow each other; the others are of 60 s and slide by 10 s. */
export const TUMBLING: readonly Scalar[] = [
  'pageViewsPerSecond',
  'activeUsers',
  'averageSessionDuration',
  'bounceRate',
];

export type Scalar = (typeof SCALARS)[number];
export type List = (typeof LISTS)[number];

/** What is kept: the longest range that can be shown, and so many alerts. */
export const KEPT_MS = 3_600_000;
export const KEPT_ALERTS = 200;
/** So many windows of what became of the events are kept, as many as the gateway remembers. */
export const KEPT_OUTCOMES = 20;

/** A metric's value in a window that has ended at `end` (ms since the epoch, exclusive). */
export interface Sample {
  readonly end: number;
  readonly value: number;
  readonly final: boolean;
}

/** A list in a window that has ended. */
export interface Ranking {
  readonly end: number;
  readonly final: boolean;
  readonly entries: readonly Dimension[];
}

export type Visits = Readonly<Pick<VisitsMessage, 'latest' | 'funnel'>>;

export interface SiteState {
  readonly name: string;
  /** Oldest first, one sample a window. */
  readonly series: Readonly<Record<Scalar, readonly Sample[]>>;
  /** Values of the windows that are still open. */
  readonly current: Readonly<Partial<Record<Scalar, number>>>;
  /** In their newest windows, largest entry first. */
  readonly lists: Readonly<Partial<Record<List, Ranking>>>;
  /** What became of the events, window by window of 5 s, oldest first; only finals are told. */
  readonly outcomes: readonly Ranking[];
  /** Newest first. */
  readonly alerts: readonly Alert[];
  /** So many alerts were dropped on their way, because this page was slow. */
  readonly alertsLost: number;
  /** The visits that are over, as they were told last; null before that. */
  readonly visits: Visits | null;
  /** The time of this state (ms); 0 before there is any. */
  readonly at: number;
  /** How long (ms) after its end the newest settled 5 s window became final. */
  readonly settledAfter: number | null;
}

export function emptySite(name: string): SiteState {
  const series = Object.fromEntries(SCALARS.map((metric) => [metric, [] as Sample[]])) as Record<Scalar, Sample[]>;
  const seen = { alerts: [], alertsLost: 0, visits: null, at: 0, settledAfter: null };
  return { name, series, current: {}, lists: {}, outcomes: [], ...seen };
}

/** Take a snapshot. Windows that are known already stay: a final is final in every snapshot. */
export function withSnapshot(site: SiteState, snapshot: Snapshot): SiteState {
  const series = { ...site.series };
  for (const metric of SCALARS) {
    series[metric] = merged(series[metric], (snapshot.points[metric] ?? []).map(sampleOf));
  }
  const lists = { ...site.lists };
  for (const metric of LISTS) {
    const last = snapshot.points[metric]?.at(-1);
    if (last) lists[metric] = rankingOf(last);
  }
  const outcomes = withOutcomes(site.outcomes, (snapshot.points.eventsByOutcome ?? []).map(rankingOf));
  const alerts = snapshot.alerts.reduce(withNewAlert, site.alerts);
  const current = scalarsOf(snapshot.current ?? {});
  return { ...site, series, lists, outcomes, alerts, at: snapshot.timestamp, current };
}

/** Take a message about what has changed. */
export function withMetrics(site: SiteState, message: MetricsMessage): SiteState {
  let next: SiteState = { ...site, at: message.timestamp };
  for (const [name, points] of Object.entries(message.earlier ?? {})) {
    if (isScalar(name)) next = withPoints(next, name, points);
    if (name === OUTCOMES) next = { ...next, outcomes: withOutcomes(next.outcomes, points.map(rankingOf)) };
  }
  for (const [name, window] of Object.entries(message.windows ?? {})) {
    const value = message[name as keyof Values];
    if (value !== undefined) next = withWindow(next, name as keyof Values, value, window, message.timestamp);
  }
  return message.current === undefined ? next : { ...next, current: scalarsOf(message.current) };
}

/** Take points of a metric that are not its newest. */
export function withPoints(site: SiteState, metric: Scalar, points: readonly Point[]): SiteState {
  return { ...site, series: { ...site.series, [metric]: merged(site.series[metric], points.map(sampleOf)) } };
}

/** Take an alert; one that is known already changes nothing. `lagged`: so many before it were dropped. */
export function withAlert(site: SiteState, alert: Alert, lagged: number): SiteState {
  const alerts = withNewAlert(site.alerts, alert);
  return alerts === site.alerts && !lagged ? site : { ...site, alerts, alertsLost: site.alertsLost + lagged };
}

/** Take the visits, which are told whole each time. */
export function withVisits(site: SiteState, { latest, funnel }: VisitsMessage): SiteState {
  return { ...site, visits: { latest, funnel } };
}

/** The end (ms) of the newest 5 s window that has ended; null without data. A sliding one would hide a standstill for a minute. */
export function newestEnd(site: SiteState): number | null {
  const ends = TUMBLING.flatMap((metric) => site.series[metric].at(-1)?.end ?? []);
  return ends.length ? Math.max(...ends) : null;
}

function withWindow(
  site: SiteState,
  name: keyof Values,
  value: number | Dimension[],
  window: Window,
  now: number,
): SiteState {
  if (Array.isArray(value)) {
    const ranking = { end: window.end, final: window.final, entries: value };
    if (name === OUTCOMES) return { ...site, outcomes: withOutcomes(site.outcomes, [ranking]) };
    return { ...site, lists: { ...site.lists, [name as List]: ranking } };
  }
  const metric = name as Scalar;
  const before = site.series[metric];
  const after = merged(before, [{ end: window.end, value, final: window.final }]);
  if (after === before) return site;
  const settles = window.final && TUMBLING.includes(metric);
  const settledAfter = settles ? Math.max(0, now - window.end) : site.settledAfter;
  return { ...site, settledAfter, series: { ...site.series, [metric]: after } };
}

/** Lay samples over others, both oldest first. A final stays; the same array comes back when nothing is new. */
function merged(known: readonly Sample[], more: readonly Sample[]): readonly Sample[] {
  const byEnd = new Map(known.map((sample) => [sample.end, sample]));
  const news = more.filter((sample) => !byEnd.get(sample.end)?.final);
  if (!news.length) return known;
  for (const sample of news) byEnd.set(sample.end, sample);
  const all = [...byEnd.values()].sort((a, b) => a.end - b.end);
  const oldest = (all.at(-1) as Sample).end - KEPT_MS;
  return all.filter((sample) => sample.end > oldest);
}

/** Lay windows over others, both oldest first. */
function withOutcomes(known: readonly Ranking[], more: readonly Ranking[]): readonly Ranking[] {
  const byEnd = new Map([...known, ...more].map((ranking) => [ranking.end, ranking]));
  return [...byEnd.values()].sort((a, b) => a.end - b.end).slice(-KEPT_OUTCOMES);
}

function withNewAlert(alerts: readonly Alert[], alert: Alert): readonly Alert[] {
  if (alerts.some((known) => known.alertId === alert.alertId)) return alerts;
  const older = alerts.findIndex((known) => known.timestamp <= alert.timestamp);
  const place = older < 0 ? alerts.length : older;
  return withoutOldest(alerts.toSpliced(place, 0, alert));
}

/** Alerts about the site itself outlive those about visitors, of which a bounce window's end brings hundreds. */
function withoutOldest(alerts: readonly Alert[]): readonly Alert[] {
  if (alerts.length <= KEPT_ALERTS) return alerts;
  const oldest = alerts.findLastIndex((alert) => alert.userId);
  return alerts.toSpliced(oldest, 1);
}

function isScalar(name: string): name is Scalar {
  return (SCALARS as readonly string[]).includes(name);
}

function sampleOf(point: Point): Sample {
  return { end: point.windowEnd, value: point.value, final: point.final };
}

function rankingOf({ windowEnd, final, dimensions }: Point): Ranking {
  return { end: windowEnd, final, entries: dimensions ?? [] };
}

function scalarsOf(values: Values): Partial<Record<Scalar, number>> {
  return Object.fromEntries(
    SCALARS.flatMap((metric) => (values[metric] === undefined ? [] : [[metric, values[metric]]])),
  );
}

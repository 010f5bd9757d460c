/** Messages as the gateway sends them, cut down to what a test is about. */

import type {
  AlertMessage,
  Hello,
  MetricsMessage,
  Point,
  Snapshot,
  Subscribed,
  Visit,
  VisitsMessage,
} from '../src/feed/messages';

/** A whole multiple of every window. */
export const T = 1_000_000_000;

export function hello(epoch = 'one', serverTime = 1_000_000): Hello {
  const limits = {
    maxMessageBytes: 1,
    maxMessagesPerSecond: 50,
    maxSites: 32,
    flushIntervalMs: 20,
    stallTimeoutMs: 10_000,
    simpleIntervalMs: 5_000,
    points: 20,
    alerts: 100,
  };
  return { type: 'hello', epoch, serverTime, protocol: 1, limits };
}

export function point(seconds: number, value: number, final = true): Point {
  return { windowEnd: T + seconds * 1_000, value, final };
}

export function snapshot(change: Partial<Snapshot> = {}): Snapshot {
  return { site: 'default', offset: 1, timestamp: T, points: {}, alerts: [], ...change };
}

export function subscribed(change: Partial<Subscribed> = {}): Subscribed {
  return { type: 'subscribed', site: 'default', metrics: [], snapshot: snapshot(), ...change };
}

export function users(
  seconds: number,
  value: number,
  final = true,
  change: Partial<MetricsMessage> = {},
): MetricsMessage {
  const end = T + seconds * 1_000;
  const windows = { activeUsers: { end, final, revision: 1 } };
  return { type: 'metrics', site: 'default', offset: 2, timestamp: end + 100, activeUsers: value, windows, ...change };
}

export function alert(id: string, change: Partial<AlertMessage> = {}): AlertMessage {
  return {
    type: 'alert',
    alertId: id,
    alertType: 'HIGH_BOUNCE_RATE',
    severity: 'MEDIUM',
    title: 'High bounce rate',
    description: `${id} viewed exactly one page`,
    siteId: 'default',
    userId: id,
    windowStart: T,
    windowEnd: T + 300_000,
    timestamp: T + 300_000,
    offset: 3,
    ...change,
  };
}

export function visit(id: string, change: Partial<Visit> = {}): Visit {
  return {
    visitId: id,
    visitor: `user of ${id}`,
    startTime: T,
    endTime: T + 42_500,
    durationSeconds: 42.5,
    pageViews: 1,
    path: ['/'],
    converted: false,
    revenue: 0,
    funnelStep: 1,
    behaviour: 'bounce',
    ...change,
  };
}

/** A funnel of a site without funnel steps: all that counts is who converts. */
export function visits(ids: readonly string[], change: Partial<VisitsMessage> = {}): VisitsMessage {
  const funnel = { minutes: 15, visits: ids.length, steps: [{ key: 'CONVERSION', value: 0 }] };
  const latest = ids.map((id) => visit(id));
  return { type: 'visits', site: 'default', offset: 4, timestamp: T, latest, funnel, ...change };
}

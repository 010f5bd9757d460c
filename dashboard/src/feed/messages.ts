/** The gateway's messages: generated from docs/asyncapi.json by `npm run types`. */

export type Messages = Request | ServerMessage;
export type Request = Subscribe | Unsubscribe | History | Ping;
export type ServerMessage =
  | Hello
  | Subscribed
  | Unsubscribed
  | HistoryMessage
  | MetricsMessage
  | AlertMessage
  | VisitsMessage
  | Pong
  | ErrorMessage
  | Close;

/**
 * Ask for a site's metrics (absent: all; empty: none, only its alerts) in place of what was asked before.
 *
 *     With ``since``, for what has come since then instead of a snapshot; the metrics must be the same as before.
 *     ``visits``: for the visits messages too, which are about single visitors.
 */
export interface Subscribe {
  action: 'subscribe';
  metrics?:
    | (
        | 'pageViewsPerSecond'
        | 'activeUsers'
        | 'bounceRate'
        | 'averageSessionDuration'
        | 'eventsByOutcome'
        | 'conversionRate'
        | 'revenuePerUser'
        | 'popularContent'
        | 'geographicDistribution'
      )[]
    | null;
  site?: string | null;
  id?: string | number | null;
  since?: Since | null;
  visits?: boolean;
}
/**
 * What a client has of a site: the ``offset`` of its last metrics message or snapshot.
 *
 *     ``alert_offset``: that of its last alert, or the snapshot's if none came after it; absent: the same as ``offset``.
 */
export interface Since {
  epoch: string;
  offset: number;
  alertOffset?: number | null;
}
/**
 * Give up some of a site's metrics, or with ``metrics`` absent the whole site with its alerts.
 */
export interface Unsubscribe {
  action: 'unsubscribe';
  metrics?:
    | (
        | 'pageViewsPerSecond'
        | 'activeUsers'
        | 'bounceRate'
        | 'averageSessionDuration'
        | 'eventsByOutcome'
        | 'conversionRate'
        | 'revenuePerUser'
        | 'popularContent'
        | 'geographicDistribution'
      )[]
    | null;
  site?: string | null;
  id?: string | number | null;
}
/**
 * Ask for the finals of a site's last ``minutes``: of metrics (absent: all) that are one number, not a list.
 */
export interface History {
  action: 'history';
  minutes: 5 | 15 | 60;
  metrics?:
    | (
        | 'pageViewsPerSecond'
        | 'activeUsers'
        | 'bounceRate'
        | 'averageSessionDuration'
        | 'conversionRate'
        | 'revenuePerUser'
      )[]
    | null;
  site?: string | null;
  id?: string | number | null;
}
/**
 * Ask whether the gateway is there and what time it has.
 */
export interface Ping {
  action: 'ping';
  id?: string | number | null;
}
/**
 * The first message of a connection. ``offset`` counts within one ``epoch``: one start of one gateway.
 */
export interface Hello {
  type: 'hello';
  epoch: string;
  serverTime: number;
  protocol: number;
  limits: Limits;
}
/**
 * What the gateway holds its clients to; announced in the hello.
 */
export interface Limits {
  maxMessageBytes: number;
  maxMessagesPerSecond: number;
  maxSites: number;
  flushIntervalMs: number;
  stallTimeoutMs: number;
  simpleIntervalMs: number;
  points: number;
  alerts: number;
}
/**
 * The answer to subscribe. ``snapshot`` is a Snapshot, encoded once for all who ask for the same.
 *
 *     ``recovered``, only if ``since`` was asked for: true, and no snapshot comes but what was missed, each change and
 *     each alert once, as messages like all others; or false, because it is too long ago or of another epoch.
 */
export interface Subscribed {
  type: 'subscribed';
  id?: string | number | null;
  site: string;
  metrics: (
    | 'pageViewsPerSecond'
    | 'activeUsers'
    | 'bounceRate'
    | 'averageSessionDuration'
    | 'eventsByOutcome'
    | 'conversionRate'
    | 'revenuePerUser'
    | 'popularContent'
    | 'geographicDistribution'
  )[];
  recovered?: boolean;
  snapshot?: Snapshot;
}
/**
 * The whole state of a site, with the last points of each metric and the last alerts, both oldest first.
 */
export interface Snapshot {
  pageViewsPerSecond?: number;
  activeUsers?: number;
  bounceRate?: number;
  averageSessionDuration?: number;
  eventsByOutcome?: Dimension[];
  conversionRate?: number;
  revenuePerUser?: number;
  popularContent?: Dimension[];
  geographicDistribution?: Dimension[];
  site: string;
  offset: number;
  timestamp: number;
  current?: Values;
  windows?: {
    [k: string]: Window;
  };
  points: {
    [k: string]: Point[];
  };
  alerts: AlertMessage[];
}
/**
 * One entry of a list: a url and its page views, a country and its visitors, an outcome and its count.
 */
export interface Dimension {
  key: string;
  value: number;
}
/**
 * One value a metric; rates are fractions 0..1, the duration is in seconds; what is not told is left out.
 */
export interface Values {
  pageViewsPerSecond?: number;
  activeUsers?: number;
  bounceRate?: number;
  averageSessionDuration?: number;
  eventsByOutcome?: Dimension[];
  conversionRate?: number;
  revenuePerUser?: number;
  popularContent?: Dimension[];
  geographicDistribution?: Dimension[];
}
/**
 * Which window a top-level value is of: its end (ms, exclusive), and whether the value is final.
 */
export interface Window {
  end: number;
  final: boolean;
  revision: number;
}
/**
 * A metric's value in a window that has ended; a list's value is the sum of its ``dimensions``.
 */
export interface Point {
  windowEnd: number;
  value: number;
  final: boolean;
  dimensions?: Dimension[];
}
/**
 * An alert of a subscribed site. ``lagged``: so many before it were dropped, because the client was slow.
 */
export interface AlertMessage {
  type: 'alert';
  alertId: string;
  alertType: string;
  severity: string;
  title: string;
  description: string;
  siteId: string;
  userId: string;
  windowStart: number;
  windowEnd: number;
  timestamp: number;
  offset: number;
  lagged?: number;
}
/**
 * The answer to unsubscribe. ``metrics``: what of the site still comes.
 */
export interface Unsubscribed {
  type: 'unsubscribed';
  id?: string | number | null;
  site: string;
  metrics: (
    | 'pageViewsPerSecond'
    | 'activeUsers'
    | 'bounceRate'
    | 'averageSessionDuration'
    | 'eventsByOutcome'
    | 'conversionRate'
    | 'revenuePerUser'
    | 'popularContent'
    | 'geographicDistribution'
  )[];
}
/**
 * The answer to history. ``points``: each metric's finals, oldest first, as they were a few seconds ago at most.
 */
export interface HistoryMessage {
  type: 'history';
  id?: string | number | null;
  site: string;
  minutes: number;
  points: {
    [k: string]: Point[];
  };
}
/**
 * What has changed of a site since the last message about it; ``offset`` grows from message to message.
 *
 *     ``earlier``: windows that ended before those at the top and are new to the client, or have changed: because it was
 *     away, read slowly, or a final came late. Oldest first; each takes the place of a point with the same ``windowEnd``.
 */
export interface MetricsMessage {
  type: 'metrics';
  pageViewsPerSecond?: number;
  activeUsers?: number;
  bounceRate?: number;
  averageSessionDuration?: number;
  eventsByOutcome?: Dimension[];
  conversionRate?: number;
  revenuePerUser?: number;
  popularContent?: Dimension[];
  geographicDistribution?: Dimension[];
  site: string;
  offset: number;
  timestamp: number;
  current?: Values;
  windows?: {
    [k: string]: Window;
  };
  earlier?: {
    [k: string]: Point[];
  };
}
/**
 * A site's visits, whole each time, for who has asked for ``visits``: at once, then when they have changed.
 *
 *     At most once a second. ``latest``: the 20 that ended last, newest first.
 */
export interface VisitsMessage {
  type: 'visits';
  site: string;
  offset: number;
  timestamp: number;
  latest: Visit[];
  funnel: Funnel;
}
/**
 * A visit that is over. ``path``: its first 10 urls; ``funnel_step``: how many of the funnel's steps it reached.
 */
export interface Visit {
  visitId: string;
  visitor: string;
  startTime: number;
  endTime: number;
  durationSeconds: number;
  pageViews: number;
  path: string[];
  entryPage?: string | null;
  exitPage?: string | null;
  converted: boolean;
  revenue: number;
  funnelStep: number;
  behaviour: string;
  deviceType?: string | null;
  browser?: string | null;
  country?: string | null;
  referrer?: string | null;
}
/**
 * The visits that were over in the last full ``minutes`` or are since then; how many reached each step, in order.
 *
 *     A visit is over with its SESSION_END, or after 30 minutes without an event.
 */
export interface Funnel {
  minutes: number;
  visits: number;
  steps: Dimension[];
}
/**
 * The answer to ping.
 */
export interface Pong {
  type: 'pong';
  id?: string | number | null;
  serverTime: number;
}
/**
 * What was wrong with a client's message; nothing has changed. ``temporary``: the same may work later.
 */
export interface ErrorMessage {
  type: 'error';
  id?: string | number | null;
  code:
    | 'bad_json'
    | 'bad_msgpack'
    | 'unknown_action'
    | 'unknown_metric'
    | 'invalid_field'
    | 'too_many_sites'
    | 'rate_limited'
    | 'forbidden'
    | 'no_history';
  message: string;
  temporary?: boolean;
}
/**
 * The last event of a stream of Server-Sent Events, with the code and the reason of a WebSocket's close.
 */
export interface Close {
  type: 'close';
  code: number;
  reason: string;
}

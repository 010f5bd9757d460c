/** What the page's address says: the gateway, the site, the metric and the range, so that a bookmark opens the same view. */

import type { Minutes } from './feed/feed';
import type { Scalar } from './feed/site';
import { METRICS } from './metrics';

export const RANGES = ['live', '5', '15', '60'] as const;
export type Range = (typeof RANGES)[number];

const MINUTES: Readonly<Record<Range, Minutes | null>> = { live: null, '5': 5, '15': 15, '60': 60 };

export interface View {
  readonly site: string;
  readonly metric: Scalar;
  readonly range: Range;
}

/** Read a view from a query string; what is missing or unknown is as on a first visit. */
export function viewOf(query: string): View {
  const asked = new URLSearchParams(query);
  const metric = METRICS.find(({ key }) => key === asked.get('metric'))?.key ?? 'pageViewsPerSecond';
  const range = RANGES.find((known) => known === asked.get('range')) ?? 'live';
  return { site: asked.get('site')?.slice(0, 64) || 'default', metric, range };
}

/** Put a view into a query string; the rest of it stays. */
export function queryOf(view: View, query: string): string {
  const asked = new URLSearchParams(query);
  for (const [name, value] of Object.entries(view)) asked.set(name, value);
  return `?${asked}`;
}

/** Return a range's minutes; null for the last 20 windows. */
export function minutesOf(range: Range): Minutes | null {
  return MINUTES[range];
}

/**
 * Return the gateway's address: where the page came from, or what `gateway` in the query says; with the `token` of the
 * query, for a gateway that wants one.
 */
export function gatewayOf(location: { protocol: string; host: string; search: string }): string {
  const asked = new URLSearchParams(location.search);
  const own = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/`;
  const gateway = new URL(asked.get('gateway') ?? own);
  const token = asked.get('token');
  if (token) gateway.searchParams.set('token', token);
  return gateway.href;
}

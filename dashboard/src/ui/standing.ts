/** How a feed stands, in words and in a tone: the connection, and how old the data is. */

import type { FeedState } from '../feed/feed';
import { type Freshness, freshness } from '../feed/freshness';
import { newestEnd } from '../feed/site';
import { clock, duration } from '../wording';

export interface Standing {
  readonly tone: 'live' | 'wait' | 'stale' | 'dead';
  readonly title: string;
  readonly detail: string;
}

/** Say how a feed stands; `now` is this machine's clock (ms). */
export function describe(feed: FeedState, now: number): Standing {
  const end = newestEnd(feed.site);
  const state = freshness(end, now + feed.skew);
  const age = end === null ? 'no data yet' : `data ${duration(Math.max(0, now + feed.skew - end) / 1_000)} old`;
  if (feed.connection.kind === 'waiting') {
    const wait = Math.max(0, Math.ceil((feed.connection.retryAt - now) / 1_000));
    return {
      tone: state === 'dead' ? 'dead' : 'stale',
      title: 'Reconnecting',
      detail: `${age} · next try in ${wait} s`,
    };
  }
  if (feed.connection.kind === 'connecting') return { tone: 'wait', title: 'Connecting', detail: age };
  return standing(state, end, age);
}

function standing(state: Freshness, end: number | null, age: string): Standing {
  switch (state) {
    case 'empty':
      return { tone: 'wait', title: 'Connected', detail: 'no data yet' };
    case 'live':
      return { tone: 'live', title: 'Live', detail: age };
    case 'stale':
    case 'dead':
      return { tone: state, title: `Stale since ${clock(end ?? 0)}`, detail: `nothing new comes · ${age}` };
  }
}

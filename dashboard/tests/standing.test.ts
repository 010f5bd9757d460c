import { expect, describe as group, it } from 'vitest';
import { backoff } from '../src/feed/backoff';
import type { Connection, FeedState } from '../src/feed/feed';
import { emptySite, withMetrics } from '../src/feed/site';
import { describe } from '../src/ui/standing';
import { T, users } from './made';

const END = T + 5_000;
const known = withMetrics(emptySite('default'), users(5, 1));

function feed(change: Partial<FeedState> = {}): FeedState {
  const connection: Connection = { kind: 'open' };
  const site = known;
  return { connection, site, skew: 0, roundTrip: null, messages: 0, reconnects: 0, complaint: null, ...change };
}

group('how things stand', () => {
  it.each([
    ['live', 'Live', 1_500, 'data 1.5 s old'],
    ['stale', 'Stale', 12_000, 'data 12.0 s old'],
    ['dead', 'Stale', 95_000, 'data 1 m 35 s old'],
  ])('is %s when the newest window ended so long ago', (tone, title, age, detail) => {
    const standing = describe(feed(), END + age);
    expect(standing.tone).toBe(tone);
    expect(standing.title).toContain(title);
    expect(standing.detail).toContain(detail);
  });

  it('goes by the clock of the gateway', () => {
    expect(describe(feed({ skew: -60_000 }), END + 61_000).detail).toBe('data 1.0 s old');
  });

  it('is never nothing', () => {
    const site = emptySite('default');
    expect(describe(feed({ site }), T)).toEqual({ tone: 'wait', title: 'Connected', detail: 'no data yet' });
    expect(describe(feed({ site, connection: { kind: 'connecting' } }), T).title).toBe('Connecting');
  });

  it('says when it tries again, and how old what is seen has become', () => {
    const connection: Connection = { kind: 'waiting', retryAt: END + 4_100, why: '' };
    expect(describe(feed({ connection }), END + 2_000).detail).toBe('data 2.0 s old · next try in 3 s');
  });
});

it('spreads the attempts of many pages over half of the wait', () => {
  expect([backoff(1, 0), backoff(1, 1), backoff(20, 0), backoff(20, 1)]).toEqual([125, 250, 4_000, 8_000]);
});

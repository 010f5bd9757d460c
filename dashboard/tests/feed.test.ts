import { beforeEach, describe, expect, it } from 'vitest';
import { Feed, HISTORY_RETRY_MS, PING_MS, SILENCE_MS } from '../src/feed/feed';
import { FakeWorld } from './fakeWorld';
import { alert, hello, point, snapshot, subscribed, T, users, visits } from './made';

let world: FakeWorld;
let feed: Feed;
const values = () => feed.state.site.series.activeUsers.map((sample) => sample.value);

beforeEach(() => {
  world = new FakeWorld();
  feed = new Feed('ws://gateway/', 'default', world, () => {});
  feed.connect();
});

/** The gateway answers, with these points of active users. */
function open(...points: ReturnType<typeof point>[]): void {
  world.socket.events.opened();
  world.socket.say(hello(), subscribed({ snapshot: snapshot({ offset: 7, points: { activeUsers: points } }) }));
}

describe('a connection', () => {
  it('subscribes as soon as it is there and is open when the gateway has answered', () => {
    expect(feed.state.connection.kind).toBe('connecting');
    world.socket.events.opened();
    expect(world.socket.asked('subscribe')).toEqual([{ action: 'subscribe', site: 'default', visits: true }]);
    expect(feed.state.connection.kind).toBe('connecting');
    world.socket.say(hello(), subscribed());
    expect(feed.state.connection.kind).toBe('open');
  });

  it('keeps the clock of the gateway', () => {
    world.socket.events.opened();
    world.socket.say(hello('one', world.now() + 90_000));
    expect(feed.state.skew).toBe(90_000);
  });

  it('measures the way to the gateway and back', () => {
    open();
    world.pass(40);
    world.socket.say({ type: 'pong', serverTime: world.now() });
    expect(feed.state.roundTrip).toBe(40);
  });

  it('is given up when nothing comes any more, and only then', () => {
    open();
    const first = world.socket;
    world.pass(SILENCE_MS - 2_500);
    first.say({ type: 'pong', serverTime: 0 });
    world.pass(SILENCE_MS - PING_MS);
    expect(first.closed).toBe(false);
    expect(first.asked('ping').length).toBeGreaterThan(2);
    world.pass(SILENCE_MS);
    expect(first.closed).toBe(true);
    expect(feed.state.connection).not.toHaveProperty('kind', 'open');
  });

  it('ignores what an old connection still says', () => {
    open();
    const old = world.socket;
    old.events.closed(1006, '');
    world.pass(250);
    open(point(0, 1));
    old.say(users(5, 99));
    old.events.closed(1006, '');
    expect(values()).toEqual([1]);
    expect(feed.state.connection.kind).toBe('open');
  });

  it('says nothing more when it is closed for good', () => {
    open();
    feed.close();
    world.pass(60_000);
    expect(world.socket.closed).toBe(true);
    expect(world.sockets).toHaveLength(1);
  });
});

describe('a lost connection', () => {
  it('is tried again and again, later each time, and soon again once it has answered', () => {
    const waits = [];
    for (let attempt = 0; attempt < 8; attempt++) {
      world.socket.events.closed(1006, '');
      const { connection } = feed.state;
      if (connection.kind !== 'waiting') throw new Error(connection.kind);
      waits.push(connection.retryAt - world.now());
      world.pass(connection.retryAt - world.now());
    }
    expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
    open();
    world.socket.events.closed(1001, 'the gateway stops');
    expect(feed.state.connection).toEqual({ kind: 'waiting', retryAt: world.now() + 250, why: 'the gateway stops' });
  });

  it('keeps what is known on the page', () => {
    open(point(0, 5));
    world.socket.events.closed(1006, '');
    expect(values()).toEqual([5]);
  });

  it('can be tried now, once', () => {
    world.socket.events.closed(1006, '');
    feed.connect();
    feed.connect();
    world.pass(100);
    expect(world.sockets).toHaveLength(2);
  });

  it('resumes after the last metrics and the last alert', () => {
    open();
    world.socket.say(
      users(5, 10, true, { offset: 9 }),
      alert('a', { offset: 12 }),
      users(10, 11, true, { offset: 15 }),
    );
    world.socket.events.closed(1006, '');
    world.pass(250);
    world.socket.events.opened();
    const since = { epoch: 'one', offset: 15, alertOffset: 12 };
    expect(world.socket.asked('subscribe')).toEqual([{ action: 'subscribe', site: 'default', visits: true, since }]);
  });

  it('takes what was missed when it is recovered', () => {
    open(point(0, 1));
    world.socket.events.closed(1006, '');
    world.pass(250);
    world.socket.events.opened();
    world.socket.say(hello(), { type: 'subscribed', site: 'default', metrics: [], recovered: true });
    world.socket.say(users(15, 4, false, { earlier: { activeUsers: [point(5, 2), point(10, 3)] } }));
    expect(values()).toEqual([1, 2, 3, 4]);
    expect(feed.state.reconnects).toBe(1);
  });

  it('starts from the snapshot when it is not, with the history laid under it', () => {
    feed.lookBack(15);
    open(point(0, 1));
    world.socket.events.closed(1006, '');
    world.pass(250);
    world.socket.events.opened();
    const points = { activeUsers: [point(300, 9)] };
    world.socket.say(hello('two'), subscribed({ recovered: false, snapshot: snapshot({ offset: 3, points }) }));
    world.socket.say({ type: 'history', site: 'default', minutes: 15, points: { activeUsers: [point(295, 8)] } });
    expect(world.socket.asked('history')).toHaveLength(1);
    expect(values()).toEqual([1, 8, 9]);
    world.socket.events.closed(1006, '');
    world.pass(250);
    world.socket.events.opened();
    expect(world.socket.asked('subscribe')[0]).toHaveProperty('since', { epoch: 'two', offset: 3, alertOffset: 3 });
  });
});

describe('a site', () => {
  it('is left for another, of which nothing is known yet', () => {
    open(point(0, 1));
    feed.show('shop');
    expect(world.socket.sent.slice(-2)).toEqual([
      { action: 'unsubscribe', site: 'default' },
      { action: 'subscribe', site: 'shop', visits: true },
    ]);
    world.socket.say(users(5, 99), alert('old'), subscribed());
    expect(feed.state.site.name).toBe('shop');
    expect(values()).toEqual([]);
    expect(feed.state.site.alerts).toEqual([]);
  });

  it('is asked for when there is a connection again', () => {
    world.socket.events.closed(1006, '');
    feed.show('shop');
    world.pass(250);
    world.socket.events.opened();
    expect(world.socket.asked('subscribe')).toEqual([{ action: 'subscribe', site: 'shop', visits: true }]);
  });
});

describe('the visits', () => {
  const ids = () => feed.state.site.visits?.latest.map((visit) => visit.visitId);

  it('are replaced whole each time, and do not move where it resumes', () => {
    open();
    expect(ids()).toBeUndefined();
    world.socket.say(visits(['b', 'a'], { offset: 90 }));
    world.socket.say(visits(['c', 'b'], { offset: 95 }));
    expect(ids()).toEqual(['c', 'b']);
    world.socket.events.closed(1006, '');
    world.pass(250);
    world.socket.events.opened();
    expect(world.socket.asked('subscribe')[0]).toHaveProperty('since.offset', 7);
    expect(ids()).toEqual(['c', 'b']);
  });

  it('of another site are not shown', () => {
    open();
    world.socket.say(visits(['a']));
    feed.show('shop');
    expect(feed.state.site.visits).toBeNull();
    world.socket.say(visits(['b']));
    expect(feed.state.site.visits).toBeNull();
    world.socket.say(visits(['c'], { site: 'shop' }));
    expect(ids()).toEqual(['c']);
  });
});

describe('the history', () => {
  it('is asked for when a longer range is chosen', () => {
    open();
    feed.lookBack(60);
    feed.lookBack(60);
    feed.lookBack(null);
    expect(world.socket.asked('history')).toEqual([{ action: 'history', id: 'history', site: 'default', minutes: 60 }]);
  });

  it('is asked for again when it cannot be had now', () => {
    open();
    feed.lookBack(5);
    const message = 'InfluxDB does not answer';
    world.socket.say({ type: 'error', id: 'history', code: 'no_history', message, temporary: true });
    expect(feed.state.complaint).toBe(message);
    world.pass(HISTORY_RETRY_MS);
    expect(world.socket.asked('history')).toHaveLength(2);
    world.socket.say({ type: 'history', site: 'default', minutes: 5, points: {} });
    expect(feed.state.complaint).toBeNull();
  });
});

it('takes no notice of messages it does not know', () => {
  open(point(0, 1));
  world.socket.events.received('{"type":"weather","site":"default"}');
  expect(values()).toEqual([1]);
  expect(feed.state.site.at).toBe(T);
});

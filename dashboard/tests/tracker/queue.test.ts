import { beforeEach, describe, expect, it } from 'vitest';
import { FIRST_RETRY_MS } from '../../src/feed/backoff';
import { BATCH, KEPT, LAST_RETRY_MS, makeQueue, type Queue, SOON_MS } from '../../tracker/queue';
import { FakePage } from './fakePage';

let page: FakePage;
let queue: Queue;

beforeEach(() => {
  page = new FakePage();
  queue = makeQueue(page, () => {});
});

function add(count: number): void {
  for (let n = 0; n < count; n++) {
    queue.add({ event_id: page.id(), event_type: 'click', site_id: 'shop', timestamp: '', path: '/' });
  }
}

const ids = () => page.sent.map((event) => event.event_id);
const numbered = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, n) => `id-${first + n}`);

describe('a queue', () => {
  it('sends what comes within a short time together', () => {
    add(2);
    page.pass(SOON_MS - 1);
    add(1);
    expect(page.requests).toHaveLength(0);
    page.pass(1);
    expect(page.requests.map((request) => request.events.length)).toEqual([3]);
  });

  it('sends at most so many at a time, the next ones when these are answered', () => {
    page.status = null;
    add(BATCH + 1);
    page.pass(5_000);
    expect(ids()).toEqual(numbered(1, BATCH));
    page.requests[0]?.answered(200);
    page.pass(0);
    expect(ids()).toEqual(numbered(1, BATCH + 1));
  });

  it.each([0, 408, 429, 500, 503])('sends the same events again after status %i, each time later', (status) => {
    page.status = status;
    add(1);
    page.pass(SOON_MS);
    page.pass(1_000);
    const soon = page.requests.length;
    expect(soon).toBeGreaterThan(2);
    page.pass(1_000);
    expect(page.requests.length - soon).toBeLessThan(soon);
    page.status = 200;
    page.pass(LAST_RETRY_MS);
    const attempts = page.requests.length;
    page.pass(10 * LAST_RETRY_MS);
    expect(page.requests).toHaveLength(attempts);
    expect(new Set(ids())).toEqual(new Set(['id-1']));
  });

  it('says each time when it sends', () => {
    page.status = 503;
    add(1);
    page.pass(2_000);
    const times = page.sent.map((event) => event.sent_at);
    expect(new Set(times).size).toBe(times.length);
  });

  it.each([200, 207, 400, 401, 403, 413])('does not send again after status %i', (status) => {
    page.status = status;
    add(1);
    page.pass(10 * LAST_RETRY_MS);
    expect(page.requests).toHaveLength(1);
  });

  it('keeps the order, and the newest when there are too many', () => {
    page.status = null;
    add(KEPT);
    page.pass(SOON_MS);
    add(BATCH + 2);
    page.requests[0]?.answered(0);
    page.sent.length = 0;
    page.status = 200;
    page.pass(10 * LAST_RETRY_MS);
    expect(ids()).toEqual(numbered(BATCH + 3, KEPT + BATCH + 2));
  });

  it('keeps the newest when nothing is answered', () => {
    page.status = null;
    add(1);
    page.pass(SOON_MS);
    add(KEPT + 1);
    page.status = 200;
    page.requests[0]?.answered(200);
    page.pass(10 * LAST_RETRY_MS);
    expect(ids()).toEqual(['id-1', ...numbered(3, KEPT + 2)]);
  });

  it('waits with what comes while it sends until it knows whether that works', () => {
    page.status = null;
    add(1);
    page.pass(SOON_MS);
    add(1);
    page.requests[0]?.answered(503);
    page.pass(SOON_MS + 1);
    expect(ids()).toEqual(['id-1']);
    page.pass(FIRST_RETRY_MS);
    expect(ids()).toEqual(['id-1', 'id-1', 'id-2']);
  });

  it('hands over to the browser what waits, also for its next attempt, and nothing twice', () => {
    page.status = 503;
    add(1);
    page.pass(SOON_MS + 20);
    page.sent.length = 0;
    add(BATCH);
    queue.handOver();
    expect(page.beacons.map((events) => events.length)).toEqual([BATCH, 1]);
    page.pass(10 * LAST_RETRY_MS);
    expect(ids()).toEqual(numbered(1, BATCH + 1));
  });

  it('keeps what the browser does not take', () => {
    page.takesBeacons = false;
    add(1);
    queue.handOver();
    page.pass(SOON_MS);
    expect(ids()).toEqual(['id-1']);
  });
});

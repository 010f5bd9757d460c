import { beforeEach, describe, expect, it } from 'vitest';
import { SOON_MS } from '../../tracker/queue';
import { LOAD_WAIT_MS, type Tracker, track, VISIT_GAP_MS } from '../../tracker/tracker';
import { FakePage } from './fakePage';

let page: FakePage;

beforeEach(() => {
  page = new FakePage();
});

/** A page that has just been opened; its events up to now have been sent. */
function opened(change: Partial<FakePage> = {}): Tracker {
  Object.assign(page, change);
  const tracker = track(page, 'shop');
  page.pass(SOON_MS);
  return tracker;
}

/** What is sent for what was done, up to when it is all sent. */
function sentFor(act: () => void): [type: string, path: string][] {
  const before = page.sent.length;
  act();
  page.pass(SOON_MS + 20);
  return page.sent.slice(before).map((event) => [event.event_type, event.path]);
}

/** The site goes to another address of its own. */
function go(tracker: Tracker, address: string, replaced = false): void {
  page.address = address;
  tracker.moved(replaced);
}

describe('a page that is opened', () => {
  it('is a page view, with what is known of it', () => {
    opened({ address: '/products?list=new', name: 'Products', referrer: 'https://search.example/' });
    expect(page.sent.at(-1)).toEqual({
      event_id: 'id-2',
      event_type: 'page_view',
      site_id: 'shop',
      timestamp: '1970-01-01T00:16:40.000Z',
      sent_at: '1970-01-01T00:16:40.100Z',
      path: '/products?list=new',
      title: 'Products',
      referrer: 'https://search.example/',
      page_load_time: 80,
    });
  });

  it('begins a visit when it was come to from outside, and only then', () => {
    opened();
    expect(page.types).toEqual(['session_start', 'page_view']);
    opened({ entered: false });
    expect(page.types.slice(2)).toEqual(['page_view']);
  });

  it('is told as soon as it has loaded, with its load time', () => {
    const tracker = opened({ loadedAfter: undefined });
    expect(page.sent).toEqual([]);
    page.loadedAfter = 350;
    tracker.loaded();
    expect(page.sent.at(-1)).toMatchObject({ event_type: 'page_view', page_load_time: 350 });
  });

  it('is told in time when it loads slowly; its load time follows', () => {
    const tracker = opened({ loadedAfter: undefined });
    page.pass(LOAD_WAIT_MS);
    expect(page.types).toEqual(['session_start', 'page_view']);
    page.loadedAfter = 7_000;
    const more = sentFor(() => {
      go(tracker, '/cart');
      tracker.loaded();
    });
    expect(more).toEqual([
      ['page_view', '/cart'],
      ['page_load', '/'],
    ]);
    expect(page.sent.at(-1)?.page_load_time).toBe(7_000);
  });
});

describe('a single-page application', () => {
  it('has a page view for each new address, without a referrer or a load time', () => {
    const tracker = opened({ referrer: 'https://search.example/' });
    expect(sentFor(() => go(tracker, '/products'))).toEqual([['page_view', '/products']]);
    expect(sentFor(() => go(tracker, '/products?page=2'))).toEqual([['page_view', '/products?page=2']]);
    expect(sentFor(() => go(tracker, '/'))).toEqual([['page_view', '/']]);
    for (const event of page.sent.slice(2)) {
      expect(event).not.toHaveProperty('referrer');
      expect(event).not.toHaveProperty('page_load_time');
    }
  });

  it('has none when the address stays', () => {
    const tracker = opened();
    expect(sentFor(() => go(tracker, '/'))).toEqual([]);
  });

  it('has one for a replaced address if its path is another', () => {
    const tracker = opened();
    expect(sentFor(() => go(tracker, '/?sort=price', true))).toEqual([]);
    expect(sentFor(() => go(tracker, '/?sort=price'))).toEqual([]);
    expect(sentFor(() => go(tracker, '/cart', true))).toEqual([['page_view', '/cart']]);
  });

  it('may set its title a little after its address', () => {
    const tracker = opened();
    sentFor(() => {
      go(tracker, '/cart');
      page.name = 'Cart';
    });
    expect(page.sent.at(-1)?.title).toBe('Cart');
  });

  it('keeps the order of what happens in a hurry, each event with its path', () => {
    const tracker = opened();
    const sent = sentFor(() => {
      go(tracker, '/cart');
      tracker.tell('conversion');
      go(tracker, '/thank-you');
    });
    expect(sent).toEqual([
      ['page_view', '/cart'],
      ['conversion', '/cart'],
      ['page_view', '/thank-you'],
    ]);
    expect(page.sent.slice(-3).map((event) => event.title)).toEqual(['Shop', undefined, 'Shop']);
  });
});

describe('what a site tells', () => {
  it('is sent with its value, currency and order', () => {
    const tracker = opened();
    sentFor(() => tracker.tell('conversion', { value: 49.9, currency: 'EUR', orderId: 1042 }));
    expect(page.sent.at(-1)).toMatchObject({
      event_type: 'conversion',
      value: 49.9,
      currency: 'EUR',
      order_id: '1042',
    });
  });

  it('may be an event of its own, with nothing', () => {
    const tracker = opened();
    expect(sentFor(() => tracker.tell('add-to-cart', null))).toEqual([['add-to-cart', '/']]);
    expect(sentFor(() => tracker.tell(''))).toEqual([]);
  });

  it('is cut to what the door takes, and not within a character', () => {
    const tracker = opened();
    sentFor(() => tracker.tell(`${'x'.repeat(63)}🛶`, { orderId: 'y'.repeat(200) }));
    expect(page.sent.at(-1)).toMatchObject({ event_type: 'x'.repeat(63), order_id: 'y'.repeat(128) });
  });
});

describe('a page that is left', () => {
  it('says so once, whatever the browser calls it, and hands it over', () => {
    const tracker = opened();
    page.pass(100);
    tracker.gone();
    tracker.visible(false);
    page.pass(60_000);
    expect(page.beacons.map((events) => events.map((event) => event.event_type))).toEqual([['page_leave']]);
    expect(page.requests).toHaveLength(1);
  });

  it('hands over its view too if that has not been sent', () => {
    const tracker = track(Object.assign(page, { loadedAfter: undefined }), 'shop');
    tracker.gone();
    page.pass(60_000);
    expect(page.types).toEqual(['session_start', 'page_view', 'page_leave']);
    expect(page.requests).toHaveLength(0);
  });

  it('says so at once when it is only hidden, and again the next time', () => {
    const tracker = opened();
    page.status = 503;
    tracker.visible(false);
    page.status = 200;
    page.pass(1_000);
    expect(page.requests.slice(1).map((request) => request.events.map((event) => event.event_type))).toEqual([
      ['page_leave'],
      ['page_leave'],
    ]);
    tracker.visible(true);
    expect(sentFor(() => tracker.visible(false))).toEqual([['page_leave', '/']]);
  });

  it('is viewed anew when it comes back from the browser’s memory', () => {
    const tracker = opened();
    tracker.gone();
    expect(sentFor(() => tracker.restored())).toEqual([['page_view', '/']]);
    expect(sentFor(() => tracker.gone())).toEqual([['page_leave', '/']]);
  });
});

describe('half an hour without an event', () => {
  it('ends the visit: the next event begins another', () => {
    const tracker = opened();
    page.pass(VISIT_GAP_MS);
    expect(sentFor(() => go(tracker, '/cart'))).toEqual([
      ['session_start', '/cart'],
      ['page_view', '/cart'],
    ]);
    expect(sentFor(() => go(tracker, '/'))).toEqual([['page_view', '/']]);
    page.pass(VISIT_GAP_MS);
    expect(sentFor(() => tracker.tell('chat'))).toEqual([
      ['session_start', '/'],
      ['chat', '/'],
    ]);
  });

  it('is no visit that begins with leaving', () => {
    const tracker = opened();
    page.pass(VISIT_GAP_MS);
    expect(sentFor(() => tracker.visible(false))).toEqual([]);
  });
});

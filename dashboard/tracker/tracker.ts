/** From what happens on a page to events: its views, the visit's start, its leaving, and what the site tells. */

import { makeQueue } from './queue.ts';
import type { SiteEvent, World } from './world.ts';

/** A visit is over after so long (ms) without an event. */
export const VISIT_GAP_MS = 1_800_000;
/** A page view waits so long (ms) for its page to have loaded. */
export const LOAD_WAIT_MS = 1_000;

/** What a site may tell of an event. */
export interface Told {
  readonly value?: number;
  readonly currency?: string;
  readonly orderId?: string | number;
}

export interface Tracker {
  /** The site tells of an event. */
  tell(name: string, told?: Told | null): void;
  /** The page has loaded. */
  loaded(): void;
  /** The address may be another now; `replaced`: in the same place of the history, where a new query is no new page. */
  moved(replaced?: boolean): void;
  /** The page is back from the browser's memory, as it was left. */
  restored(): void;
  /** The page can be seen, or no longer. */
  visible(seen: boolean): void;
  /** The page is going. */
  gone(): void;
}

/** Start with a page that has just been opened. */
export function track(world: World, site: string): Tracker {
  let path = '';
  let lastAt = world.now();
  let left = false;
  /** The page view that has not been sent yet. */
  let open: SiteEvent | undefined;

  const queue = makeQueue(world, complete);

  function add(event_type: string, more: Partial<SiteEvent> = {}, within?: number): SiteEvent {
    lastAt = world.now();
    const timestamp = new Date(lastAt).toISOString();
    const event = { event_id: world.id(), event_type, site_id: site, timestamp, path, ...more };
    queue.add(event, within);
    return event;
  }

  /** A page of a single-page application has its title a little after its address. */
  function complete(): void {
    if (open) open.title = text(world.title(), 500);
    open = undefined;
  }

  function isOver(): boolean {
    return world.now() - lastAt > VISIT_GAP_MS;
  }

  function view(starts: boolean, more?: Partial<SiteEvent>, within?: number): SiteEvent {
    complete();
    path = world.path();
    left = false;
    if (starts) add('session_start', more, within);
    open = add('page_view', more, within);
    return open;
  }

  /** So that a visit lasts until its last page was left, it is told; what comes next may still belong to it. */
  function leave(): void {
    if (!left && !isOver()) add('page_leave');
    left = true;
  }

  const referrer = world.referrer || undefined;
  const loadTime = world.loadTime();
  const first = view(world.entered, { referrer }, loadTime === undefined ? LOAD_WAIT_MS : undefined);
  first.page_load_time = loadTime;

  return {
    tell(name, told) {
      const type = text(name, 64);
      if (!type) return;
      const { value, currency, orderId } = told ?? {};
      const more = { value: value == null ? undefined : +value, currency: text(currency), order_id: text(orderId) };
      if (isOver()) add('session_start');
      add(type, more);
    },
    loaded() {
      const page_load_time = world.loadTime();
      if (open === first) {
        first.page_load_time = page_load_time;
        queue.flush();
      } else add('page_load', { path: first.path, page_load_time });
    },
    moved(replaced) {
      const before = path;
      path = world.path();
      if (replaced ? withoutQuery(before) !== withoutQuery(path) : before !== path) view(isOver());
    },
    restored() {
      view(isOver());
    },
    visible(seen) {
      if (seen) left = false;
      else {
        leave();
        queue.flush();
      }
    },
    gone() {
      leave();
      queue.handOver();
    },
  };
}

/** Cut to what the door takes, and not within a character. */
function text(value: unknown, most = 128): string | undefined {
  return value == null ? undefined : `${value}`.slice(0, most).replace(/[\ud800-\udbff]$/, '');
}

function withoutQuery(path: string): string | undefined {
  return path.split('?')[0];
}

/** What the tracker needs of the page it is on and of the world around. Tests have one of their own. */

export interface World {
  /** ms since the epoch. */
  now(): number;
  /** Run something once after so many ms. */
  after(ms: number, run: () => void): void;
  /** 0 to 1. */
  random(): number;
  /** A new UUID. */
  id(): string;
  /** The page's path with its query, without its fragment. */
  path(): string;
  title(): string;
  /** How long (ms) it took to load the page; undefined while it loads. */
  loadTime(): number | undefined;
  /** The address of the other site's page that led here; empty when there is none. */
  readonly referrer: string;
  /** Whether the page was come to from outside the site: with this page a visit begins. */
  readonly entered: boolean;
  /** Give a body to the door; later the answer's status is told once, 0 when none came. */
  post(body: string, answered: (status: number) => void): void;
  /** Give a body to the browser, which sends it whatever becomes of the page; false when it does not take it. */
  beacon(body: string): boolean;
}

/** An event as the door takes it. */
export interface SiteEvent {
  readonly event_id: string;
  readonly event_type: string;
  readonly site_id: string;
  readonly timestamp: string;
  readonly path: string;
  title?: string | undefined;
  page_load_time?: number | undefined;
  readonly referrer?: string | undefined;
  readonly value?: number | undefined;
  readonly currency?: string | undefined;
  readonly order_id?: string | undefined;
}

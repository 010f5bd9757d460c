/**
 * The way from the gateway to a page's state: connect, subscribe, take messages; when the connection is lost, wait longer
 * each time, then resume where it was. Whatever happens, the state keeps what is known.
 */

import { backoff } from './backoff';
import type {
  AlertMessage,
  ErrorMessage,
  Hello,
  History,
  HistoryMessage,
  MetricsMessage,
  Request,
  ServerMessage,
  Since,
  Subscribed,
  VisitsMessage,
} from './messages';
import {
  emptySite,
  SCALARS,
  type Scalar,
  type SiteState,
  withAlert,
  withMetrics,
  withPoints,
  withSnapshot,
  withVisits,
} from './site';
import type { Socket, World } from './world';

/** A ping goes out so often; a connection on which nothing has come for so long is given up. */
export const PING_MS = 5_000;
export const SILENCE_MS = 12_000;
export const HISTORY_RETRY_MS = 10_000;

/** The id of a request for the history, to know its error by. */
const HISTORY = 'history';

/** `open`: the gateway has answered, messages come. `waiting`: the next attempt is at `retryAt` (ms, this machine's clock). */
export type Connection =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'open' }
  | { readonly kind: 'waiting'; readonly retryAt: number; readonly why: string };

export interface FeedState {
  readonly connection: Connection;
  readonly site: SiteState;
  /** How far (ms) the gateway's clock is ahead of this machine's. */
  readonly skew: number;
  /** From a ping to its answer (ms). */
  readonly roundTrip: number | null;
  /** Messages since the page was opened. */
  readonly messages: number;
  /** How often a lost connection was found again. */
  readonly reconnects: number;
  /** What the gateway said was wrong with a request. */
  readonly complaint: string | null;
}

/** The lengths of a history that can be asked for. */
export type Minutes = History['minutes'];

/** One page's feed. `changed` is called after each change of `state`. */
export class Feed {
  state: FeedState;
  readonly #url: string;
  readonly #world: World;
  readonly #changed: (state: FeedState) => void;
  #socket: Socket | null = null;
  #failures = 0;
  #wasOpen = false;
  #minutes: Minutes | null = null;
  #epoch = '';
  #position: Since | null = null;
  #heardAt = 0;
  #pingedAt = 0;
  #cancel: () => void = () => {};
  #cancelRetry: () => void = () => {};

  constructor(url: string, site: string, world: World, changed: (state: FeedState) => void) {
    this.#url = url;
    this.#world = world;
    this.#changed = changed;
    this.state = {
      connection: { kind: 'connecting' },
      site: emptySite(site),
      skew: 0,
      roundTrip: null,
      messages: 0,
      reconnects: 0,
      complaint: null,
    };
  }

  /** Connect now: at the start, or instead of waiting for the next attempt. */
  connect(): void {
    if (this.#socket) return;
    this.#cancel();
    this.#set({ connection: { kind: 'connecting' } });
    const current = () => this.#socket === socket;
    const socket = this.#world.connect(this.#url, {
      opened: () => current() && this.#opened(),
      received: (text) => current() && this.#received(text),
      closed: (code, reason) => current() && this.#lost(reason || `connection closed (${code})`),
    });
    this.#socket = socket;
    this.#heardAt = this.#world.now();
    this.#watch();
  }

  /** Show another site, from nothing. */
  show(site: string): void {
    const before = this.state.site.name;
    if (site === before) return;
    this.#position = null;
    this.#set({ site: emptySite(site), complaint: null });
    if (this.state.connection.kind !== 'open') return;
    this.#send({ action: 'unsubscribe', site: before });
    this.#subscribe();
  }

  /** Keep so many minutes of every number in the state; null: only what comes. */
  lookBack(minutes: Minutes | null): void {
    if (minutes === this.#minutes) return;
    this.#minutes = minutes;
    this.#askHistory();
  }

  /** End for good. */
  close(): void {
    const socket = this.#socket;
    this.#socket = null;
    this.#cancel();
    this.#cancelRetry();
    socket?.close();
  }

  #opened(): void {
    this.#subscribe();
    this.#ping();
  }

  /** Ask for the site, with where this page has got; the answer says whether the gateway could go on from there. */
  #subscribe(): void {
    const since = this.#position && { since: this.#position };
    this.#send({ action: 'subscribe', site: this.state.site.name, visits: true, ...since });
  }

  #askHistory(): void {
    if (this.#minutes === null || this.state.connection.kind !== 'open') return;
    this.#send({ action: 'history', id: HISTORY, site: this.state.site.name, minutes: this.#minutes });
  }

  #received(text: string): void {
    this.#heardAt = this.#world.now();
    this.#set({ messages: this.state.messages + 1 });
    this.#take(JSON.parse(text) as ServerMessage);
  }

  /** A type that is not known here is ignored: a newer gateway may say more. */
  #take(message: ServerMessage): void {
    switch (message.type) {
      case 'hello':
        this.#greeted(message);
        break;
      case 'subscribed':
        this.#subscribed(message);
        break;
      case 'metrics':
        this.#measured(message);
        break;
      case 'history':
        this.#remembered(message);
        break;
      case 'alert':
        this.#alerted(message);
        break;
      case 'visits':
        this.#visited(message);
        break;
      case 'pong':
        this.#set({ roundTrip: this.#heardAt - this.#pingedAt, skew: message.serverTime - this.#heardAt });
        break;
      case 'error':
        this.#refused(message);
        break;
    }
  }

  #greeted(hello: Hello): void {
    this.#epoch = hello.epoch;
    this.#set({ skew: hello.serverTime - this.#heardAt });
  }

  #subscribed({ site: name, snapshot }: Subscribed): void {
    if (name !== this.state.site.name) return;
    this.#failures = 0;
    const reconnects = this.state.reconnects + (this.#wasOpen && this.state.connection.kind !== 'open' ? 1 : 0);
    this.#wasOpen = true;
    this.#set({ connection: { kind: 'open' }, reconnects, complaint: null });
    if (!snapshot) return;
    this.#position = { epoch: this.#epoch, offset: snapshot.offset, alertOffset: snapshot.offset };
    this.#set({ site: withSnapshot(this.state.site, snapshot) });
    this.#askHistory();
  }

  #remembered(history: HistoryMessage): void {
    if (history.site !== this.state.site.name) return;
    this.#set({ complaint: null });
    const add = (site: SiteState, metric: Scalar) => withPoints(site, metric, history.points[metric] ?? []);
    this.#set({ site: SCALARS.reduce(add, this.state.site) });
  }

  #measured(message: MetricsMessage): void {
    if (message.site !== this.state.site.name || !this.#position) return;
    this.#position = { ...this.#position, offset: message.offset };
    this.#set({ site: withMetrics(this.state.site, message) });
  }

  #alerted(alert: AlertMessage): void {
    if (alert.siteId !== this.state.site.name || !this.#position) return;
    this.#position = { ...this.#position, alertOffset: alert.offset };
    this.#set({ site: withAlert(this.state.site, alert, alert.lagged ?? 0) });
  }

  #visited(message: VisitsMessage): void {
    if (message.site === this.state.site.name) this.#set({ site: withVisits(this.state.site, message) });
  }

  /** A history that cannot be had now is asked for again. */
  #refused(error: ErrorMessage): void {
    this.#set({ complaint: error.message });
    if (error.id !== HISTORY || !error.temporary) return;
    this.#cancelRetry();
    this.#cancelRetry = this.#world.after(HISTORY_RETRY_MS, () => this.#askHistory());
  }

  /** Ping now and then, and give up a connection that is silent: it may be half open for minutes. */
  #watch(): void {
    this.#cancel = this.#world.after(PING_MS, () => {
      if (this.#world.now() - this.#heardAt >= SILENCE_MS) {
        this.#socket?.close();
        this.#lost('the gateway has gone silent');
        return;
      }
      if (this.state.connection.kind === 'open') this.#ping();
      this.#watch();
    });
  }

  #ping(): void {
    this.#pingedAt = this.#world.now();
    this.#send({ action: 'ping' });
  }

  #lost(why: string): void {
    this.#socket = null;
    this.#cancel();
    this.#failures += 1;
    const wait = backoff(this.#failures, this.#world.random());
    this.#set({ connection: { kind: 'waiting', retryAt: this.#world.now() + wait, why }, roundTrip: null });
    this.#cancel = this.#world.after(wait, () => this.connect());
  }

  #send(request: Request): void {
    this.#socket?.send(JSON.stringify(request));
  }

  #set(change: Partial<FeedState>): void {
    this.state = { ...this.state, ...change };
    this.#changed(this.state);
  }
}

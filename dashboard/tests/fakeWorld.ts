/** A world for tests: time stands still until it is moved, and the test is the gateway. */

import type { ServerMessage } from '../src/feed/messages';
import type { Socket, SocketEvents, World } from '../src/feed/world';

export class FakeSocket implements Socket {
  readonly sent: Record<string, unknown>[] = [];
  closed = false;

  constructor(readonly events: SocketEvents) {}

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(): void {
    this.closed = true;
  }

  /** The gateway says something. */
  say(...messages: ServerMessage[]): void {
    for (const message of messages) this.events.received(JSON.stringify(message));
  }

  /** What the page has asked for, by action. */
  asked(action: string): Record<string, unknown>[] {
    return this.sent.filter((request) => request.action === action);
  }
}

export class FakeWorld implements World {
  readonly sockets: FakeSocket[] = [];
  #now = 1_000_000;
  #timers: { at: number; run: () => void }[] = [];

  connect(_: string, events: SocketEvents): Socket {
    const socket = new FakeSocket(events);
    this.sockets.push(socket);
    return socket;
  }

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((known) => known !== timer);
    };
  }

  random(): number {
    return 1;
  }

  get socket(): FakeSocket {
    const last = this.sockets.at(-1);
    if (!last) throw new Error('nobody has connected');
    return last;
  }

  /** Let so many ms pass, with what is due in them. */
  pass(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = this.#timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.#timers = this.#timers.filter((timer) => timer !== due);
      this.#now = due.at;
      due.run();
    }
    this.#now = end;
  }
}

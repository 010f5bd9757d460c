/** What a feed needs of the world around it: sockets, a clock, timers, chance. Tests have one of their own. */

export interface Socket {
  send(text: string): void;
  close(): void;
}

/** What a socket tells its owner; nothing after `closed`, which comes once. */
export interface SocketEvents {
  opened(): void;
  received(text: string): void;
  closed(code: number, reason: string): void;
}

export interface World {
  /** Start to connect; what comes of it is told later, never within the call. */
  connect(url: string, events: SocketEvents): Socket;
  /** ms since the epoch. */
  now(): number;
  /** Run something once after so many ms; the result cancels it. */
  after(ms: number, run: () => void): () => void;
  /** 0 to 1. */
  random(): number;
}

export const browser: World = {
  connect(url, events) {
    const socket = new WebSocket(url);
    socket.onopen = () => events.opened();
    socket.onmessage = (message) => events.received(String(message.data));
    socket.onclose = (close) => events.closed(close.code, close.reason);
    return socket;
  },
  now: Date.now,
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  random: Math.random,
};

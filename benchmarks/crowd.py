"""Many WebSocket clients in one process that do nearly nothing: count messages, note when which value came.

Run by benchmarks.gateway. It says ``ready`` when all are connected, and when its input ends writes what it noted to a
file: of each client that reads at once the values (float64) with the times (ns) they were new to it, and counts.
"""

import argparse
import asyncio
import os
import socket
import sys
import time
from array import array
from pathlib import Path
from typing import cast

import msgspec
import numpy as np
import uvloop

TEXT, CLOSE, PING = 0x81, 0x88, 0x89
VALUE = b'"pageViewsPerSecond":'
DIGITS = b"0123456789"
SUBSCRIBE = b'{"action":"subscribe"}'
AT_ONCE = 100
UPGRADE = (
    "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
#: A slow reader takes so much (bytes) in a second.
SLOW_BYTES = 2_048


def masked(kind: int, payload: bytes) -> bytes:
    """Return a short frame as clients send it, with a mask of zeros."""
    return bytes([kind, 0x80 | len(payload), 0, 0, 0, 0]) + payload


class Noted(msgspec.Struct):
    """What all clients of the process have seen."""

    messages: int = 0
    closed: int = 0
    last: dict[int, float] = {}


class Reader(asyncio.Protocol):
    """One client, subscribed to everything of the default site."""

    def __init__(self, number: int, noted: Noted, values: "array[float]", times: "array[int]") -> None:
        self.subscribed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._number, self._noted, self._values, self._times = number, noted, values, times
        self._left = b""
        self._newest = -1.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none of asyncio's
        self._transport.write(UPGRADE.format(port=transport.get_extra_info("peername")[1]).encode())

    def data_received(self, data: bytes) -> None:
        """Take the frames that are whole."""
        now = time.time_ns()
        data = self._left + data
        if not self.subscribed.done():
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._left = head
                return
            if b" 101 " not in head[:20]:
                self.subscribed.set_exception(RuntimeError(head[:200].decode()))
                return
            self._transport.write(masked(TEXT, SUBSCRIBE))
            self.subscribed.set_result(None)
        at = 0
        while (end_at := _end_of_frame(data, at)) <= len(data):
            self._take(data, at, end_at, now)
            at = end_at
        self._left = data[at:]

    def _take(self, data: bytes, start: int, end: int, now: int) -> None:
        kind = data[start]
        if kind == PING:
            self._transport.write(masked(0x8A, data[start + 2 : end]))
        if kind != TEXT:
            return
        self._noted.messages += 1
        at = data.rfind(VALUE, start, end)
        if at >= 0 and data[at + len(VALUE)] in DIGITS:  # a snapshot ends with lists of points
            value = float(data[at + len(VALUE) : end].split(b",", 1)[0].rstrip(b"}"))
            if value > self._newest:
                self._newest = self._noted.last[self._number] = value
                self._values.append(value)
                self._times.append(now)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it."""
        self._noted.closed += 1


def _end_of_frame(data: bytes, at: int) -> int:
    """Return where the frame ends that starts at ``at``; beyond the data if that is not known yet."""
    if len(data) < at + 2:
        return len(data) + 1
    length = data[at + 1]
    if length < 126:
        return at + 2 + length
    size = 2 if length == 126 else 8
    if len(data) < at + 2 + size:
        return len(data) + 1
    return at + 2 + size + int.from_bytes(data[at + 2 : at + 2 + size])


async def read_slowly(port: int) -> None:
    """Be a client that takes little and late, until it is cut off; then be the next."""
    loop = asyncio.get_running_loop()
    while True:
        with socket.socket() as client:
            client.setblocking(False)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            try:
                await loop.sock_connect(client, ("127.0.0.1", port))
                await loop.sock_sendall(client, UPGRADE.format(port=port).encode() + masked(TEXT, SUBSCRIBE))
                taken = b"."
                while taken:
                    _, taken = await asyncio.gather(asyncio.sleep(1), loop.sock_recv(client, SLOW_BYTES))
            except OSError:
                await asyncio.sleep(1)


async def main(port: int, count: int, slow: int, out: Path) -> None:
    """Connect all, say so, wait for the end of the input, write down what was noted."""
    loop = asyncio.get_running_loop()
    noted, values, times = Noted(), array("d"), array("q")
    free = asyncio.Semaphore(AT_ONCE)

    async def connect(number: int) -> None:
        async with free:
            _, reader = await loop.create_connection(lambda: Reader(number, noted, values, times), "127.0.0.1", port)
            await reader.subscribed

    await asyncio.gather(*(connect(number) for number in range(count)))
    slow_ones = [asyncio.create_task(read_slowly(port)) for _ in range(slow)]
    await asyncio.sleep(1)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    begun = noted.messages
    del values[:], times[:]
    await asyncio.to_thread(sys.stdin.readline)
    counts = np.array([noted.messages - begun, noted.closed], np.int64)
    last = np.array(list(noted.last.values()))
    np.savez(out, values=np.array(values), times=np.array(times), counts=counts, last=last)
    for task in slow_ones:
        task.cancel()
    os._exit(0)  # ten thousand connections are closed soonest so


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("port", "count", "slow"):
        parser.add_argument(name, type=int)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    uvloop.run(main(options.port, options.count, options.slow, options.out))

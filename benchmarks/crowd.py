"""Many WebSocket clients in one process that do nearly nothing: read messages, note when which number came.

Run by benchmarks.gateway, which it tells within CONNECT_S why how many could not connect. A line on stdin starts the
notes; a second tells the newest number: when all have it, or after CATCH_UP_S, the notes are saved (see ``Noted``).
"""

import argparse
import asyncio
import socket
import sys
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import cast

import msgspec
import numpy as np
import uvloop
from msgspec import Struct

TEXT, PING, PONG = 0x81, 0x89, 0x8A
SUBSCRIBE = b'{"action":"subscribe"}'
UPGRADE = (
    "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
AT_ONCE = 100
#: All try to connect for so long, each for so long: then those count that are connected.
CONNECT_S, TRY_S = 45.0, 15.0
CATCH_UP_S = 15.0
#: A slow reader takes so much (bytes; the kernel doubles it) at a time, and so often.
SLOW_BYTES, SLOW_S = 2_048, 1.0


class Values(Struct, rename="camel"):
    """The number of an update, as the page views a second that it tells."""

    page_views_per_second: float = 0.0


class Message(Values, rename="camel"):
    """What counts of any message of any of the servers."""

    type: str = ""
    offset: int = -1
    current: Values | None = None
    snapshot: Values | None = None


_decode = msgspec.json.Decoder(Message).decode


class Noted:
    """What the clients have seen: ``values`` are the numbers (× clients), each with what the client had ``before`` it.

    ``times`` are ns since the epoch. ``backwards``: messages with an offset that is not above the last one's.
    ``lost``: connections that ended.
    """

    def __init__(self) -> None:
        self.values, self.before, self.times = array("q"), array("q"), array("q")
        self.newest: dict[int, int] = {}
        self.backwards = self.lost = 0

    def start(self) -> None:
        """Forget what has been so far."""
        del self.values[:], self.before[:], self.times[:]
        self.cpu = time.process_time()

    def save(self, path: Path, lost_slow: int) -> None:
        """Write it down, with how many slow readers were lost and the CPU seconds since the start."""
        counts = np.array([self.backwards, self.lost, lost_slow])
        np.savez(
            path,
            values=np.array(self.values),
            before=np.array(self.before),
            times=np.array(self.times),
            newest=np.array(list(self.newest.values())),
            counts=counts,
            cpu=np.array([time.process_time() - self.cpu]),
        )


class Reader(asyncio.Protocol):
    """One client, subscribed to everything of the default site; ``subscribed`` fails if it is not let in."""

    def __init__(self, number: int, noted: Noted) -> None:
        self.subscribed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._number, self._noted = number, noted
        self._left = b""
        self._offset = -1

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
            self._begin(head)
        at = 0
        while (start := _start_of_payload(data, at)) and (end_at := start + _length(data, at)) <= len(data):
            self._take(data[at], data[start:end_at], now)
            at = end_at
        self._left = data[at:]

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it, if it was connected."""
        if self._number in self._noted.newest:
            self._noted.lost += 1
        elif not self.subscribed.done():
            self.subscribed.set_exception(ConnectionError("closed before the answer"))

    def _begin(self, head: bytes) -> None:
        if b" 101 " not in head[:20]:
            self.subscribed.set_exception(ConnectionError(head.partition(b"\r\n")[0].decode()))
            return
        self._noted.newest[self._number] = 0
        self._transport.write(masked(TEXT, SUBSCRIBE))
        self.subscribed.set_result(None)

    def _take(self, kind: int, payload: bytes, now: int) -> None:
        if kind == PING:
            self._transport.write(masked(PONG, payload))
        elif kind == TEXT:
            self._note(_decode(payload), now)

    def _note(self, message: Message, now: int) -> None:
        if message.type == "metrics" and message.offset >= 0:
            self._noted.backwards += message.offset <= self._offset
            self._offset = message.offset
        told = [each.page_views_per_second for each in (message, message.current, message.snapshot) if each is not None]
        before, value = self._noted.newest[self._number], int(max(told))
        if value > before:
            self._noted.newest[self._number] = value
            self._noted.values.append(value)
            self._noted.before.append(before)
            self._noted.times.append(now)


class SlowReader(Reader):
    """A client that takes little, and that late."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Leave little room for what comes."""
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BYTES)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Take what is there, and wait."""
        super().data_received(data)
        self._transport.pause_reading()
        asyncio.get_running_loop().call_later(SLOW_S, self._go_on)

    def _go_on(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()


def masked(kind: int, payload: bytes) -> bytes:
    """Return a short frame as clients send it, with a mask of zeros."""
    return bytes([kind, 0x80 | len(payload), 0, 0, 0, 0]) + payload


def _start_of_payload(data: bytes, at: int) -> int:
    """Return where the payload of the frame at ``at`` begins; 0 if its head is not whole."""
    if len(data) < at + 2:
        return 0
    start = at + {126: 4, 127: 10}.get(data[at + 1], 2)
    return start if start <= len(data) else 0


def _length(data: bytes, at: int) -> int:
    length = data[at + 1]
    return length if length < 126 else int.from_bytes(data[at + 2 : at + (4 if length == 126 else 10)])


@contextmanager
def closed_on_failure(transport: asyncio.BaseTransport) -> Iterator[None]:
    """Close a connection if the block fails or is given up."""
    try:
        yield
    except BaseException:
        cast(asyncio.Transport, transport).abort()
        raise


async def connect_all(port: int, readers: Iterable[Callable[[], Reader]]) -> Counter[str]:
    """Connect the clients; return why how many are not connected."""
    loop, free, failures = asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE), Counter[str]()
    deadline = loop.time() + CONNECT_S

    async def connect(reader: Callable[[], Reader]) -> None:
        async with free:
            try:
                async with asyncio.timeout_at(min(deadline, loop.time() + TRY_S)):
                    transport, protocol = await loop.create_connection(reader, "127.0.0.1", port)
                    with closed_on_failure(transport):
                        await protocol.subscribed
            except (OSError, TimeoutError) as error:
                failures[f"{type(error).__name__} {error}".strip()] += 1

    await asyncio.gather(*map(connect, readers))
    return failures


async def main(port: int, count: int, slow: int, out: Path) -> None:
    """Do what the parent process says."""
    noted, noted_slowly = Noted(), Noted()
    readers = [partial(Reader, number, noted) for number in range(count)]
    slow_readers = [partial(SlowReader, number, noted_slowly) for number in range(slow)]
    say(await connect_all(port, [*readers, *slow_readers]))
    await asyncio.to_thread(sys.stdin.readline)
    noted.start()
    newest = int(await asyncio.to_thread(sys.stdin.readline))
    deadline = time.monotonic() + CATCH_UP_S
    while min(noted.newest.values(), default=newest) < newest and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    noted.save(out, noted_slowly.lost)
    say("saved")
    await asyncio.to_thread(sys.stdin.readline)


def say(what: object) -> None:
    """Tell the parent process, a line of JSON."""
    sys.stdout.write(msgspec.json.encode(what).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("port", "count", "slow"):
        parser.add_argument(name, type=int)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    uvloop.run(main(options.port, options.count, options.slow, options.out))

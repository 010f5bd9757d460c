"""One connection as the server sees it: how much of what it was sent is still here, and whether it is still there."""

import asyncio
import socket
import time
from contextlib import suppress
from functools import lru_cache

from websockets.asyncio.server import broadcast
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from monitoring.metrics import SENT_BYTES
from websocket_gateway.client import Client
from websocket_gateway.door import Door
from websocket_gateway.hub import Hub
from websocket_gateway.protocol import ServerMessage

#: A client's unsent bytes, here and in the kernel. Little: what waits is no longer the newest when it arrives.
WRITE_LIMIT_BYTES = 16_384
SEND_BUFFER_BYTES = 65_536
#: A client that is told to go may take so long to answer.
CLOSE_TIMEOUT_S = 2
#: A client that was silent for so long is pinged, and has as long again to answer. What the kernel holds for one that
#: is gone never fills up if little is sent: this finds it.
PING_S = 10.0
_PING = Frame(Opcode.PING, b"").serialize(mask=False)


def now_ms() -> int:
    """Return the wall clock, ms since the epoch."""
    return time.time_ns() // 1_000_000


class Session:
    """A client and its connection. ``closing``: it has been told to go. ``asked``: what is being answered aside."""

    def __init__(self, connection: Door, client: Client) -> None:
        self.connection = connection
        self.client = client
        self.closing = False
        self.address = str(connection.remote_address[0])
        self.asked: set[asyncio.Task[None]] = set()
        self._unsent = 0
        self._stuck_since: float | None = None
        self._pinged_at: float | None = None
        connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    def has_room(self) -> bool:
        """Say whether the client can take more; note whether it has read something."""
        unsent = self.connection.transport.get_write_buffer_size()
        if unsent == 0:
            self._stuck_since = None
        elif self._stuck_since is None or unsent < self._unsent:
            self._stuck_since = time.monotonic()
        self._unsent = unsent
        return unsent < WRITE_LIMIT_BYTES

    def deliver(self, hub: Hub) -> bool:
        """Send the client all there is, or as much as it can take, without waiting; say whether that was all."""
        while self.has_room():
            message = hub.next_message(self.client)
            if message is None:
                return True
            hub.sent_bytes += len(message)
            self._send(message)
        return False

    async def tell(self, message: ServerMessage) -> None:
        """Send the client a message of its own, and wait until it is written. Raises ConnectionClosed."""
        format = self.client.format
        encoded = format.encode(message)
        SENT_BYTES.inc(len(encoded))
        await self.connection.send(encoded, text=format.text)

    def _send(self, message: bytes) -> None:
        """Write a message; a connection that is closing drops it."""
        text = self.client.format.text
        if self.connection.protocol.extensions:  # compressed, for each client anew
            broadcast((self.connection,), message, text=text)
        else:
            self._write(framed(message, Opcode.TEXT if text else Opcode.BINARY))
        self._unsent = self.connection.transport.get_write_buffer_size()

    def _write(self, frame: bytes) -> None:
        if self.connection.protocol.state is State.OPEN:
            self.connection.transport.write(frame)

    def idle_s(self) -> float:
        """Return for how many seconds the client has read nothing although there was something to read."""
        self.has_room()
        return 0.0 if self._stuck_since is None else time.monotonic() - self._stuck_since

    def answers(self) -> bool:
        """Ping the client if it has been silent for PING_S; say whether it has answered the last ping in time."""
        now, heard_at = time.monotonic(), self.connection.heard_at
        if self._pinged_at is not None and self._pinged_at > heard_at:
            return now - self._pinged_at <= PING_S
        if now - heard_at > PING_S:
            self._write(_PING)
            self._pinged_at = now
        return True

    async def close(self, code: int, reason: str) -> None:
        """Close the connection; drop it if the client does not answer in time."""
        self.closing = True
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self.connection.close(code, reason)
        self.connection.transport.abort()


@lru_cache(maxsize=64)
def framed(message: bytes, opcode: Opcode) -> bytes:
    """Return the message as a WebSocket frame without compression, made once for all who get the same."""
    return Frame(opcode, message).serialize(mask=False)

"""One connection as the server sees it: how much of what it was sent is still here, and since when nothing moves."""

import asyncio
import socket
import time
from contextlib import suppress

from websockets.asyncio.server import ServerConnection, broadcast

from websocket_gateway.client import Client
from websocket_gateway.hub import Hub
from websocket_gateway.protocol import ServerMessage

#: A client's unsent bytes, here and in the kernel. Little: what waits is no longer the newest when it arrives.
WRITE_LIMIT_BYTES = 16_384
SEND_BUFFER_BYTES = 65_536
#: A client that is told to go may take so long to answer.
CLOSE_TIMEOUT_S = 2


def now_ms() -> int:
    """Return the wall clock, ms since the epoch."""
    return time.time_ns() // 1_000_000


class Session:
    """A client and its connection. ``closing``: it has been told to go. ``asked``: what is being answered aside."""

    def __init__(self, connection: ServerConnection, client: Client) -> None:
        self.connection = connection
        self.client = client
        self.closing = False
        self.address = str(connection.remote_address[0])
        self.asked: set[asyncio.Task[None]] = set()
        self._unsent = 0
        self._moved_at = time.monotonic()
        connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    def has_room(self) -> bool:
        """Say whether the client can take more; note whether it has read something."""
        unsent = self.connection.transport.get_write_buffer_size()
        if unsent < self._unsent or unsent == 0:
            self._moved_at = time.monotonic()
        self._unsent = unsent
        return unsent < WRITE_LIMIT_BYTES

    def deliver(self, hub: Hub) -> bool:
        """Send the client all there is, or as much as it can take, without waiting; say whether that was all."""
        while self.has_room():
            message = hub.next_message(self.client)
            if message is None:
                return True
            self._send(message)
        return False

    async def tell(self, message: ServerMessage) -> None:
        """Send the client a message of its own, and wait until it is written. Raises ConnectionClosed."""
        format = self.client.format
        await self.connection.send(format.encode(message), text=format.text)

    def _send(self, message: bytes) -> None:
        """Write a message; a connection that is closing drops it."""
        broadcast((self.connection,), message, text=self.client.format.text)
        self._unsent = self.connection.transport.get_write_buffer_size()

    def idle_s(self) -> float:
        """Return for how many seconds the client has read nothing although there was something to read."""
        self.has_room()
        return time.monotonic() - self._moved_at

    async def close(self, code: int, reason: str) -> None:
        """Close the connection; drop it if the client does not answer in time."""
        self.closing = True
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self.connection.close(code, reason)
        self.connection.transport.abort()

"""A gateway on real servers inside the test's own event loop, and clients that speak to it."""

import asyncio
import http.client
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tidemark.settings import Settings
from websocket_gateway.app import running
from websocket_gateway.formats import FORMATS, JSON, Format
from websocket_gateway.history import Archive
from websocket_gateway.hub import Hub
from websocket_gateway.listening import listen
from websocket_gateway.protocol import Limits
from websocket_gateway.server import Gateway

Message = dict[str, Any]
DEADLINE_S = 20.0


@asynccontextmanager
async def gateway_of(settings: Settings, **limits: int) -> AsyncIterator[Gateway]:
    """Run a gateway; it listens, and reads the topics as soon as it can."""
    limits.setdefault("max_message_bytes", settings.gateway_max_message_bytes)
    async with running(settings, Limits(**limits)) as gateway:
        yield gateway


@asynccontextmanager
async def unfed_gateway(settings: Settings, archive: Archive | None = None, **limits: int) -> AsyncIterator[Gateway]:
    """Run a gateway that reads no topics."""
    gateway = Gateway(Hub("epoch", Limits(max_message_bytes=settings.gateway_max_message_bytes, **limits)), archive)
    async with listen(gateway, settings, lambda: None):
        sending = asyncio.create_task(gateway.run())
        yield gateway
        sending.cancel()


class Talker:
    """One client."""

    def __init__(self, connection: ClientConnection, hello: Message, format: Format) -> None:
        self.connection = connection
        self.hello = hello
        self.format = format

    async def next(self) -> Message:
        """Return the next message."""
        async with asyncio.timeout(DEADLINE_S):
            raw = await self.connection.recv()
        assert isinstance(raw, str) == self.format.text
        message: Message = self.format.decode(raw)
        return message

    async def ask(self, **request: Any) -> Message:
        """Send a request and return its answer; what comes before it is dropped."""
        await self.connection.send(self.format.encode(request), text=self.format.text)
        return await self.until(lambda message: message["type"] not in ("metrics", "alert"))

    async def until(self, wanted: Callable[[Message], bool]) -> Message:
        """Return the first message that is wanted."""
        while not wanted(message := await self.next()):
            pass
        return message


@asynccontextmanager
async def talker(settings: Settings, path: str = "/", **options: Any) -> AsyncIterator[Talker]:
    """Connect to the settings' gateway and read its hello."""
    url = f"ws://127.0.0.1:{settings.gateway_port}{path}"
    options.setdefault("compression", None)
    async with connect(url, proxy=None, close_timeout=1, **options) as connection:
        format = FORMATS.get(connection.subprotocol or "", JSON)
        yield Talker(connection, format.decode(await connection.recv(decode=False)), format)


async def get(settings: Settings, path: str, method: str = "GET", **headers: str) -> tuple[int, Message, bytes]:
    """Ask the settings' gateway for a path, written as it is; return status, headers (small letters) and body."""

    def ask() -> tuple[int, Message, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", settings.gateway_port, timeout=DEADLINE_S)
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        told = {name.lower(): value for name, value in response.getheaders()}
        return response.status, told, response.read()

    return await asyncio.to_thread(ask)


async def eventually(condition: Callable[[], bool], deadline_s: float = DEADLINE_S) -> None:
    """Wait until a condition holds; fail when it does not in time."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "what was waited for has not come true"
        await asyncio.sleep(0.02)


def now_window(length_ms: int = 5_000, left_ms: int = 250) -> int:
    """Return the end of the window that is open now, with at least so much time left."""
    while (left := length_ms - time.time() * 1000 % length_ms) < left_ms:
        time.sleep(left / 1000)
    return (time.time_ns() // 1_000_000 // length_ms + 1) * length_ms


def wait_for_port(port: int) -> None:
    """Wait until something listens on a port."""
    end = time.monotonic() + DEADLINE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert time.monotonic() < end, f"nothing listens on {port}"
            time.sleep(0.05)
        else:
            return

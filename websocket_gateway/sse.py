"""Server-Sent Events at /sse: one site's messages for clients without WebSocket, by the same rules and envelopes."""

import asyncio
import re
from contextlib import suppress
from http import HTTPStatus

import msgspec
from aiohttp import web
from msgspec import Struct

from monitoring.metrics import DROPPED, ERRORS, GATEWAY, SENT_BYTES
from websocket_gateway.admission import Admission, Refused
from websocket_gateway.client import Client
from websocket_gateway.codes import FORBIDDEN, UNAUTHORISED
from websocket_gateway.door import Door
from websocket_gateway.hub import Hub
from websocket_gateway.protocol import Close, ErrorMessage, Since, Subscribe, encode
from websocket_gateway.server import Gateway
from websocket_gateway.session import WRITE_LIMIT_BYTES, now_ms
from websocket_gateway.tokens import Rights

#: A comment after so long without a message: who reads nothing for longer may take the connection for dead.
HEARTBEAT_S = 10.0
HEARTBEAT = b": still here\n\n"
_EVENT_ID = re.compile(r"(\w{1,64})-(\d{1,15})-(\d{1,15})", re.ASCII)
_HELLO = b"event: hello\ndata: "


class _Snapshot(Struct):
    offset: int


class _Head(Struct):
    """What of a message is looked at again for the event around it."""

    type: str
    offset: int = 0
    snapshot: _Snapshot | None = None


_head = msgspec.json.Decoder(_Head).decode


class Stream:
    """A client that reads events. ``closing``: it has been told to go; ``since``: what it has been sent."""

    def __init__(self, client: Client, address: str, since: Since) -> None:
        self.client = client
        self.since = since
        self.address = address
        self.closing = False
        self.goodbye: bytes | None = None
        self._news = asyncio.Event()

    def deliver(self, _: Hub) -> bool:
        """Say that there may be messages: the stream takes them itself, when it has room."""
        self._news.set()
        return True

    def idle_s(self) -> float:
        """Return 0: a stream that stalls ends by itself."""
        return 0.0

    def answers(self) -> bool:
        """Return True: whoever reads events has nothing to answer with."""
        return True

    async def close(self, code: int, reason: str) -> None:
        """Send a last event, and no more."""
        self.closing = True
        self.goodbye = b"event: close\ndata: " + encode(Close(code, reason)) + b"\n\n"
        self._news.set()

    def event(self, message: bytes) -> bytes:
        """Return a message as an event, whose id says what the client has when it has read it."""
        head = _head(message)
        if head.type == "metrics":
            self.since.offset = head.offset
        elif head.type == "alert":
            self.since.alert_offset = head.offset
        elif head.snapshot is not None:
            self.since.offset = self.since.alert_offset = head.snapshot.offset
        identity = f"{self.since.epoch}-{self.since.offset}-{self.since.alert_offset}"
        return f"id: {identity}\nevent: {head.type}\ndata: ".encode() + message + b"\n\n"

    async def wait(self) -> bool:
        """Wait for messages; False when none has come for the heartbeat."""
        with suppress(TimeoutError):
            async with asyncio.timeout(HEARTBEAT_S):
                await self._news.wait()
        news = self._news.is_set()
        self._news.clear()
        return news


class Streams:
    """Answers requests for events out of a gateway."""

    def __init__(self, gateway: Gateway, admission: Admission) -> None:
        self._gateway = gateway
        self._admission = admission

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Stream the messages of ``?site=`` and ``?metrics=`` (comma separated; absent: all) until one side ends it.

        With ``&visits=true`` the visits messages too.
        """
        origin = request.headers.get("Origin")
        try:
            rights = self._admission.check(
                request.path_qs,
                origin=origin,
                authorization=request.headers.get("Authorization"),
                host=request.host,
            )
            assert request.transport is not None
            door = request.transport.get_protocol()
            assert isinstance(door, Door)
            door.take_place()
        except Refused as refused:
            return web.Response(status=refused.status, text=f"{refused.text}\n", headers=refused.headers)
        request.transport.set_write_buffer_limits(WRITE_LIMIT_BYTES)
        return await self._serve(request, rights, {"Access-Control-Allow-Origin": origin} if origin else {})

    async def _serve(self, request: web.Request, rights: Rights, headers: dict[str, str]) -> web.StreamResponse:
        client, hello = self._gateway.hub.connect(now_ms(), rights.sites)
        known = _known(request)
        stream = Stream(client, request.remote or "", known or Since(epoch=hello.epoch, offset=0, alert_offset=0))
        with self._gateway.joined(stream):
            answer = self._gateway.receive(client, _subscribe(request, known))
            if isinstance(answer, ErrorMessage):
                status = HTTPStatus.FORBIDDEN if answer.code == FORBIDDEN else HTTPStatus.BAD_REQUEST
                return web.Response(status=status, body=encode(answer), content_type="application/json")
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Vary": "Origin", **headers})
            await response.prepare(request)
            try:
                async with asyncio.timeout(rights.seconds_left(now_ms())):
                    await self._write(response, _HELLO + encode(hello) + b"\n\n" + stream.event(encode(answer)))
                    await self._follow(stream, response)
            except TimeoutError:
                DROPPED.labels("expired").inc()
                await stream.close(UNAUTHORISED, "the token has expired")
            except _StalledError:
                ERRORS.labels(stage=GATEWAY, reason="stalled_client").inc()
                DROPPED.labels("stalled").inc()
                assert request.transport is not None
                request.transport.abort()
                return response
            await self._write(response, stream.goodbye or b"")
            return response

    async def _follow(self, stream: Stream, response: web.StreamResponse) -> None:
        while stream.goodbye is None:
            if not await stream.wait():
                await self._write(response, HEARTBEAT)
            while (message := self._gateway.hub.next_message(stream.client)) is not None:
                await self._write(response, stream.event(message))

    async def _write(self, response: web.StreamResponse, text: bytes) -> None:
        """Write, and wait until the client has read most of what was written before. Raises _StalledError."""
        try:
            async with asyncio.timeout(self._gateway.hub.limits.stall_timeout_ms / 1000):
                SENT_BYTES.inc(len(text))
                await response.write(text)
        except TimeoutError:
            raise _StalledError from None


class _StalledError(Exception):
    """The client has read nothing for too long."""


def _known(request: web.Request) -> Since | None:
    """What a client that comes back has; None if it is new, or says what no gateway has told it."""
    found = _EVENT_ID.fullmatch(request.headers.get("Last-Event-ID", ""))
    return None if found is None else Since(epoch=found[1], offset=int(found[2]), alert_offset=int(found[3]))


def _subscribe(request: web.Request, since: Since | None) -> bytes:
    metrics = request.query.get("metrics")
    names = None if metrics is None else metrics.split(",")
    visits = request.query.get("visits") == "true"
    return encode(Subscribe(site=request.query.get("site"), metrics=names, since=since, visits=visits))

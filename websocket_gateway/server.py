"""The gateway's sockets: from clients' messages to the hub, and from the hub to the clients that can take more.

One loop sends: at once when something comes after a quiet time, then at most every flush interval. It never waits for a
client: one whose write buffer is full is passed over, and cut off when it has read nothing for the stall timeout.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Origin

from monitoring.metrics import CONNECTIONS, ERRORS, EVENTS, OUTBOX_CONFLATED
from tidemark.logs import get_logger
from tidemark.results import Alert, MetricUpdate
from tidemark.settings import Settings
from websocket_gateway.client import Client, TooManyMessages
from websocket_gateway.codes import GOING_AWAY, NO_HISTORY, STALLED, TOO_FAST
from websocket_gateway.history import Archive, NoHistory
from websocket_gateway.hub import Hub
from websocket_gateway.protocol import ErrorMessage, History, HistoryMessage, ServerMessage, encode
from websocket_gateway.requests import metrics_of, site_of
from websocket_gateway.session import CLOSE_TIMEOUT_S, WRITE_LIMIT_BYTES, Session, now_ms

STAGE = "gateway"
#: How often clients are looked at that have nothing new to be sent.
SWEEP_S = 1.0
PING_S = 10
#: So many histories a client may wait for at a time.
HISTORIES = 2

log = get_logger("websocket_gateway.server")


class Gateway:
    """Serves a hub's state, and history from the archive. All methods belong to one event loop."""

    def __init__(self, hub: Hub, archive: Archive | None = None) -> None:
        self.hub = hub
        self._archive = archive
        self._sessions: dict[Client, Session] = {}
        self._news = asyncio.Event()
        self._blocked: set[Session] = set()
        self._outcomes = {
            news: EVENTS.labels(stage=STAGE, outcome="accepted" if news else "superseded") for news in (True, False)
        }

    async def take(self, results: Sequence[MetricUpdate | Alert]) -> None:
        """Take a batch of updates and alerts; they are sent by the next flush."""
        now = now_ms()
        for result in results:
            news = self.hub.take_alert(result, now) if isinstance(result, Alert) else self.hub.take(result, now)
            self._outcomes[news].inc()
        self._news.set()

    async def handle(self, connection: ServerConnection) -> None:
        """Serve one connection until it is closed."""
        client, hello = self.hub.connect(now_ms())
        session = self._sessions[client] = Session(connection, client)
        CONNECTIONS.inc()
        try:
            await connection.send(encode(hello), text=True)
            async for raw in connection:
                # The client's next message is not read before the answer is written: who does not read is not read.
                await self._answer(session, raw)
        except ConnectionClosed:
            pass
        except TooManyMessages:
            await session.close(TOO_FAST, "too many messages")
        finally:
            for task in session.asked:
                task.cancel()
            CONNECTIONS.dec()
            del self._sessions[client]
            self._blocked.discard(session)
            self.hub.disconnect(client)

    async def run(self) -> None:
        """Send what is new to the clients, until cancelled."""
        interval_s = self.hub.limits.flush_interval_ms / 1000
        async with asyncio.TaskGroup() as closing:
            while True:
                await self._wait_for_news()
                self._flush()
                for session in self._stalled():
                    closing.create_task(session.close(STALLED, "read nothing for too long"))
                await asyncio.sleep(interval_s)

    async def close(self) -> None:
        """Tell all clients that the gateway goes away; take no longer than the close timeout."""
        await asyncio.gather(*(session.close(GOING_AWAY, "the gateway stops") for session in self._sessions.values()))

    async def _answer(self, session: Session, raw: str | bytes) -> None:
        answer = self.hub.receive(session.client, raw, now_ms())
        self._news.set()
        if not isinstance(answer, History):
            await _tell(session, answer)
        elif self._archive is None or len(session.asked) == HISTORIES:
            await _tell(session, _no_history(answer, "ask again when the others are answered"))
        else:
            # Aside, so that a slow InfluxDB does not hold up what the client asks next.
            task = asyncio.create_task(_tell_history(session, answer, self._archive))
            session.asked.add(task)
            task.add_done_callback(session.asked.discard)

    async def _wait_for_news(self) -> None:
        due = self.hub.due()
        until_due = SWEEP_S if due is None else (due - now_ms()) / 1000
        timeout = 0 if self._blocked else max(0.0, min(SWEEP_S, until_due))
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._news.wait()
        self._news.clear()

    def _flush(self) -> None:
        known = self.hub.conflated
        ready = {self._sessions[client] for client in self.hub.flush(now_ms())}
        OUTBOX_CONFLATED.inc(self.hub.conflated - known)
        self._blocked = {session for session in ready | self._blocked if not self._send_to(session)}

    def _send_to(self, session: Session) -> bool:
        """Send a client all there is, or as much as it can take; say whether that was all."""
        while session.has_room():
            message = self.hub.next_message(session.client)
            if message is None:
                return True
            session.send(message)
        return False

    def _stalled(self) -> Iterable[Session]:
        limit_s = self.hub.limits.stall_timeout_ms / 1000
        for session in self._sessions.values():
            if session.idle_s() > limit_s and not session.closing:
                ERRORS.labels(stage=STAGE, reason="stalled_client").inc()
                log.warning("a client has stalled and is cut off", client=session.connection.remote_address)
                yield session


def _health(connection: ServerConnection, request: Request) -> Response | None:
    return connection.respond(HTTPStatus.OK, "ok\n") if request.path == "/health" else None


async def _tell(session: Session, answer: ServerMessage) -> None:
    if isinstance(answer, ErrorMessage):
        ERRORS.labels(stage=STAGE, reason=answer.code).inc()
    await session.connection.send(encode(answer), text=True)


async def _tell_history(session: Session, request: History, archive: Archive) -> None:
    answer: ServerMessage
    site = site_of(request)
    try:
        points = await archive.points(site, metrics_of(request), request.minutes)
        answer = HistoryMessage(id=request.id, site=site, minutes=request.minutes, points=points)
    except NoHistory as error:
        answer = _no_history(request, str(error))
    with suppress(ConnectionClosed):
        await _tell(session, answer)


def _no_history(request: History, why: str) -> ErrorMessage:
    return ErrorMessage(id=request.id, code=NO_HISTORY, message=f"no history now: {why}", temporary=True)


@asynccontextmanager
async def listen(gateway: Gateway, settings: Settings) -> AsyncIterator[int]:
    """Accept connections on the settings' host and port while the context lasts; give the port.

    Raises OSError if the port is taken. At the end every client gets close code 1001.
    """
    logger = logging.getLogger("websocket_gateway.connections")
    logger.setLevel(logging.WARNING)
    server = await serve(
        gateway.handle,
        settings.gateway_host,
        settings.gateway_port,
        origins=[None, *(Origin(origin) for origin in settings.gateway_origins)],
        process_request=_health,
        compression=None,
        max_size=settings.gateway_max_message_bytes,
        max_queue=4,
        # What the kernel holds for a client that is gone never fills up if little is sent: pings find that one.
        ping_interval=PING_S,
        ping_timeout=PING_S,
        write_limit=WRITE_LIMIT_BYTES,
        close_timeout=CLOSE_TIMEOUT_S,
        logger=logger,
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close(close_connections=False)
        await gateway.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await server.wait_closed()

"""The gateway's sockets: from clients' messages to the hub, and from the hub to the clients that can take more.

One loop sends: soon after something comes in a quiet time (the later the more clients, for what else comes with it),
then at most every flush interval. It never waits for a client: one whose write buffer is full is passed over, and cut
off when it has read nothing for the stall timeout.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol, TypeVar

from msgspec import Raw
from websockets.exceptions import ConnectionClosed

from monitoring.metrics import CONFLATED, CONNECTIONS, DROPPED, ERRORS, EVENTS, GATEWAY, LATENCY, SENT_BYTES
from tidemark.logs import get_logger
from tidemark.results import Alert, MetricUpdate, SessionSummary
from websocket_gateway.client import Client, TooManyMessages
from websocket_gateway.codes import GOING_AWAY, NO_HISTORY, NO_PONG, STALLED, TOO_FAST, UNAUTHORISED
from websocket_gateway.door import Door
from websocket_gateway.feed import Came
from websocket_gateway.formats import FORMATS, JSON
from websocket_gateway.history import Archive, NoHistory
from websocket_gateway.hub import Hub
from websocket_gateway.protocol import ErrorMessage, Hello, History, HistoryMessage, ServerMessage
from websocket_gateway.requests import metrics_of, site_of
from websocket_gateway.session import Session, now_ms
from websocket_gateway.tokens import Rights
from websocket_gateway.tracing import LastSteps

if TYPE_CHECKING:
    from monitoring.spans import Traces

#: How often clients are looked at, whether they are still there and read.
SWEEP_S = 1.0
#: So long (s a client) a flush waits for what belongs to the news: the results of a moment come one after the other,
#: and a second message to each client costs more.
GATHER_S = 1e-5
#: So many histories a client may wait for at a time.
HISTORIES = 2

_UNKNOWN = Came()

log = get_logger("websocket_gateway.server")


class Recipient(Protocol):
    """A client as the sending loop sees it; what is meant stands at Session."""

    client: Client
    closing: bool
    address: str

    def deliver(self, hub: Hub) -> bool: ...  # noqa: D102
    def idle_s(self) -> float: ...  # noqa: D102
    def answers(self) -> bool: ...  # noqa: D102
    async def close(self, code: int, reason: str) -> None: ...  # noqa: D102


AnySession = TypeVar("AnySession", bound=Recipient)


class Gateway:
    """Serves a hub's state, and history from the archive. All methods belong to one event loop."""

    def __init__(self, hub: Hub, archive: Archive | None = None, traces: "Traces | None" = None) -> None:
        self.hub = hub
        self._archive = archive
        self._last_steps = LastSteps(traces) if traces else None
        self._sessions: dict[Client, Recipient] = {}
        self._news = asyncio.Event()
        self._blocked: set[Recipient] = set()
        self._swept_at = 0.0
        self._outcomes = {
            news: EVENTS.labels(stage=GATEWAY, outcome="accepted" if news else "superseded") for news in (True, False)
        }
        self._latency = LATENCY.labels(GATEWAY)
        self._end_to_end = LATENCY.labels("end_to_end")
        # What has come since the last flush.
        self._oldest_ms: int | None = None
        self._events_ms: list[int] = []

    async def take(self, results: Sequence[MetricUpdate | SessionSummary | Alert], came: Came = _UNKNOWN) -> None:
        """Take a batch of updates, visits and alerts; they are sent by the next flush."""
        now, accepted = now_ms(), 0
        for result in results:
            match result:
                case MetricUpdate():
                    news = self.hub.take(result, now)
                case SessionSummary():
                    news = self.hub.take_visit(result, now)
                case Alert():
                    news = self.hub.take_alert(result, now)
            accepted += news
        self._outcomes[True].inc(accepted)
        self._outcomes[False].inc(len(results) - accepted)
        if self._oldest_ms is None:
            self._oldest_ms = came.oldest_ms
        self._events_ms += came.newest_events_ms
        if self._last_steps is not None:
            self._last_steps.taken(came.traced)
        self._news.set()

    async def handle(self, connection: Door, rights: Rights) -> None:
        """Serve one connection until it is closed, or its rights expire."""
        format = FORMATS.get(connection.subprotocol or "", JSON)
        client, hello = self.hub.connect(now_ms(), rights.sites, format)
        with self.joined(Session(connection, client)) as session:
            await self._converse(session, hello, rights.seconds_left(now_ms()))

    @contextmanager
    def joined(self, session: AnySession) -> Iterator[AnySession]:
        """Serve a client that the hub has let in while the context lasts."""
        self._sessions[session.client] = session
        CONNECTIONS.inc()
        try:
            yield session
        finally:
            CONNECTIONS.dec()
            del self._sessions[session.client]
            self._blocked.discard(session)
            self.hub.disconnect(session.client)

    def receive(self, client: Client, raw: str | bytes) -> ServerMessage | History:
        """Do what a client asks; return the answer, to be sent before what comes later, or the History it asks for."""
        answer = self.hub.receive(client, raw, now_ms())
        if isinstance(answer, ErrorMessage):
            ERRORS.labels(stage=GATEWAY, reason=answer.code).inc()
        self._news.set()
        return answer

    async def _converse(self, session: Session, hello: Hello, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await session.tell(hello)
                async for raw in session.connection:
                    # The client's next message is not read before the answer is written: who does not read is not read.
                    await self._answer(session, raw)
        except ConnectionClosed:
            pass
        except TimeoutError:
            DROPPED.labels("expired").inc()
            await session.close(UNAUTHORISED, "the token has expired")
        except TooManyMessages:
            DROPPED.labels("too_fast").inc()
            await session.close(TOO_FAST, "too many messages")
        finally:
            for task in session.asked:
                task.cancel()

    async def run(self) -> None:
        """Send what is new to the clients, until cancelled."""
        interval_s = self.hub.limits.flush_interval_ms / 1000
        async with asyncio.TaskGroup() as closing:
            while True:
                await self._wait_for_news()
                await asyncio.sleep(min(interval_s, len(self._sessions) * GATHER_S))
                self._flush()
                for session, code, reason in self._sweep():
                    closing.create_task(session.close(code, reason))
                await asyncio.sleep(interval_s)

    async def close(self) -> None:
        """Tell all clients that the gateway goes away; take no longer than the close timeout."""
        await asyncio.gather(*(session.close(GOING_AWAY, "the gateway stops") for session in self._sessions.values()))

    async def _answer(self, session: Session, raw: str | bytes) -> None:
        answer = self.receive(session.client, raw)
        if not isinstance(answer, History):
            await session.tell(answer)
        elif self._archive is None or len(session.asked) == HISTORIES:
            await session.tell(_no_history(answer, "ask again when the others are answered"))
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

    def _flush(self) -> None:
        self._news.clear()
        since_ns = time.time_ns()
        conflated, sent_bytes = self.hub.conflated, self.hub.sent_bytes
        ready = {self._sessions[client] for client in self.hub.flush(now_ms())}
        CONFLATED.inc(self.hub.conflated - conflated)
        self._blocked = {session for session in ready | self._blocked if not session.deliver(self.hub)}
        SENT_BYTES.inc(self.hub.sent_bytes - sent_bytes)
        if self._last_steps is not None:
            self._last_steps.flushed((session.client for session in ready - self._blocked), since_ns)
        self._measure(bool(ready))

    def _measure(self, written: bool) -> None:
        """Tell how old what was flushed is, if it was written to anybody."""
        oldest_ms, events_ms = self._oldest_ms, self._events_ms
        self._oldest_ms, self._events_ms = None, []
        if written:
            now = time.time()
            if oldest_ms is not None:
                self._latency.observe(max(0.0, now - oldest_ms / 1000))
            for event_ms in events_ms:
                self._end_to_end.observe(max(0.0, now - event_ms / 1000))

    def _sweep(self) -> Iterable[tuple[Recipient, int, str]]:
        """Look at all clients once in SWEEP_S; name those that are to be cut off, with close code and reason."""
        now, limit_s = time.monotonic(), self.hub.limits.stall_timeout_ms / 1000
        if now - self._swept_at < SWEEP_S:
            return
        self._swept_at = now
        for session in self._sessions.values():
            if session.closing:
                continue
            if session.idle_s() > limit_s:
                ERRORS.labels(stage=GATEWAY, reason="stalled_client").inc()
                DROPPED.labels("stalled").inc()
                log.warning("a client has stalled and is cut off", client=session.address)
                yield session, STALLED, "read nothing for too long"
            elif not session.answers():
                DROPPED.labels("no_pong").inc()
                yield session, NO_PONG, "no answer to a ping"


async def _tell_history(session: Session, request: History, archive: Archive) -> None:
    answer: ServerMessage
    site = site_of(request)
    try:
        points = await archive.points(site, metrics_of(request), request.minutes)
        encoded = Raw(points.encoded(session.client.format))
        answer = HistoryMessage(id=request.id, site=site, minutes=request.minutes, points=encoded)
    except NoHistory as error:
        answer = _no_history(request, str(error))
    with suppress(ConnectionClosed):
        await session.tell(answer)


def _no_history(request: History, why: str) -> ErrorMessage:
    ERRORS.labels(stage=GATEWAY, reason=NO_HISTORY).inc()
    return ErrorMessage(id=request.id, code=NO_HISTORY, message=f"no history now: {why}", temporary=True)

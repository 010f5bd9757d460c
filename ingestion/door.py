"""The HTTP door as an ASGI application: requests in, events through the steps, delivered, answered."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING

from msgspec import Struct
from prometheus_client import Counter

from ingestion import bodies, replies
from ingestion.addresses import Network, client_address, household
from ingestion.counting import Counts
from ingestion.delivery import Delivery
from ingestion.key_file import KeyFile
from ingestion.ledgers import Ledgers, since_in, site_in
from ingestion.openapi import Pages
from ingestion.rates import Rates
from ingestion.readiness import Readiness
from ingestion.reasons import RATE_LIMITED, UNAVAILABLE, WRONG_ORIGIN, Rejected
from ingestion.records import Record
from ingestion.replies import Accepted, Outcome, Response
from ingestion.requests import ClientGoneError, Memory, Receive, Request, Scope, Send
from ingestion.steps import Arrival, Rules, Sender, take
from monitoring.metrics import INGESTION, INGESTION_RESPONSES, LATENCY
from monitoring.serving import exposition
from tidemark.events import encode_event
from tidemark.logs import get_logger

if TYPE_CHECKING:
    from monitoring.spans import Sending, Traces

log = get_logger("ingestion.door")

#: When an event that could not be kept may come again (s).
RETRY_S = 5.0
#: So many events are led through the steps before other requests get their turn.
_AT_A_TIME = 250
_CORS = (
    (b"access-control-allow-methods", b"POST, GET"),
    (b"access-control-allow-headers", b"authorization, content-type, content-encoding, traceparent"),
    (b"access-control-max-age", b"86400"),
)
_LOOK = ("GET", "HEAD")
_LATENCY = LATENCY.labels(INGESTION)
_ALWAYS = ((b"x-content-type-options", b"nosniff"),)


class Bounds(Struct, frozen=True):
    """What a request may be; sizes in bytes, times in s."""

    max_event_bytes: int
    max_body_bytes: int
    max_batch_events: int
    slow_client_s: float
    origins: frozenset[str]
    trusted_proxies: Sequence[Network]


Handler = Callable[[Request], Awaitable[Response]]


class Door:
    """Answers requests. An event is accepted, never sooner, when ``delivery`` has it safe."""

    def __init__(
        self,
        bounds: Bounds,
        rules: Rules,
        keys: KeyFile,
        address_rates: Rates,
        delivery: Delivery,
        memory: Memory,
        counts: Counts,
        files: Mapping[str, Response],
        ledgers: Ledgers,
        readiness: Readiness,
        traces: "Traces | None" = None,
    ) -> None:
        self._bounds = bounds
        self._rules = rules
        self._keys = keys
        self._address_rates = address_rates
        self._delivery = delivery
        self._memory = memory
        self._counts = counts
        self._ledgers = ledgers
        self._readiness = readiness
        self._traces = traces
        pages = Pages()
        self._routes: dict[str, tuple[tuple[str, ...], Handler]] = {
            **{path: (_LOOK, partial(_given, response)) for path, response in files.items()},
            "/event": (("POST",), self._event),
            "/events": (("POST",), self._events),
            "/event.gif": (("GET",), self._pixel),
            "/health": (_LOOK, self._health),
            "/ready": (_LOOK, self._ready),
            "/metrics": (_LOOK, self._metrics),
            "/openapi.json": (_LOOK, pages.document),
            "/docs": (_LOOK, pages.page),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; a client that leaves early gets nothing."""
        request = Request(scope, receive, self._memory)
        try:
            response = await self._answer(request)
        except ClientGoneError:
            return
        finally:
            request.release()
        headers = [(b"content-type", response.content_type), (b"content-length", b"%d" % len(response.body))]
        headers.append((b"cache-control", response.caching))
        headers += (*_ALWAYS, *self._cors(request), *response.headers)
        _responses(int(response.status)).inc()
        await send({"type": "http.response.start", "status": int(response.status), "headers": headers})
        await send({"type": "http.response.body", "body": response.body})

    async def _answer(self, request: Request) -> Response:
        route = self._routes.get(request.path) or self._route_to_ledger(request.path)
        if route is None:
            return Response(404, replies.encode(replies.Problem("There is no such page")))
        methods, handler = route
        if request.method == "OPTIONS":
            return Response(204, b"", headers=_CORS)
        if request.method not in methods:
            allowed = ", ".join((*methods, "OPTIONS"))
            problem = replies.Problem(f"{request.path} takes {allowed}")
            return Response(405, replies.encode(problem), headers=((b"allow", allowed.encode()),))
        try:
            return await handler(request)
        except Rejected as why:
            self._counts.add([(self._key_site(request), why.reason)])
            return replies.refusal(why)

    def _route_to_ledger(self, path: str) -> tuple[tuple[str, ...], Handler] | None:
        site = site_in(path)
        return None if site is None else (_LOOK, partial(self._ledger, site))

    def _key_site(self, request: Request) -> str | None:
        """Return whose a request is that was refused as a whole, if its key says so."""
        try:
            return self._keys.ring.site_of(request.key(), time.time_ns() // 1_000_000)
        except Rejected:
            return None

    def _cors(self, request: Request) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers that let a web page send and read the response.

        Beacons ask with credentials, so the page's origin must be named; there are none that would mean anything here.
        """
        origin = request.header(b"origin")
        if not origin or not self._may_send(origin):
            return ((b"vary", b"origin"),)
        return (
            (b"vary", b"origin"),
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-allow-credentials", b"true"),
        )

    def _may_send(self, origin: str) -> bool:
        return "*" in self._bounds.origins or origin in self._bounds.origins

    def _sender(self, request: Request) -> Sender:
        """Return who sends. Raises Rejected if its web page or its write key may not."""
        origin = request.header(b"origin")
        if origin and not self._may_send(origin):
            raise Rejected(WRONG_ORIGIN, "This web page may not send events")
        received_at = time.time_ns() // 1_000_000
        return Sender(
            received_at,
            time.monotonic(),
            client_address(request.peer, request.header(b"x-forwarded-for"), self._bounds.trusted_proxies),
            request.header(b"user-agent"),
            request.header(b"dnt") == "1" or request.header(b"sec-gpc") == "1",
            self._keys.ring.site_of(request.key(), received_at),
            self._keys.ring,
        )

    def _rate(self, sender: Sender) -> None:
        """Raise Rejected if the address has sent more than it may."""
        wait = self._address_rates.take(_hashed(sender), 1, sender.now)
        if wait:
            raise Rejected(RATE_LIMITED, "Too many events from this address", retry_after=wait)

    async def _body(self, request: Request, limit: int) -> bytes:
        body = await request.body(limit, self._bounds.slow_client_s)
        encoding = request.header(b"content-encoding")
        return bodies.unpacked(body, encoding.strip().lower().encode(), limit) if encoding else body

    async def _event(self, request: Request) -> Response:
        sender = self._sender(request)
        self._rate(sender)
        raw = await self._body(request, self._bounds.max_event_bytes)
        [outcome] = await self._outcomes([Arrival(sender, raw)])
        return replies.one(outcome)

    async def _pixel(self, request: Request) -> Response:
        sender = self._sender(request)
        self._rate(sender)
        words = {name: value for name, value in request.query.items() if name != "key" and value}
        words.setdefault("timestamp", str(sender.received_at))
        [outcome] = await self._outcomes([Arrival(sender, words=words)])
        return replies.pixel(outcome)

    async def _events(self, request: Request) -> Response:
        sender = self._sender(request)
        self._rate(sender)
        body = await self._body(request, self._bounds.max_body_bytes)
        items = bodies.split(body, self._bounds.max_batch_events)
        self._address_rates.spend(_hashed(sender), len(items) - 1)
        return replies.batch(await self._outcomes([Arrival(sender, raw) for raw in items]))

    async def _outcomes(self, arrivals: list[Arrival]) -> list[Outcome]:
        """Lead events through the steps and deliver those that pass; return what became of each, and count it."""
        refused: dict[int, Rejected] = {}
        records: list[Record] = []
        for index, arrival in enumerate(arrivals):
            try:
                records.append(self._record(arrival))
            except Rejected as why:
                refused[index] = why
            if index % _AT_A_TIME == _AT_A_TIME - 1:
                await asyncio.sleep(0)
        safe = await self._delivery.deliver(records, self._sending(arrivals, records)) if records else []
        if any(safe):
            _LATENCY.observe(time.monotonic() - arrivals[0].sender.now)
        left = iter(safe)
        outcomes = [refused.get(index) or _outcome(arrival, next(left)) for index, arrival in enumerate(arrivals)]
        self._counts.add(
            (arrival.site, outcome.reason if isinstance(outcome, Rejected) else arrival.topic)
            for arrival, outcome in zip(arrivals, outcomes, strict=True)
        )
        return outcomes

    def _sending(self, arrivals: list[Arrival], records: list[Record]) -> "Sending | None":
        """Return the span of a sampled request's records."""
        if self._traces is None:
            return None
        topic = self._delivery.topic_of(records[0])
        return self._traces.send_served(topic, (arrival.site for arrival in arrivals), len(records))

    def _record(self, arrival: Arrival) -> Record:
        """Return the record of an event that has passed all steps. Raises Rejected."""
        try:
            take(arrival, self._rules)
        except OSError as error:  # a salt that cannot be made
            log.error("the door's folder cannot be used", error=str(error))
            raise _unavailable() from None
        event = arrival.event
        return arrival.topic, event.visitor.encode(), encode_event(event)

    async def _ledger(self, site: str, request: Request) -> Response:
        try:
            sender = self._sender(request)
            self._rate(sender)
            sender.ring.check_reader(site, sender.key_site)
            told = await self._ledgers.of(site, since_in(request.query, sender.received_at))
        except Rejected as why:  # it was no event: none is counted
            return replies.refusal(why)
        return Response(200, replies.encode(told))

    async def _health(self, _: Request) -> Response:
        return Response(200, replies.encode(replies.Health()))

    async def _ready(self, _: Request) -> Response:
        return await self._readiness.response()

    async def _metrics(self, _: Request) -> Response:
        content_type, body = exposition(INGESTION)
        return Response(200, body, content_type.encode())


@cache
def _responses(status: int) -> Counter:
    return INGESTION_RESPONSES.labels(status)


def _hashed(sender: Sender) -> int:
    """Return what the address is remembered by: its hash in this process."""
    return hash(b"" if sender.address is None else household(sender.address))


def _outcome(arrival: Arrival, safe: bool) -> Outcome:
    return Accepted(arrival.event.event_id) if safe else _unavailable()


def _unavailable() -> Rejected:
    return Rejected(UNAVAILABLE, "The event cannot be kept at the moment", retry_after=RETRY_S)


async def _given(response: Response, _: Request) -> Response:
    return response

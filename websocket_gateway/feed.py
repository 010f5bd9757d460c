"""From the topics of metrics, visits and alerts to the gateway: every partition, no group, from 15 minutes ago on.

Without a group any number of gateways reads everything, and none remembers an offset: what a gateway shows is made anew
from the last minutes of the log each time it starts.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from monitoring.lag import tell_lag
from monitoring.metrics import ERRORS, GATEWAY
from tidemark.access import check_access, is_refusal
from tidemark.kafka import client_config
from tidemark.logs import get_logger
from tidemark.results import Alert, MetricUpdate, SessionSummary, decode_alert, decode_metric, decode_session
from tidemark.rights import GATEWAY_GROUP, AccessRefused
from tidemark.settings import Settings
from tidemark.topics import ALERTS, METRICS, NEWEST_EVENT_HEADER, SESSIONS
from websocket_gateway.reach import trouble_in
from websocket_gateway.session import now_ms
from websocket_gateway.tracing import Traced

if TYPE_CHECKING:
    from monitoring.spans import Traces

LOOK_BACK_MS = 900_000
BATCH = 500
POLL_S = 0.1
RETRY_S = 1.0
REQUEST_S = 5.0
STATISTICS_MS = 500

Result = MetricUpdate | SessionSummary | Alert
Take = Callable[[Sequence[Result], "Came"], Coroutine[None, None, None]]

log = get_logger("websocket_gateway.feed")


class Came(NamedTuple):
    """When a batch came (ms since the epoch): its oldest record, and the newest events that its records tell of.

    ``traced``: those of its records that belong to a trace.
    """

    oldest_ms: int | None = None
    newest_events_ms: Sequence[int] = ()
    traced: Sequence[Traced] = ()


class Feed:
    """Reads the results in a thread of its own and hands them over in batches, one at a time.

    ``trouble``: why the topics are not read, None while they are; a lost broker shows within a second.
    """

    def __init__(self, settings: Settings, take: Take, traces: "Traces | None" = None) -> None:
        self._settings = settings
        self._traces = traces
        self._config = client_config(settings) | {
            "group.id": settings.topic(GATEWAY_GROUP),  # the client wants a name; it never joins
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "statistics.interval.ms": STATISTICS_MS,
            "stats_cb": self._look,
        }
        self._decoders: dict[str, Callable[[bytes], Result]] = {
            settings.topic(METRICS.name): decode_metric,
            settings.topic(SESSIONS.name): decode_session,
            settings.topic(ALERTS.name): decode_alert,
        }
        self.trouble: str | None = "the topics have not been looked for yet"
        self._take = take
        self._began_ms = 0
        self._stopping = threading.Event()

    async def run(self) -> None:
        """Read until cancelled; while the broker is away, wait for it."""
        reading = asyncio.create_task(asyncio.to_thread(self._read, asyncio.get_running_loop()))
        try:
            await asyncio.shield(reading)
        finally:
            self._stopping.set()
            await reading

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        consumer = Consumer(self._config, logger=logging.getLogger("websocket_gateway.kafka"))
        try:
            while not self._stopping.is_set():
                self._assign(consumer)
                with suppress(AccessRefused):
                    self._follow(consumer, loop)
        finally:
            consumer.close()

    def _follow(self, consumer: Consumer, loop: asyncio.AbstractEventLoop) -> None:
        """Read until it is told to stop. Raises AccessRefused."""
        while not self._stopping.is_set():
            messages = _batch(consumer)
            read_ns = time.time_ns()
            decoded = [(message, result) for message in messages if (result := self._decode(message)) is not None]
            if decoded:
                results = [result for _, result in decoded]
                came = _came(messages, self._began_ms)
                if self._traces is not None:
                    came = came._replace(traced=list(_traced(self._traces, decoded, read_ns, self._began_ms)))
                asyncio.run_coroutine_threadsafe(self._take(results, came), loop).result()

    def _assign(self, consumer: Consumer) -> None:
        told = ""
        while not self._stopping.is_set():
            try:
                check_access(self._settings, "gateway")
                positions = [place for topic in self._decoders for place in _positions(consumer, topic)]
            except (KafkaException, AccessRefused) as error:
                self.trouble = f"the topics cannot be read yet: {error.args[0]}"
                if self.trouble != told:
                    told = self.trouble
                    log.warning("the topics cannot be read yet", error=str(error.args[0]))
                self._stopping.wait(RETRY_S)
            else:
                consumer.assign(positions)
                self._began_ms = now_ms()
                log.info("reading", partitions=len(positions))
                return

    def _look(self, statistics: str) -> None:
        self.trouble = trouble_in(statistics)
        tell_lag(GATEWAY, statistics, "handed over")

    def _decode(self, message: Message) -> Result | None:
        """The record's result; None for a record that is none, which is counted and told. Raises AccessRefused."""
        error, topic, value = message.error(), message.topic(), message.value()
        if error is not None:
            if is_refusal(error):
                check_access(self._settings, "gateway")
            _complain(str(error.name()), error=error.str())
        elif topic is not None and isinstance(value, bytes):
            try:
                return self._decoders[topic](value)
            except msgspec.DecodeError as broken:
                _complain("invalid_result", error=str(broken), topic=topic, offset=message.offset())
        return None


def _batch(consumer: Consumer) -> list[Message]:
    """What is there, at most BATCH: consume() alone would wait its whole timeout to fill the batch."""
    first = consumer.poll(POLL_S)
    return [] if first is None else [first, *consumer.consume(BATCH - 1, timeout=0)]


def _came(messages: Sequence[Message], since_ms: int) -> Came:
    """When the messages came, as far as that was since then: what was there before has not waited for this gateway."""
    oldest_ms = messages[0].timestamp()[1]
    told = [dict(headers).get(NEWEST_EVENT_HEADER) for message in messages if (headers := message.headers())]
    events = [int(value) for value in told if value and value.isdigit()]
    return Came(oldest_ms if oldest_ms >= since_ms else None, [event for event in events if event >= since_ms])


def _traced(
    traces: "Traces", decoded: Iterable[tuple[Message, Result]], read_ns: int, since_ms: int
) -> Iterator[Traced]:
    """Yield what belongs to a trace and has come since then."""
    for message, result in decoded:
        headers = message.headers()
        parent = traces.carried(dict(headers).items()) if headers else None
        if parent is not None and message.timestamp()[1] >= since_ms:
            place = str(message.topic()), message.partition() or 0, message.offset() or 0
            yield Traced(*place, result.site_id, parent, read_ns)


def _positions(consumer: Consumer, topic: str) -> list[TopicPartition]:
    """Where to start in each partition. Raises KafkaException when the broker or the topic is away."""
    metadata = consumer.list_topics(topic, timeout=REQUEST_S).topics[topic]
    if metadata.error is not None:
        raise KafkaException(metadata.error)
    partitions = [TopicPartition(topic, partition) for partition in metadata.partitions]
    # The ends are asked for first: a record that comes in between is then behind the end, not lost before it.
    ends = [consumer.get_watermark_offsets(place, timeout=REQUEST_S)[1] for place in partitions]
    since = [TopicPartition(topic, place.partition, now_ms() - LOOK_BACK_MS) for place in partitions]
    found = consumer.offsets_for_times(since, timeout=REQUEST_S)
    return [
        TopicPartition(topic, place.partition, place.offset if place.offset >= 0 else end)
        for place, end in zip(found, ends, strict=True)
    ]


def _complain(reason: str, **about: object) -> None:
    ERRORS.labels(stage=GATEWAY, reason=reason).inc()
    log.warning("a record was skipped", reason=reason, **about)

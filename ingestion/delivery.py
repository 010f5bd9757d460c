"""From the steps to Kafka: a record is safe when the broker has acknowledged it or, with Kafka away, is on disk."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, cast

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from ingestion.records import Record
from ingestion.spool import Segment, Spool, SpoolFullError
from monitoring.metrics import ERRORS, INGESTION
from tidemark.logs import get_logger

if TYPE_CHECKING:
    from monitoring.spans import Sending

log = get_logger("ingestion.delivery")

#: Delivery reports are served so often (s) while records are under way, and while none is.
_BUSY_POLL_S, _IDLE_POLL_S = 0.001, 0.1
#: Between looks at a Kafka that is away.
_RETRY_S = 0.5
#: So many records of the spool are sent at a time.
_CHUNK = 2_000
#: What is left of the spool when new records wait for it to be sent, so that they follow it without a detour.
_TURN_BYTES = 1024 * 1024
_ANY_PARTITION = -1

#: Called with the producer's error callback; makes a new producer.
Connect = Callable[[Callable[[KafkaError], None]], Producer]
Report = Callable[[KafkaError | None, Message], None]


class _Wave:
    """Records that were handed to the producer together; ``done`` is set when each is acknowledged or has failed."""

    __slots__ = ("done", "failed", "left", "started", "why")

    def __init__(self, records: int, started: float) -> None:
        self.left = records
        self.failed: list[bytes | None] = []
        self.why = ""
        self.started = started
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def report(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.failed.append(message.value())
            self.why = error.str()
        self.left -= 1
        if not self.left and not self.done.done():
            self.done.set_result(None)


class Way(Enum):
    """Where new records go: to Kafka, or to the spool until that has been sent."""

    KAFKA = "kafka"
    SPOOL = "spool"


class Delivery:
    """Delivers records to ``topics``, to be used from one event loop; ``run`` must run meanwhile.

    Kafka counts as away when it has not acknowledged a record after ``patience_s``, or when the client says that no
    broker is reached. Records are never lost and never confirmed too early; around an outage they may come twice, the
    same, which their ids show. All topics are one queue: a record to one that is missing has the others go to disk too.
    """

    def __init__(self, connect: Connect, prefix: str, spool: Spool, topics: tuple[str, ...], patience_s: float) -> None:
        self._connect = connect
        self._producer = connect(self._on_error)
        self._prefix = prefix
        self._topics = [prefix + topic for topic in topics]
        self._spool = spool
        self._patience_s = patience_s
        self._waves: dict[_Wave, None] = {}
        self._busy = asyncio.Event()
        self._spooling = asyncio.Event()
        self._turning: asyncio.Event | None = None
        self._lost: str | None = None
        self._failed = False
        self._why = ""
        self._trouble: str | None = None
        self.way = Way.KAFKA
        if spool.size:
            self._keep_on_disk("events of an earlier run are on disk")

    @property
    def spooled_bytes(self) -> int:
        """How much waits in the spool."""
        return self._spool.size

    def topic_of(self, record: Record) -> str:
        """Return the topic of a record by its name on the broker."""
        return self._prefix + record[0]

    async def deliver(self, records: list[Record], sending: "Sending | None" = None) -> list[bool]:
        """Return, for each record, whether it is safe; those that are not may be sent again by whoever sent them.

        ``sending``: the span of the records, which end their trace if they go to disk.
        """
        while self._turning is not None:
            await self._turning.wait()
        if self.way is Way.KAFKA:
            unsafe = await self._produce(records, sending)
            if not unsafe:
                return [True] * len(records)
            self._go_to_spool(self._why)
        else:
            unsafe = list(range(len(records)))
        safe = [True] * len(records)
        try:
            await self._spool.keep([records[index] for index in unsafe])
        except SpoolFullError:
            ERRORS.labels(INGESTION, "spool_full").inc(len(unsafe))
            for index in unsafe:
                safe[index] = False
        return safe

    async def _produce(self, records: list[Record], sending: "Sending | None" = None) -> list[int]:
        """Return which of the records are not acknowledged."""
        wave = _Wave(len(records), time.monotonic())
        taken = self._hand_over(records, wave, sending)
        if taken:
            self._waves[wave] = None
            self._busy.set()
            await asyncio.shield(wave.done)
        failed = set(wave.failed)
        self._why = wave.why or self._why
        return [index for index, record in enumerate(records) if index >= taken or record[2] in failed]

    def _hand_over(self, records: list[Record], wave: _Wave, sending: "Sending | None") -> int:
        """Return how many of the records, from the first on, the producer has taken."""
        produce, prefix, report = self._producer.produce, self._prefix, cast(Report, wave.report)
        if sending is not None:
            produce, report = partial(produce, headers=[sending.header]), sending.reporting(report)
        taken = 0
        try:
            for topic, key, value in records:
                produce(prefix + topic, value, key, _ANY_PARTITION, report)
                taken += 1
        except (BufferError, KafkaException) as error:
            self._why = str(error)
        wave.left -= len(records) - taken
        return taken

    async def run(self) -> None:
        """Serve delivery reports, and replay what is in the spool, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._poll())
            tasks.create_task(self._replay())

    async def _poll(self) -> None:
        while True:
            self._producer.poll(0)
            while self._waves and next(iter(self._waves)).done.done():
                del self._waves[next(iter(self._waves))]
            if self._waves and time.monotonic() - next(iter(self._waves)).started > self._patience_s:
                self._lost = f"no acknowledgement after {self._patience_s} s"
            if self._lost is not None:
                self._give_up(self._lost)
            await self._pause()

    async def _pause(self) -> None:
        if self._waves:
            await asyncio.sleep(_BUSY_POLL_S)
            return
        self._busy.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(_IDLE_POLL_S):
                await self._busy.wait()

    def _on_error(self, error: KafkaError) -> None:
        """Take the client's word for it; called while it is polled."""
        if error.fatal() or (error.code() == KafkaError._ALL_BROKERS_DOWN and self.way is Way.KAFKA):
            self._lost = error.str()
            self._failed = self._failed or error.fatal()

    def _give_up(self, why: str) -> None:
        """Let everything that is under way fail now: it goes to the spool."""
        self._go_to_spool(why)
        self._producer.purge()
        self._producer.poll(0)
        self._lost = None
        if self._failed:
            log.error("the producer has failed, another one takes over", error=why)
            self._producer = self._connect(self._on_error)
            self._failed = False

    def _go_to_spool(self, why: str) -> None:
        if self.way is Way.KAFKA:
            ERRORS.labels(INGESTION, "kafka_away").inc()
            self._keep_on_disk(why)

    def _keep_on_disk(self, why: str) -> None:
        log.warning("events are kept on disk", why=why)
        self.way = Way.SPOOL
        self._spooling.set()

    async def _replay(self) -> None:
        await self._usable()  # what is missing is told before a record needs it
        told = ""
        while True:
            await self._spooling.wait()
            if await self._usable():
                if await self._send_oldest():
                    continue
                if self._why != told:
                    told = self._why
                    log.warning("Kafka answers, and does not take what is in the spool", why=told)
            await asyncio.sleep(_RETRY_S)

    async def _usable(self) -> bool:
        trouble = await self.trouble()
        if trouble is not None and trouble != self._trouble:
            log.warning("Kafka cannot be used", why=trouble)
        self._trouble = trouble
        return trouble is None

    async def trouble(self) -> str | None:
        """Say why Kafka cannot be used now, None if it answers and has the topics; within a second for each topic."""
        return await asyncio.to_thread(self._look)

    def _look(self) -> str | None:
        troubles = []
        for topic in self._topics:
            try:
                found = self._producer.list_topics(topic, 1.0).topics[topic]
            except KafkaException as error:
                return str(error.args[0].str())
            if found.error is not None:
                troubles.append(f"topic {topic}: {found.error.str()}")
        return "; ".join(troubles) or None

    async def _send_oldest(self) -> bool:
        """Send a segment and delete it, or turn to Kafka if little is left; return whether that went well."""
        if self._spool.size <= _TURN_BYTES:
            return await self._turn()
        segment = await self._spool.oldest()
        if segment is None:
            return True
        records = await asyncio.to_thread(segment.read)
        for first in range(0, len(records), _CHUNK):
            if await self._produce(records[first : first + _CHUNK]):
                return False
        self._spool.remove_oldest()
        return True

    async def _turn(self) -> bool:
        """Send what is left while new records wait for a moment; then these go to Kafka, behind it."""
        self._turning = asyncio.Event()
        try:
            while True:
                await self._spool.settle()
                segment = await self._spool.oldest()
                if segment is not None:
                    if not await self._send_whole(segment):
                        return False
                    self._spool.remove_oldest()
                elif not self._spool.size:  # nor has anything come since it was asked
                    break
            self.way = Way.KAFKA
            self._spooling.clear()
            log.info("events go to Kafka again: the disk has none left")
            return True
        finally:
            self._turning.set()
            self._turning = None

    async def _send_whole(self, segment: Segment) -> bool:
        records = segment.read()
        return not records or not await self._produce(records)

    def close(self) -> None:
        """Let go of the spool; what is in it is there for the next that starts."""
        self._spool.close()

    async def finish(self, within_s: float) -> None:
        """Wait for what is under way, for at most so long."""
        under_way = [wave.done for wave in self._waves]
        if under_way:
            await asyncio.wait(under_way, timeout=within_s)

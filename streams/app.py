"""Builds the Faust app of a worker: two agents, one a stage, on the batch transport."""

import asyncio
import os
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import faust
from confluent_kafka import KafkaError, Producer
from faust.types import TP

from monitoring.event_loop import watch_event_loop
from monitoring.metrics import ERRORS, STREAMS
from streams.checkpoints import Checkpoints
from streams.log_reader import LogReader
from streams.outbox import Outbox
from streams.refusals import why_refused
from streams.ticker import Ticker
from streams.transport import BatchTransport, credentials
from streams.watchdog import Watchdog
from streams.worker import StreamsWorker
from tidemark.kafka import producer_config
from tidemark.logs import get_logger
from tidemark.rights import STREAMS_GROUP
from tidemark.settings import Settings
from tidemark.topics import EVENTS, PARTIALS

if TYPE_CHECKING:
    from monitoring.spans import Traces

log = get_logger("streams.app")

#: The consumer group of the workers; they share the partitions.
GROUP = STREAMS_GROUP
#: So many batches wait for an agent at most: a batch can be a megabyte.
WAITING_BATCHES = 16
#: So long may it take to restore the states of the partitions that came.
POSITIONS_SECONDS = 60.0
#: So long do partitions that go wait for their checkpoints, less than the session timeout: it goes on without them.
REVOKED_SECONDS = 3.0
#: So long does a worker that stops wait for its last checkpoints.
LAST_SECONDS = 3.0

T = TypeVar("T")


class StreamsApp(faust.App):
    """A Faust app whose agents get batches, read from where the worker's state stands."""

    settings: Settings
    worker: StreamsWorker

    def _new_transport(self) -> BatchTransport:
        transport = BatchTransport(self.conf.broker_consumer, self)
        transport.positions = self._positions
        transport.revoked = self._revoked
        return transport

    async def on_stop(self) -> None:
        """Write all states down before the partitions are given back; then as in Faust."""
        self.flow_control.suspend()
        await self._within(LAST_SECONDS, self.worker.saving.close())
        await super().on_stop()

    async def _positions(self, assigned: set[TP]) -> dict[TP, int]:
        return await self.or_die(self._positions_in_time(assigned))

    async def _positions_in_time(self, assigned: set[TP]) -> dict[TP, int]:
        # Faust's own timeout would end its recovery service without a word, and the worker would stand still.
        async with asyncio.timeout(POSITIONS_SECONDS):
            return await self.worker.positions(assigned)

    async def _revoked(self, revoked: set[TP]) -> None:
        await self._within(REVOKED_SECONDS, self.worker.saving.revoke(revoked))

    async def _within(self, seconds: float, work: Awaitable[None]) -> None:
        """Wait so long for some work, and let it go on if it is not done then."""
        _, late = await asyncio.wait({asyncio.ensure_future(self.or_die(work))}, timeout=seconds)
        if late:
            log.warning("checkpoints are still under way", seconds=seconds)

    async def or_die(self, work: Awaitable[T]) -> T:
        """Do some work of the worker; if it fails, the process ends."""
        try:
            return await work
        except Exception as error:
            self.die(error)

    def die(self, error: Exception) -> NoReturn:
        """End the process at once: Faust would ack a batch whose agent failed, and its events would be lost."""
        why = why_refused(self.settings, error)
        if why is None:
            log.critical("worker ends: it could not go on", error=repr(error), exc_info=error)
        else:
            log.critical(f"worker ends: {why}")
        os._exit(1)


def build_app(settings: Settings, traces: "Traces | None" = None) -> tuple[StreamsApp, Outbox]:
    """Return the app of a worker and its outbox, which is to be closed at the end."""
    app = StreamsApp(
        settings.topic(GROUP),
        broker=[f"aiokafka://{server.strip()}" for server in settings.kafka_bootstrap_servers.split(",")],
        broker_credentials=credentials(settings),
        datadir=str(settings.data_dir / "faust"),
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        broker_session_timeout=settings.session_timeout_ms / 1000,
        broker_heartbeat_interval=settings.session_timeout_ms / 3000,
        broker_commit_interval=1.0,
        consumer_auto_offset_reset="earliest",
        stream_buffer_maxsize=WAITING_BATCHES,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
    )
    app.settings = settings
    config = producer_config(settings, linger_ms=0, on_error=_count_error)
    producer = Producer(config | {"queue.buffering.max.messages": 1_000_000})
    outbox = Outbox(producer, settings.topic)
    reader = LogReader(settings, patience_seconds=POSITIONS_SECONDS)
    checkpoints = Checkpoints(settings, GROUP, reader)
    app.worker = worker = StreamsWorker(settings, outbox, Ticker(settings), checkpoints, reader, traces)
    _add_agents(app, settings)
    Watchdog(settings, worker.saving.standing, app.die).start()
    return app, outbox


def _count_error(error: KafkaError) -> None:
    ERRORS.labels(STREAMS, error.name()).inc()


def _add_agents(app: StreamsApp, settings: Settings) -> None:
    async def consume(stream: Any) -> None:
        async for event in stream.noack().events():
            await app.or_die(app.worker.process(app.consumer, event))

    async def send_early() -> None:
        await app.or_die(app.worker.send_early(app.consumer))

    async def look_after() -> None:
        await app.or_die(app.worker.look_after(app.consumer))

    async def report() -> None:
        await app.or_die(app.worker.report(app.consumer))

    async def watch() -> None:
        await watch_event_loop(STREAMS)

    async def save() -> None:
        await app.or_die(app.worker.saving.for_ever())

    async def release(_: Any, /, *assigned: Any, signal: Any, **__: Any) -> None:
        app.worker.release(assigned[0])

    for topic in (EVENTS, PARTIALS):
        name = settings.topic(topic.name)
        channel = app.topic(name, key_serializer="raw", value_serializer="raw", value_type=bytes, internal=False)
        app.agent(channel, name=f"streams.{topic.name}", concurrency=1)(consume)
    app.on_partitions_assigned.connect(release, weak=False)
    app.task(send_early)
    app.task(look_after)
    app.task(save)
    app.task(report)
    app.task(watch)

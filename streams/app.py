"""Builds the Faust app of a worker: two agents, one a stage, on the batch transport."""

import asyncio
import os
from typing import Any, NoReturn

import faust
from confluent_kafka import Producer
from faust.types import TP

from streams.outbox import Outbox
from streams.ticker import Ticker
from streams.transport import BatchTransport
from streams.worker import StreamsWorker
from tidemark.kafka import producer_config
from tidemark.logs import get_logger
from tidemark.settings import Settings
from tidemark.topics import EVENTS, PARTIALS

log = get_logger("streams.app")

#: The consumer group of the workers; they share the partitions.
GROUP = "tidemark-streams"
#: So many batches wait for an agent at most: a batch can be a megabyte.
WAITING_BATCHES = 16
#: So long may the broker take to tell where the logs begin.
POSITIONS_SECONDS = 30.0


class StreamsApp(faust.App):
    """A Faust app whose agents get batches, read from where the worker's state stands."""

    worker: StreamsWorker

    def _new_transport(self) -> BatchTransport:
        transport = BatchTransport(self.conf.broker_consumer, self)
        transport.positions = self._positions
        return transport

    async def _positions(self, assigned: set[TP]) -> dict[TP, int]:
        try:
            async with asyncio.timeout(POSITIONS_SECONDS):
                return await self.worker.positions(self.consumer, assigned)
        except Exception as error:
            # Faust's own timeout would end its recovery service without a word, and the worker would stand still.
            die(error)


def build_app(settings: Settings) -> tuple[StreamsApp, Outbox]:
    """Return the app of a worker and its outbox, which is to be closed at the end."""
    app = StreamsApp(
        settings.topic(GROUP),
        broker=[f"aiokafka://{server.strip()}" for server in settings.kafka_bootstrap_servers.split(",")],
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
    producer = Producer(producer_config(settings, linger_ms=0) | {"queue.buffering.max.messages": 1_000_000})
    outbox = Outbox(producer, settings.topic)
    app.worker = StreamsWorker(settings, outbox, Ticker(settings))
    _add_agents(app, settings)
    return app, outbox


def _add_agents(app: StreamsApp, settings: Settings) -> None:
    async def consume(stream: Any) -> None:
        async for event in stream.noack().events():
            try:
                await app.worker.process(app.consumer, event)
            except Exception as error:
                die(error)

    async def send_early() -> None:
        try:
            await app.worker.send_early(app.consumer)
        except Exception as error:
            die(error)

    async def look_after() -> None:
        try:
            await app.worker.look_after(app.consumer)
        except Exception as error:
            die(error)

    async def release(_: Any, /, *assigned: Any, signal: Any, **__: Any) -> None:
        app.worker.release(assigned[0])

    for topic in (EVENTS, PARTIALS):
        name = settings.topic(topic.name)
        channel = app.topic(name, key_serializer="raw", value_serializer="raw", value_type=bytes, internal=False)
        app.agent(channel, name=f"streams.{topic.name}", concurrency=1)(consume)
    app.on_partitions_assigned.connect(release, weak=False)
    app.task(send_early)
    app.task(look_after)


def die(error: Exception) -> NoReturn:
    """End the process at once: Faust would ack a batch whose agent failed, and its events would be lost."""
    log.critical("worker ends: it could not go on", error=repr(error), exc_info=error)
    os._exit(1)

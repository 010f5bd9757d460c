"""Puts the door together: settings → keys, salts, countries, spool, producer → the ASGI application → granian."""

import asyncio
import ctypes
import gc
import mmap
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, Producer
from granian.constants import HTTPModes, Interfaces, Loops, RuntimeModes, SSLProtocols
from granian.http import HTTP1Settings
from granian.server import Server
from influxdb_client.client.influxdb_client import InfluxDBClient

from ingestion.agents import agent
from ingestion.counting import Counts
from ingestion.countries import Countries
from ingestion.delivery import Delivery, Way
from ingestion.door import Bounds, Door
from ingestion.files import served
from ingestion.ids import RandomIds
from ingestion.key_file import KEYS_FILE, KeyFile, KeyFileError
from ingestion.ledgers import TIMEOUT_MS, Ledgers, Read
from ingestion.rates import TABLE_BYTES, Rates
from ingestion.readiness import Readiness
from ingestion.requests import Memory, Receive, Scope, Send
from ingestion.salts import Salts
from ingestion.spool import Spool, spooled_bytes
from ingestion.steps import Rules
from ingestion.telling import Telling
from ingestion.tracing import TracedDoor
from monitoring.event_loop import watch_event_loop
from monitoring.metrics import INGESTION, INGESTION_SPOOL_BYTES, INGESTION_SPOOL_LIMIT
from monitoring.serving import serve_metrics
from monitoring.traces import open_traces
from tidemark.access import check_access
from tidemark.influxdb import influxdb_config, read_ledger
from tidemark.kafka import producer_config
from tidemark.logs import configure_logging, get_logger
from tidemark.rights import AccessRefused
from tidemark.settings import Settings
from tidemark.topics import BOTS, DOOR_COUNTS, EVENTS, Topic

if TYPE_CHECKING:
    from monitoring.spans import Traces

log = get_logger("ingestion.app")

_PR_SET_PDEATHSIG = 1
#: A request's head may be so large, in bytes.
_HEAD_BYTES = 32_768
#: What is under way at the end gets so long (s).
_CLOSE_S = 5.0
_LOOK_S = 1.0
#: The counts that are on their way may take so much of the disk: what an hour of a hundred sites needs.
_COUNTS_BYTES = 64 * 1024 * 1024


def connect(settings: Settings, on_error: Callable[[KafkaError], None]) -> Producer:
    """Return a durable producer that holds a bounded number of records; it connects by itself."""
    return Producer(
        producer_config(settings, linger_ms=0, on_error=on_error)
        | {
            "delivery.timeout.ms": 30_000,
            "queue.buffering.max.messages": 100_000,
            "queue.buffering.max.kbytes": settings.ingestion_max_memory_bytes // 1_024,
        }
    )


class Application:
    """One worker's ASGI application: opens what it needs when the server starts it, closes it in order at the end."""

    def __init__(self, settings: Settings, rates: memoryview) -> None:
        self._settings = settings
        self._rates = rates
        self._door: Door | TracedDoor | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or follow the server's life."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http" and self._door is not None:
            await self._door(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with AsyncExitStack() as stack:
            try:
                self._door = await stack.enter_async_context(open_door(self._settings, self._rates))
            except Exception as error:  # granian would serve without
                log.exception("the door cannot be opened")
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            # What is there now stays, and events form no cycles: looking for some would take a tenth of the time.
            gc.freeze()
            gc.set_threshold(100_000, 50, 1_000)
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


@asynccontextmanager
async def open_door(settings: Settings, rates: memoryview) -> AsyncIterator[Door | TracedDoor]:
    """Give a door that works while the context lasts. Raises OSError or KeyFileError if its files cannot be used.

    ``rates`` are two tables for the buckets of sites and addresses, which all workers share.
    """
    folder = settings.ingestion_folder
    keys = KeyFile(folder / KEYS_FILE, required=settings.ingestion_keys_required)
    keys.look()
    salts = Salts(folder / "salts")
    delivery = _delivery(settings, folder / "spool", settings.ingestion_spool_bytes, EVENTS, BOTS)
    counts_delivery = _delivery(settings, folder / "counts", _COUNTS_BYTES, DOOR_COUNTS)
    counts = Counts(keys.knows)
    telling = Telling(counts, counts_delivery.deliver)
    ledgers = Ledgers(_ledger_reader(settings))
    traces = open_traces(INGESTION, settings)
    readiness = Readiness(delivery, counts_delivery)
    door = _door(settings, keys, salts, delivery, counts, ledgers, readiness, rates, traces)
    agent("Mozilla/5.0 (X11; Linux x86_64)")  # the first one takes half a second
    work = asyncio.create_task(_work(settings, delivery, counts_delivery, telling, keys, salts, folder / "spool"))
    work.add_done_callback(_end_if_failed)
    try:
        yield door if traces is None else TracedDoor(door, traces)
    finally:
        ledgers.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await telling.tell()
        await asyncio.gather(delivery.finish(_CLOSE_S), counts_delivery.finish(_CLOSE_S))
        work.cancel()
        await asyncio.wait([work])
        delivery.close()
        counts_delivery.close()
        if traces is not None:
            await asyncio.to_thread(traces.close)


def _delivery(settings: Settings, folder: Path, most_bytes: int, *topics: Topic) -> Delivery:
    """Return one worker's delivery to these topics, with its spool, which takes its share of the door's bytes."""
    spool = Spool(folder, most_bytes // settings.ingestion_workers)
    spool.open()
    names = tuple(topic.name for topic in topics)
    return Delivery(
        partial(connect, settings), settings.topic_prefix, spool, names, settings.ingestion_patience_seconds
    )


def _ledger_reader(settings: Settings) -> Read:
    client = InfluxDBClient(**influxdb_config(settings), timeout=TIMEOUT_MS, retries=False)
    return partial(read_ledger, client, settings.influxdb_bucket)


def _door(
    settings: Settings,
    keys: KeyFile,
    salts: Salts,
    delivery: Delivery,
    counts: Counts,
    ledgers: Ledgers,
    readiness: Readiness,
    rates: memoryview,
    traces: "Traces | None",
) -> Door:
    rules = Rules(
        max_event_bytes=settings.ingestion_max_event_bytes,
        honour_do_not_track=settings.ingestion_honour_do_not_track,
        site_rates=Rates(settings.ingestion_rate_per_site, rates[:TABLE_BYTES]),
        salt=salts.of,
        country=Countries(settings.ingestion_country_database).of,
        make_id=RandomIds(),
    )
    bounds = Bounds(
        max_event_bytes=settings.ingestion_max_event_bytes,
        max_body_bytes=settings.ingestion_max_body_bytes,
        max_batch_events=settings.ingestion_max_batch_events,
        slow_client_s=settings.ingestion_slow_client_seconds,
        origins=frozenset(settings.ingestion_origins),
        trusted_proxies=settings.ingestion_trusted_proxies,
    )
    address_rates = Rates(settings.ingestion_rate_per_address, rates[TABLE_BYTES:])
    memory = Memory(settings.ingestion_max_memory_bytes)
    files = served(settings.ingestion_tracker, settings.ingestion_pages)
    return Door(bounds, rules, keys, address_rates, delivery, memory, counts, files, ledgers, readiness, traces)


async def _work(
    settings: Settings,
    delivery: Delivery,
    counts_delivery: Delivery,
    telling: Telling,
    keys: KeyFile,
    salts: Salts,
    spool: Path,
) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(delivery.run())
        tasks.create_task(counts_delivery.run())
        tasks.create_task(telling.run())
        tasks.create_task(_look_after(keys, salts, spool))
        tasks.create_task(_tell_refusals(settings, delivery))
        tasks.create_task(watch_event_loop(INGESTION))


async def _tell_refusals(settings: Settings, delivery: Delivery) -> None:
    """Say by name what Kafka refuses at the start, and while events do not get there; the same once."""
    told, refused = "", True
    while True:
        if refused or delivery.way is Way.SPOOL:
            why = await asyncio.to_thread(_refusal, settings)
            refused = bool(why)
            if why and why != told:  # in between nobody may have answered
                told = why
                log.error(why)
        await asyncio.sleep(_LOOK_S)


def _refusal(settings: Settings) -> str:
    try:
        check_access(settings, "ingestion")
    except AccessRefused as error:
        return str(error)
    return ""


async def _look_after(keys: KeyFile, salts: Salts, spool: Path) -> None:
    """Take up changed keys within a second, forget salts whose time is over, tell what is in the spool."""
    while True:
        try:
            if keys.look():
                log.info("the write keys have changed")
            salts.forget(time.time_ns() // 1_000_000)
            INGESTION_SPOOL_BYTES.set(spooled_bytes(spool))
        except (OSError, KeyFileError) as error:
            log.error("a file of the door cannot be used", error=str(error))
        await asyncio.sleep(_LOOK_S)


def _end_if_failed(work: "asyncio.Task[None]") -> None:
    """A door that delivers nothing any more must not stay open."""
    if not work.cancelled() and (error := work.exception()) is not None:
        log.error("the door has failed and ends", exc_info=error)
        os.kill(os.getpid(), signal.SIGTERM)


def load(settings: Settings, parent: int, json_logs: bool, rates: mmap.mmap) -> Application:
    """Return a worker's application, in the worker's process, which ends when its parent does."""
    # Not SIGTERM: in a worker that still starts the server would wait for ever. Nothing accepted is lost by it.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent has gone")
    configure_logging(json=json_logs)
    return Application(settings, memoryview(rates))


def run_door(settings: Settings, *, json_logs: bool) -> None:
    """Serve until SIGTERM or SIGINT; workers that die are started again.

    Raises OSError, KeyFileError or maxminddb.InvalidDatabaseError if a file that the settings name cannot be used.
    """
    KeyFile(settings.ingestion_folder / KEYS_FILE, required=False).look()
    Countries(settings.ingestion_country_database)
    INGESTION_SPOOL_LIMIT.set(settings.ingestion_spool_bytes)
    serve_metrics(INGESTION, settings.metrics_host, settings.metrics_port)
    server = Server(
        "ingestion.app",
        address=settings.ingestion_host,
        port=settings.ingestion_port,
        interface=Interfaces.ASGI,
        workers=settings.ingestion_workers,
        loop=Loops.uvloop,
        runtime_mode=RuntimeModes.st,
        http=HTTPModes.http1,
        websockets=False,
        http1_settings=HTTP1Settings(
            header_read_timeout=round(settings.ingestion_slow_client_seconds * 1_000), max_buffer_size=_HEAD_BYTES
        ),
        respawn_failed_workers=True,
        workers_kill_timeout=round(2 * _CLOSE_S),
        ssl_cert=settings.ingestion_tls_certificate,
        ssl_key=settings.ingestion_tls_key,
        ssl_protocol_min=SSLProtocols.tls12,
        log_dictconfig={"version": 1, "disable_existing_loggers": False, "loggers": {"_granian": {"propagate": True}}},
    )
    # A fork shares the rates' memory with its parent, and the seed of its hashes.
    multiprocessing.set_start_method("fork")
    rates = mmap.mmap(-1, 2 * TABLE_BYTES)
    server.serve(target_loader=partial(load, settings, os.getpid(), json_logs, rates), wrap_loader=False)

"""Wires the InfluxDB sink: settings → Kafka consumer, InfluxDB client, dead letters → the loop."""

import signal
import threading
from functools import partial
from types import FrameType

from confluent_kafka import Consumer, Producer
from influxdb_client.client.influxdb_client import InfluxDBClient

from monitoring.lag import tell_lag
from monitoring.metrics import SINK
from monitoring.serving import serve_metrics
from sinks.batch import Batch
from sinks.consumer import SinkConsumer
from sinks.dead_letters import DeadLetters
from sinks.decode import result_decoder, result_topics
from sinks.influxdb import TIMEOUT_MS, PointWriter
from tidemark.access import check_access, named_refusals
from tidemark.influxdb import influxdb_config
from tidemark.kafka import ClientConfig, client_config, producer_config
from tidemark.rights import SINK_GROUP
from tidemark.settings import Settings
from tidemark.topics import DEAD_LETTERS

GROUP = SINK_GROUP
STATISTICS_MS = 1_000


def consumer_config(settings: Settings, stage: str = SINK, group: str = GROUP) -> ClientConfig:
    """Return the settings of a sink's consumer: nothing is committed but by the sink itself."""
    return client_config(settings) | {
        "group.id": settings.topic(group),
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "session.timeout.ms": settings.session_timeout_ms,
        "heartbeat.interval.ms": settings.session_timeout_ms // 3,
        "statistics.interval.ms": STATISTICS_MS,
        "stats_cb": partial(_tell_lag, stage),
    }


def _tell_lag(stage: str, statistics: str) -> None:
    tell_lag(stage, statistics, "committed")


def build_sink(
    settings: Settings, consumer: Consumer, client: InfluxDBClient, batch: Batch, stop: threading.Event
) -> SinkConsumer:
    """Return the loop that gathers what ``consumer`` reads in ``batch`` and writes it, until ``stop`` is set."""
    writer = PointWriter(client, settings.influxdb_bucket)
    return SinkConsumer(consumer, result_decoder(settings), batch, writer.write, dead_letters(settings), stop, SINK)


def dead_letters(settings: Settings) -> DeadLetters:
    """Return where a sink's refused records go."""
    return DeadLetters(Producer(producer_config(settings, linger_ms=0)), settings.topic(DEAD_LETTERS.name))


def open_influxdb(settings: Settings) -> InfluxDBClient:
    """Return a client of InfluxDB; it connects with its first request.

    Without gzip: it made requests 11 times smaller and writing a third slower.
    """
    return InfluxDBClient(**influxdb_config(settings), timeout=TIMEOUT_MS)


def stop_event() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = threading.Event()

    def request_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, request_stop)
    signal.signal(signal.SIGINT, request_stop)
    return stop


def run_influxdb_sink(settings: Settings) -> None:
    """Write results to InfluxDB until SIGTERM or SIGINT; return within a few seconds after it.

    Raises AccessRefused.
    """
    stop = stop_event()
    serve_metrics(SINK, settings.metrics_host, settings.metrics_port)
    check_access(settings, "sink")
    with named_refusals(settings, "sink"), open_influxdb(settings) as client:
        sink = build_sink(settings, Consumer(consumer_config(settings)), client, Batch(), stop)
        sink.run(result_topics(settings))

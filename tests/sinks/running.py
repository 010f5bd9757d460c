"""The sink as a command, or as a thread whose batch a test can look into, and when it has written everything."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer

from sinks.app import GROUP, build_sink, consumer_config, open_influxdb
from sinks.batch import Batch
from sinks.decode import result_topics
from tests.support.kafka_log import wait_for_lag_zero
from tidemark.kafka import ClientConfig
from tidemark.settings import Settings
from tidemark.topics import ALERTS, METRICS, SESSIONS

#: The sink's command, for ``parts.running``.
SINK = ("sink", "influxdb")
RESULT_TOPICS = (METRICS, SESSIONS, ALERTS)


@contextmanager
def sink_thread(settings: Settings, batch: Batch, config: ClientConfig | None = None) -> Iterator[None]:
    """Run the sink with this batch, its consumer's settings changed by ``config``; stop it in order at the end."""
    stop = threading.Event()
    with open_influxdb(settings) as client:
        sink = build_sink(settings, Consumer(consumer_config(settings) | (config or {})), client, batch, stop)
        thread = threading.Thread(target=sink.run, args=[result_topics(settings)])
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(15)
            assert not thread.is_alive()


def wait_until_written(settings: Settings, deadline_s: float = 30.0) -> None:
    """Return when the sink has committed all results that are in their topics."""
    wait_for_lag_zero(settings, GROUP, RESULT_TOPICS, deadline_s)

"""The sink as its own process, started by its command, or as a thread whose batch a test can look into."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import Consumer

from sinks.app import GROUP, build_sink, consumer_config, open_influxdb
from sinks.batch import Batch
from sinks.decode import result_topics
from tests.support.kafka_log import wait_for_lag_zero
from tidemark.kafka import ClientConfig
from tidemark.settings import Settings
from tidemark.topics import ALERTS, METRICS, SESSIONS

RESULT_TOPICS = (METRICS, SESSIONS, ALERTS)


class SinkProcess:
    """A running ``tidemark sink influxdb``; ``log`` is its stderr, one JSON object a line."""

    def __init__(self, settings: Settings, log: Path, *command: str) -> None:
        self._log = log
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *(command or ("tidemark", "--json", "sink", "influxdb"))],
                env=settings.environment() | {"PYTHONPATH": ":".join(sys.path)},
                stderr=stderr,
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    def logged(self, text: str) -> bool:
        """Say whether the log has that text by now."""
        return text in self.log

    def terminate(self, within_s: float) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within_s)


@contextmanager
def running_sink(settings: Settings, log: Path, *command: str) -> Iterator[SinkProcess]:
    """Run the sink; kill it at the end if it still runs."""
    sink = SinkProcess(settings, log, *command)
    try:
        yield sink
    finally:
        sink.process.kill()
        sink.process.wait()


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


def wait_until(condition: Callable[[], object], deadline_s: float = 20.0) -> None:
    """Poll until the condition holds; raise AssertionError after the deadline."""
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {deadline_s} s"
        time.sleep(0.05)


def wait_until_written(settings: Settings, deadline_s: float = 30.0) -> None:
    """Return when the sink has committed all results that are in their topics."""
    wait_for_lag_zero(settings, GROUP, RESULT_TOPICS, deadline_s)

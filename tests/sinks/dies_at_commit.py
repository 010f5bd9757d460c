"""The sink, killed as if by the kernel at the moment it would commit: after its points are written."""

import os
import signal
import threading
from typing import Any, NoReturn

from confluent_kafka import Consumer

from sinks.app import build_sink, consumer_config, open_influxdb
from sinks.batch import Batch
from sinks.decode import result_topics
from tidemark.settings import load_settings


class DiesAtCommit(Consumer):
    def commit(self, *_: Any, **__: Any) -> NoReturn:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("still alive")


if __name__ == "__main__":
    settings = load_settings()
    consumer = DiesAtCommit(consumer_config(settings))
    sink = build_sink(settings, consumer, open_influxdb(settings), Batch(), threading.Event())
    sink.run(result_topics(settings))

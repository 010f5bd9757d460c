"""Kafka and InfluxDB of a benchmark's own, on free loopback ports; their data are thrown away with them."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local import kafka
from deploy.local.addresses import free_ports
from deploy.local.stack import LocalStack
from tidemark.settings import Settings

#: Shared with the demo and the tests: programs are fetched and built once.
CACHE = Path(".tidemark/cache")


@contextmanager
def java_as_in_production() -> Iterator[None]:
    """Have brokers that are started meanwhile use both of Java's compilers.

    The local stack does without the second one: its brokers start sooner, and are slower after a million events.
    """
    before = kafka.JVM_OPTIONS
    kafka.JVM_OPTIONS = tuple(option for option in before if not option.startswith("-XX:TieredStopAtLevel"))
    try:
        yield
    finally:
        kafka.JVM_OPTIONS = before


@contextmanager
def own_stack() -> Iterator[Settings]:
    """Start the servers; yield the settings that point there, with a data folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            data_dir=Path(folder),
            kafka_bootstrap_servers=f"127.0.0.1:{free_ports(2)}",
            influxdb_url=f"http://127.0.0.1:{free_ports()}",
        )
        stack = LocalStack(settings, cache=CACHE)
        stack.start()
        try:
            yield stack.settings
        finally:
            stack.stop()

"""Kafka and InfluxDB of a benchmark's own, on free loopback ports; their data are thrown away with them."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.addresses import free_ports
from deploy.local.stack import LocalStack
from tidemark.settings import Settings

#: Shared with the demo and the tests: programs are fetched and built once.
CACHE = Path(".tidemark/cache")


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

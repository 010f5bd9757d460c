"""An InfluxDB to stop and start, beside the Kafka that all tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.addresses import free_ports
from deploy.local.stack import LocalStack
from tests.conftest import CACHE, OwnStack
from tidemark.settings import Settings


@pytest.fixture
def own_influxdb(stack: Settings, tmp_path: Path) -> Iterator[OwnStack]:
    """A stack of this test's own that has started InfluxDB only, because Kafka runs already."""
    changes = {"data_dir": tmp_path, "influxdb_url": f"http://127.0.0.1:{free_ports()}"}
    running = LocalStack(stack.model_copy(update=changes), cache=CACHE)
    running.start()
    yield OwnStack(running)
    running.stop()

"""The real servers the tests run against: Kafka and InfluxDB of deploy.local, on free loopback ports."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import addresses
from deploy.local.addresses import free_ports
from deploy.local.provision import create_bucket, create_topics
from deploy.local.stack import LocalStack
from tidemark.settings import Settings

#: Shared with the demo, so that the servers' programs are fetched once.
CACHE = Path(__file__).parents[1] / ".tidemark" / "cache"


def pytest_configure() -> None:
    """Give each of several test processes its own range of ports: a port is free until its server listens."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first, last = addresses.PORTS
    size = (last - first) // workers
    addresses.PORTS = (first + number * size, first + (number + 1) * size - 10)


def local_settings(data_dir: Path) -> Settings:
    """Return settings with a data folder of their own and free ports, with room for three brokers."""
    return Settings(
        data_dir=data_dir,
        kafka_bootstrap_servers=f"127.0.0.1:{free_ports(6)}",
        influxdb_url=f"http://127.0.0.1:{free_ports()}",
        gateway_port=free_ports(),
    )


def provisioned(settings: Settings) -> Settings:
    """Return the settings with a topic prefix and a bucket of their own, all created."""
    unique = uuid.uuid4().hex[:8]
    settings = settings.model_copy(update={"topic_prefix": f"t{unique}.", "influxdb_bucket": f"t{unique}"})
    create_topics(settings)
    create_bucket(settings)
    return settings


class OwnStack:
    """A private stack whose servers a test may stop, kill and start; ``settings`` have their topics and bucket."""

    def __init__(self, stack: LocalStack) -> None:
        self.kafka = stack.kafka
        self.influxdb = stack.influxdb
        self.settings = provisioned(stack.settings)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Real Kafka and InfluxDB for the whole run."""
    running = LocalStack(local_settings(tmp_path_factory.mktemp("stack")), cache=CACHE)
    running.start()
    yield running.settings
    running.stop()


@pytest.fixture
def settings(stack: Settings) -> Settings:
    """The shared servers with topics and a bucket of this test's own."""
    return provisioned(stack).model_copy(update={"gateway_port": free_ports()})


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[OwnStack]:
    """Real Kafka and InfluxDB of this test's own, to stop, kill and start again."""
    running = LocalStack(local_settings(tmp_path), cache=CACHE)
    running.start()
    yield OwnStack(running)
    running.stop()

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

ROOT = Path(__file__).parents[1]
#: Shared with the demo, so that the servers' programs are fetched once.
CACHE = ROOT / ".tidemark" / "cache"


def pytest_configure() -> None:
    """Test no module that was changed after it was compiled, and give each test process its own range of ports.

    A port is free until its server listens.
    """
    changed = [str(source.relative_to(ROOT)) for source in compiled() if source.stat().st_mtime > compiled_at(source)]
    if changed:
        pytest.exit(f"changed since they were compiled, run `make setup`: {', '.join(changed)}", returncode=1)
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first, last = addresses.PORTS
    size = (last - first) // workers
    addresses.PORTS = (first + number * size, first + (number + 1) * size - 10)


def compiled() -> Iterator[Path]:
    """Yield the modules that are imported in their compiled form."""
    for folder in ("tidemark", "streams/windows"):
        for built in (ROOT / folder).glob("*.so"):
            yield built.with_name(built.name.partition(".")[0]).with_suffix(".py")


def compiled_at(source: Path) -> float:
    """Return when a module was last looked at by the compiler, which leaves what is right already."""
    stamp = ROOT / ".venv" / ".set-up"
    built = max(each.stat().st_mtime for each in source.parent.glob(f"{source.stem}.*.so"))
    return max(built, stamp.stat().st_mtime) if stamp.exists() else built


def local_settings(data_dir: Path) -> Settings:
    """Return settings with a data folder of their own and free ports, with room for three brokers."""
    return Settings(
        data_dir=data_dir,
        kafka_bootstrap_servers=f"127.0.0.1:{free_ports(6)}",
        influxdb_url=f"http://127.0.0.1:{free_ports()}",
        gateway_port=free_ports(),
        ingestion_port=free_ports(),
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

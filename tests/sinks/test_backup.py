"""A backup is restored beside a platform that went on: the sink writes again what it lacks, and nothing is doubled."""

import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from deploy.local.addresses import free_ports
from deploy.local.fetch import influxdb_path, kafka_path
from deploy.local.kafka import java_command
from deploy.local.provision import query_influxdb_1
from sinks.app import GROUP
from tests.conftest import CACHE, OwnStack
from tests.sinks.results import NOW, alert, final, ranking, send, visits
from tests.sinks.running import SINK, wait_until_written
from tests.sinks.store import Row, exact_rows
from tests.support import wait
from tests.support.parts import running
from tidemark.results import METRICS as METRIC_NAMES
from tidemark.results import POPULAR_CONTENT
from tidemark.settings import Settings
from tidemark.topics import ALERTS, METRICS, SESSIONS

_BACKUP_ADDRESS = "INFLUXDB_BIND_ADDRESS"


@pytest.fixture
def backup_address(monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the InfluxDB that is started next gives backups and takes them, as docs/operations.md has it."""
    address = f"127.0.0.1:{free_ports()}"
    monkeypatch.setenv(_BACKUP_ADDRESS, address)
    return address


def test_what_came_after_the_backup_is_written_again_from_kafka(
    backup_address: str, own_influxdb: OwnStack, tmp_path: Path
) -> None:
    settings = own_influxdb.settings
    influxd = partial(_influxd, settings, backup_address, tmp_path / "backup")
    with running(settings, tmp_path / "first.log", *SINK) as sink:
        _send_some(settings, 0)
        wait_until_written(settings)
        saved, backed_up = everything(settings), datetime.now(UTC)
        influxd("backup")
        _send_some(settings, 1)
        wait_until_written(settings)
        assert sink.stop() == 0
    newest = everything(settings)
    assert len(newest) == 2 * len(saved) > 100

    query_influxdb_1(settings, f'DROP DATABASE "{settings.influxdb_bucket}"')
    influxd("restore")
    wait.until(partial(holds, settings, saved), 20.0)

    _read_again_from(settings, backed_up)
    with running(settings, tmp_path / "second.log", *SINK):
        wait_until_written(settings)
    assert everything(settings) == newest


def everything(settings: Settings) -> list[Row]:
    """Return all points of all measurements, in order."""
    names = [row["name"] for row in exact_rows(settings, "SHOW MEASUREMENTS")]
    return [row for name in names for row in exact_rows(settings, f'SELECT * FROM "{name}"')]


def holds(settings: Settings, points: list[Row]) -> bool:
    """Say whether these are all points; a shard that is just restored is switched on a moment later."""
    try:
        return everything(settings) == points
    except AssertionError as error:
        if "shard is disabled" not in str(error):
            raise
        return False


def _send_some(settings: Settings, number: int) -> None:
    window = {"window_start": NOW - 5_000 * (number + 1), "window_end": NOW - 5_000 * number}
    top = ranking(POPULAR_CONTENT, ("/", 3), ("/cart", 1), **window)
    send(settings, METRICS, [top, *(final(metric, **window) for metric in METRIC_NAMES if metric != POPULAR_CONTENT)])
    send(settings, SESSIONS, visits(100))
    send(settings, ALERTS, [alert() for _ in range(10)])


def _influxd(settings: Settings, address: str, folder: Path, what: str) -> None:
    command = [influxdb_path(CACHE) / "influxd", what, "-portable", "-host", address, "-db", settings.influxdb_bucket]
    _run([*map(str, command), str(folder)])


def _read_again_from(settings: Settings, time: datetime) -> None:
    """Set the sink's group back, which needs that no sink runs."""
    tool = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
    group = ["--bootstrap-server", settings.kafka_bootstrap_servers, "--group", settings.topic(GROUP)]
    to = ["--reset-offsets", "--to-datetime", time.strftime("%Y-%m-%dT%H:%M:%S.000"), "--all-topics", "--execute"]
    _run([*java_command(kafka_path(CACHE)), tool, *group, *to])


def _run(command: Iterable[str]) -> None:
    done = subprocess.run(list(command), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

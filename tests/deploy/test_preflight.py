"""What is wrong is said before anything is started, with its remedy."""

import socket
from pathlib import Path

import pytest

from deploy.local.addresses import Address, free_ports
from deploy.local.errors import StackError
from deploy.local.preflight import influxdb_problems, java_problems, kafka_problems, missing_tools
from deploy.local.stack import LocalStack
from tests.conftest import CACHE, local_settings
from tidemark.settings import SettingsError


@pytest.fixture
def path_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH that holds only the programs a test puts into this folder."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def _program(folder: Path, name: str, script: str) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.mark.parametrize("taken", ["kafka", "controller", "exporter", "influxdb"])
def test_a_taken_port_is_named_with_the_setting_that_moves_it(taken: str, tmp_path: Path) -> None:
    exporter = free_ports()
    settings = local_settings(tmp_path).model_copy(update={"kafka_metrics_port": exporter})
    kafka = int(settings.kafka_bootstrap_servers.rpartition(":")[2])
    influxdb = int(settings.influxdb_url.rpartition(":")[2])
    port = {"kafka": kafka, "controller": kafka + 1, "exporter": exporter, "influxdb": influxdb}[taken]
    other = {"influxdb": "TIDEMARK_INFLUXDB_URL", "exporter": "TIDEMARK_KAFKA_METRICS_PORT"}
    setting = other.get(taken, "TIDEMARK_KAFKA_BOOTSTRAP_SERVERS")
    stack = LocalStack(settings, cache=CACHE)
    with socket.create_server(("127.0.0.1", port)), pytest.raises(StackError) as refused:
        stack.start()
    [line] = str(refused.value).splitlines()
    assert line.startswith(f"127.0.0.1:{port} is taken by another program")
    assert setting in line
    assert not (tmp_path / "data").exists(), "nothing was started"


def test_every_missing_tool_is_named_with_its_package(path_with: Path, tmp_path: Path) -> None:
    brokers, address = [Address("127.0.0.1", free_ports(2))], Address("127.0.0.1", free_ports())
    problems = kafka_problems(brokers, tmp_path / "empty") + influxdb_problems(address, tmp_path / "empty")
    assert [problem.split(" (")[0] for problem in problems] == [
        "java is missing: install it",
        "mvn is missing: install it",
        "go is missing: install it",
    ]
    assert all("apt install" in problem for problem in problems)


def test_tools_are_missed_only_where_servers_are_started_here(path_with: Path, tmp_path: Path) -> None:
    here = local_settings(tmp_path)
    missing = missing_tools(here)
    assert missing is not None
    assert [problem.split(" ")[0] for problem in missing] == ["java", "mvn", "go"]
    elsewhere = {"kafka_bootstrap_servers": "192.0.2.1:9092", "influxdb_url": "http://192.0.2.1:8086"}
    assert missing_tools(here.model_copy(update=elsewhere)) is None


def test_fetched_programs_need_neither_maven_nor_go(path_with: Path, stack: object) -> None:
    _program(path_with, "java", """echo 'openjdk version "17.0.1"' >&2""")
    brokers, address = [Address("127.0.0.1", free_ports(2))], Address("127.0.0.1", free_ports())
    assert kafka_problems(brokers, CACHE) + influxdb_problems(address, CACHE) == []


@pytest.mark.parametrize(
    ("shown", "version"), [('openjdk version "11.0.2" 2019', "11"), ('java version "1.8.0_292"', "8")]
)
def test_a_java_that_is_too_old_is_named(shown: str, version: str, path_with: Path) -> None:
    _program(path_with, "java", f"echo '{shown}' >&2")
    [problem] = java_problems()
    assert "Kafka needs version 17 or later" in problem
    assert f"says {version}:" in problem


def test_a_data_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = local_settings(tmp_path / "file" / "data")
    with pytest.raises(StackError, match=r"data folder .* cannot be written \(.*\): change TIDEMARK_DATA_DIR"):
        LocalStack(settings, cache=CACHE).start()


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # More than any disk has: a full one cannot be made here.
    monkeypatch.setattr("deploy.local.preflight.MIN_FREE_BYTES", 1024**6)
    with pytest.raises(StackError, match=r"data folder .* GiB left.*TIDEMARK_DATA_DIR"):
        LocalStack(local_settings(tmp_path), cache=CACHE).start()


def test_servers_elsewhere_must_answer_and_are_never_started(tmp_path: Path) -> None:
    # A documentation address (RFC 5737): nobody answers there.
    settings = local_settings(tmp_path).model_copy(update={"kafka_bootstrap_servers": "192.0.2.1:9092"})
    with pytest.raises(StackError, match=r"no Kafka answers at 192\.0\.2\.1:9092.*TIDEMARK_KAFKA_BOOTSTRAP_SERVERS"):
        LocalStack(settings, cache=CACHE).start()


@pytest.mark.parametrize("servers", ["", "here", "127.0.0.1:", ":9092", "127.0.0.1:99999", "127.0.0.1:9092,"])
def test_wrong_kafka_addresses_are_refused(servers: str, tmp_path: Path) -> None:
    settings = local_settings(tmp_path).model_copy(update={"kafka_bootstrap_servers": servers})
    with pytest.raises(SettingsError, match=r"TIDEMARK_KAFKA_BOOTSTRAP_SERVERS: expected host:port"):
        LocalStack(settings)


@pytest.mark.parametrize("url", ["", "127.0.0.1:8086", "ftp://127.0.0.1", "http://127.0.0.1:port"])
def test_wrong_influxdb_urls_are_refused(url: str, tmp_path: Path) -> None:
    settings = local_settings(tmp_path).model_copy(update={"influxdb_url": url})
    with pytest.raises(SettingsError, match=r"TIDEMARK_INFLUXDB_URL: expected http://host:port"):
        LocalStack(settings)


def test_a_broker_count_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="expected 1 or 3, got 2"):
        LocalStack(local_settings(tmp_path), 2)
    two = local_settings(tmp_path).model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:1,127.0.0.1:3"})
    with pytest.raises(SettingsError, match="expected 1 or 3 addresses for 3 brokers, got 2"):
        LocalStack(two, 3)

"""What ``tidemark doctor`` finds on the real servers: healthy, with each thing wrong, and with nobody who answers."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from pydantic import SecretStr

from deploy.local.addresses import free_ports
from operations.doctor.app import examine
from operations.doctor.findings import Finding
from operations.doctor.folders import folders
from operations.doctor.readers import readers
from operations.doctor.store import store
from tests.conftest import provisioned
from tests.deploy.test_provision import InfluxDB2, influxdb_2  # noqa: F401
from tests.support import wait
from tests.support.parts import running
from tidemark.kafka import client_config
from tidemark.rights import SINK_GROUP
from tidemark.settings import Settings
from tidemark.topics import ALERTS, EVENTS, METRICS

PARTS = (("streams", "run"), ("sink", "influxdb"), ("gateway",), ("ingest",))
SECRET = "hush-hush"


def of_its_own(settings: Settings, folder: Path) -> Settings:
    changes = {
        "data_dir": folder,
        "gateway_port": free_ports(),
        "ingestion_port": free_ports(),
        "checkpoint_interval_ms": 500,
        "influxdb_token": SecretStr(f"admin:{SECRET}"),
    }
    return settings.model_copy(update=changes)


@pytest.fixture(scope="module")
def healthy(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Every part of a platform, running."""
    folder = tmp_path_factory.mktemp("doctor")
    settings = of_its_own(provisioned(stack), folder)
    with ExitStack() as parts:
        for command in PARTS:
            parts.enter_context(running(settings, folder / f"{command[0]}.log", *command))
        yield settings


@pytest.fixture(scope="module")
def ill(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Finding]:
    """What is found where topics are missing or wrong, and there is no bucket and no part."""
    settings = of_its_own(stack, tmp_path_factory.mktemp("ill")).model_copy(
        update={"topic_prefix": "ill.", "influxdb_bucket": "ill", "kafka_replication_factor": 2}
    )
    made = (
        NewTopic("ill." + EVENTS.name, 5, 1),
        NewTopic("ill." + ALERTS.name, ALERTS.partitions, 1, config={"cleanup.policy": "compact"}),
    )
    admin = AdminClient(client_config(settings))
    for done in admin.create_topics([*made]).values():
        done.result()
    return by_check(settings)


def by_check(settings: Settings) -> dict[str, Finding]:
    return {finding.check: finding for finding in examine(settings).findings}


def command(settings: Settings, *options: str) -> "subprocess.CompletedProcess[str]":
    environment = settings.environment() | {"PYTHONPATH": ":".join(sys.path)}
    whole = [sys.executable, "-m", "tidemark", "doctor", *options]
    return subprocess.run(whole, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_running_platform_is_healthy(healthy: Settings) -> None:
    told: list[dict[str, Any]] = []

    def well() -> bool:
        done = command(healthy, "--json")
        assert SECRET not in done.stdout + done.stderr
        answer = json.loads(done.stdout)
        told[:] = answer["findings"]
        return (done.returncode, answer["state"]) == (0, "ok")

    wait.until(well, 90.0, lambda: str([each for each in told if each["state"] != "ok"]))
    assert all(each.keys() == {"check", "state", "found", "todo"} and not each["todo"] for each in told)
    topics = {each["check"] for each in told if each["check"].startswith("topic ")}
    assert f"topic {healthy.topic(EVENTS.name)}" in topics
    assert len(topics) == 9
    found = {each["check"]: each["found"] for each in told}
    assert found["kafka version, broker 1"] == "4.1 or newer"
    assert found["influxdb"].startswith("version 1.8.10 at ")
    assert found[f"bucket {healthy.influxdb_bucket}"] == "keeps 30 d"
    assert found["checkpoints"].startswith("18 of 18 states have one")
    assert found[f"topic {healthy.topic(EVENTS.name)}"] == "12 partitions, 1 copy, delete, 7 d"


def test_looking_writes_nothing(healthy: Settings) -> None:
    before = {path for path in healthy.data_dir.rglob("*") if path.suffix not in (".log", ".out")}
    admin = AdminClient(client_config(healthy))
    groups = admin.list_consumer_groups().result().valid
    examine(healthy)
    assert {path for path in healthy.data_dir.rglob("*") if path.suffix not in (".log", ".out")} == before
    after = admin.list_consumer_groups().result().valid
    assert {each.group_id for each in after} == {each.group_id for each in groups}


def test_a_topic_that_is_missing_or_otherwise_has_failed_with_what_to_do(ill: dict[str, Finding]) -> None:
    missing, few, compacted = (ill[f"topic ill.{topic.name}"] for topic in (METRICS, EVENTS, ALERTS))
    assert (missing.state, missing.found) == ("failed", "is not there")
    assert "tidemark stack up --detach" in missing.todo
    assert (few.state, few.found) == ("failed", "5 partitions instead of 12: results depend on them")
    assert compacted.state == "failed"
    assert compacted.found.startswith("cleanup.policy compact instead of delete")
    assert "--entity-name ill.cep-alerts --add-config cleanup.policy=delete" in compacted.todo
    assert (ill["kafka"].state, ill["checkpoints"].state) == ("failed", "warning")
    assert ill["checkpoints"].found.startswith("not looked at: ill.")


def test_a_bucket_that_is_missing_has_failed_and_parts_that_do_not_run_here_are_a_warning(
    ill: dict[str, Finding],
) -> None:
    assert ill["bucket ill"].state == "failed"
    assert "is not there" in ill["bucket ill"].found
    assert (ill["gateway"].state, ill["ingestion"].state) == ("warning", "warning")
    assert ill["ingestion"].todo == "tidemark ingest, unless it runs elsewhere"


def group_of_the_sink(settings: Settings) -> Finding:
    admin = AdminClient(client_config(settings))
    found = list(readers(admin, settings, admin.list_topics(timeout=10), time.time_ns() // 1_000_000))
    return next(each for each in found if each.check == f"group {settings.topic(SINK_GROUP)}")


def test_a_group_that_has_left_old_records_unread_is_behind(stack: Settings) -> None:
    settings = provisioned(stack)
    topic, group = settings.topic(METRICS.name), settings.topic(SINK_GROUP)
    producer = Producer(client_config(settings))
    for _ in range(500):
        producer.produce(topic, b"{}", b"key", 3, timestamp=(time.time_ns() // 1_000_000) - 600_000)
    assert producer.flush(30) == 0
    nobody = group_of_the_sink(settings)
    assert (nobody.state, nobody.found) == ("failed", "nobody reads; 500 records to go")
    assert nobody.todo == "tidemark sink influxdb"
    consumer = Consumer(client_config(settings) | {"group.id": group, "enable.auto.commit": False})
    consumer.subscribe([topic])
    wait.until(lambda: consumer.poll(0.1) is None and consumer.assignment(), 30.0)
    behind = group_of_the_sink(settings)
    consumer.close()
    assert behind.state == "failed"
    assert behind.found.endswith(f"500 records to go, partitions over 60 s behind: 1, most {topic}-3")


def test_servers_that_are_away_have_failed(stack: Settings, tmp_path: Path) -> None:
    kafka, influxdb = f"127.0.0.1:{free_ports()}", f"http://127.0.0.1:{free_ports()}"
    away = of_its_own(stack, tmp_path).model_copy(
        update={"kafka_bootstrap_servers": kafka, "influxdb_url": influxdb.replace("//", f"//me:{SECRET}@")}
    )
    done = command(away)
    assert done.returncode == 1
    assert f"no answer from {kafka} within 3 s" in done.stdout
    assert done.stdout.rstrip().endswith("2 ok, 2 warning, 2 failed")
    assert "→ start it (here: tidemark stack up --detach) or set TIDEMARK_INFLUXDB_URL" in done.stdout
    assert SECRET not in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_servers_and_parts_that_accept_and_say_nothing_are_not_waited_for(stack: Settings, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        port = silent.getsockname()[1]
        hanging = of_its_own(stack, tmp_path).model_copy(
            update={
                "kafka_bootstrap_servers": f"127.0.0.1:{port}",
                "influxdb_url": f"http://127.0.0.1:{port}",
                "gateway_port": port,
                "ingestion_port": port,
            }
        )
        started = time.monotonic()
        found = by_check(hanging)
        assert time.monotonic() - started < 12
    assert {found[check].state for check in ("kafka", "influxdb", "gateway", "ingestion")} == {"failed"}


def test_a_token_that_is_refused_and_a_bucket_that_is_missing_on_influxdb_2(influxdb_2: Settings) -> None:  # noqa: F811
    [server, clock, token, bucket] = store(influxdb_2)
    assert (server.found.split(" at ")[0], clock.state, token.state) == ("version 2.7.12", "ok", "ok")
    assert (bucket.check, bucket.state) == ("bucket metrics", "failed")
    InfluxDB2.buckets.append(
        {"id": "1", "name": "metrics", "retentionRules": [{"type": "expire", "everySeconds": 30 * 86_400}]}
    )
    assert list(store(influxdb_2))[3].found == "keeps 30 d"
    refused = list(store(influxdb_2.model_copy(update={"influxdb_token": SecretStr("wrong")})))[2]
    assert (refused.check, refused.state) == ("influxdb token", "failed")
    assert "TIDEMARK_INFLUXDB_TOKEN" in refused.todo


def test_a_folder_that_is_none_has_failed_and_one_that_everybody_may_write_is_a_warning(tmp_path: Path) -> None:
    file, public = tmp_path / "file", tmp_path / "public"
    file.touch()
    public.mkdir()
    public.chmod(0o777)
    data, door = folders(Settings(data_dir=file, ingestion_dir=public))
    assert (data.state, data.found) == ("failed", f"{file} is no folder")
    assert (door.state, door.todo) == ("warning", f"chmod o-w {public}")

"""What ``tidemark doctor`` finds on the real servers: a healthy platform, and each thing wrong."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from deploy.local.provision import create_bucket, query_influxdb_1
from operations.doctor.findings import Finding
from operations.doctor.readers import clock, readers
from operations.doctor.store import store
from operations.doctor.workers import alerts
from tests.conftest import provisioned
from tests.ingestion.made import page_view
from tests.ingestion.sending import url
from tests.ingestion.test_ingest import ask
from tests.operations.asked import SECRET, as_documented, by_check, command, documented, of_its_own
from tests.support import wait
from tests.support.parts import running
from tidemark.kafka import client_config
from tidemark.rights import SINK_GROUP, STREAMS_GROUP, webhook_group
from tidemark.settings import Settings
from tidemark.topics import ALERT_CHECKPOINTS, ALERTS, EVENTS, METRICS

#: Those that answer requests tell their metrics at the same port too.
PARTS = (("streams", "run"), ("sink", "influxdb"), ("alerts", "run"), ("gateway",), ("ingest",))


@pytest.fixture(scope="module")
def healthy(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Every part of a platform, running, and an event that has come as far as the alerts."""
    folder = tmp_path_factory.mktemp("doctor")
    settings = of_its_own(provisioned(stack), folder)
    assert settings.metrics_port is not None
    with ExitStack() as started:
        for number, command in enumerate(PARTS):
            own = settings.model_copy(update={"metrics_port": settings.metrics_port + number})
            started.enter_context(running(own, folder / f"{command[0]}.log", *command))
        event = page_view(timestamp=now_ms())
        wait.until(lambda: reached(settings) and ask(url(settings), event)[0] < 300, 90.0)
        wait.until(lambda: all(found_of(settings, group).level == "ok" for group in (STREAMS_GROUP, SINK_GROUP)), 90.0)
        wait.until(lambda: alerts_of(settings).level == "ok", 90.0)
        yield settings


def reached(settings: Settings) -> bool:
    """Say whether the door is open."""
    with socket.socket() as door:
        return door.connect_ex((settings.ingestion_host, settings.ingestion_port)) == 0


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


def left_behind(settings: Settings) -> tuple[set[Path], set[str]]:
    """Return what looking must not add to: files, consumer groups."""
    groups = AdminClient(client_config(settings)).list_consumer_groups().result().valid
    files = {path for path in settings.data_dir.rglob("*") if path.suffix not in (".log", ".out")}
    return files, {each.group_id for each in groups if each.group_id.startswith(settings.topic_prefix)}


def test_a_running_platform_is_healthy_and_looking_writes_nothing(healthy: Settings) -> None:
    before = left_behind(healthy)
    done: list[subprocess.CompletedProcess[str]] = []

    def well() -> bool:
        done.append(command(healthy, "--json"))
        return done[-1].returncode == 0 and json.loads(done[-1].stdout)["level"] == "ok"

    wait.until(well, 150.0, lambda: done[-1].stdout)
    assert left_behind(healthy) == before
    assert SECRET not in done[-1].stdout + done[-1].stderr
    answer: dict[str, Any] = json.loads(done[-1].stdout)
    assert all(each.keys() == {"check", "level", "found", "todo"} for each in answer["findings"])
    found = {each["check"]: each["found"] for each in answer["findings"]}
    # The brokers of the tests serve no metrics.
    assert documented() - {"kafka metrics"} == {as_documented(check) for check in found}
    assert len([check for check in found if check.startswith("topic ")]) == 10
    assert found[f"topic {healthy.topic(EVENTS.name)}"] == "12 partitions, 1 copy, delete, 7 d"
    assert found["kafka version, broker 1"] == "4.1 or newer"
    assert found["influxdb"].startswith("version 1.8.10 at ")
    assert found[f"bucket {healthy.influxdb_bucket}"] == "keeps 30 d"
    assert found["checkpoints"].startswith("18 of 18 states have one")
    assert found["checkpoints, alerts"].startswith("the last is of ")
    assert found["versions"] == f"alerts, gateway, ingestion, sink, streams: all {version('tidemark')}"
    assert found["packages"].startswith(f"Tidemark {version('tidemark')}, ")


def test_a_brokers_clock_that_is_ahead_and_one_that_nothing_tells_of_are_warnings(healthy: Settings) -> None:
    admin, now = AdminClient(client_config(healthy)), time.time_ns() // 1_000_000
    cluster = admin.list_topics(timeout=10)
    [ahead], [silent] = (list(clock(admin, healthy, cluster, now + shift)) for shift in (-60_000, 120_000))
    assert (ahead.level, silent.level) == ("warning", "warning")
    assert "ahead of ours" in ahead.found
    assert "nothing was appended" in silent.found


def test_a_topic_that_is_missing_or_otherwise_is_a_problem_with_what_to_do(ill: dict[str, Finding]) -> None:
    missing, few, compacted = (ill[f"topic ill.{topic.name}"] for topic in (METRICS, EVENTS, ALERTS))
    assert (missing.level, missing.found) == ("problem", "is not there")
    assert "tidemark init" in missing.todo
    assert (few.level, few.found) == ("problem", "5 partitions instead of 12: results depend on them")
    assert compacted.level == "problem"
    assert compacted.found.startswith("cleanup.policy compact instead of delete")
    assert "--entity-name ill.cep-alerts --add-config cleanup.policy=delete" in compacted.todo
    assert (ill["kafka"].level, ill["checkpoints"].level) == ("problem", "warning")
    assert ill["checkpoints"].found.startswith("not looked at: ill.")


def test_a_bucket_that_is_missing_is_a_problem_and_parts_that_do_not_run_here_are_a_warning(
    ill: dict[str, Finding],
) -> None:
    assert ill["bucket ill"].level == "problem"
    assert "is not there" in ill["bucket ill"].found
    assert (ill["gateway"].level, ill["ingestion"].level) == ("warning", "warning")
    assert ill["ingestion"].todo == "tidemark ingest, unless it runs elsewhere"


def found_of(settings: Settings, group: str, in_seconds: int = 0) -> Finding:
    admin = AdminClient(client_config(settings))
    found = list(readers(admin, settings, admin.list_topics(timeout=10), now_ms() + in_seconds * 1_000))
    return next(each for each in found if each.check == f"group {settings.topic(group)}")


def alerts_of(settings: Settings) -> Finding:
    admin = AdminClient(client_config(settings))
    [found] = alerts(admin, settings, admin.list_topics(timeout=10), now_ms())
    return found


def put(settings: Settings, topic: str, seconds_ago: int, count: int = 1) -> None:
    producer = Producer(client_config(settings))
    for _ in range(count):
        producer.produce(settings.topic(topic), b"{}", b"key", 2, timestamp=now_ms() - seconds_ago * 1_000)
    assert producer.flush(30) == 0


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def test_a_group_that_has_left_old_records_unread_is_behind(stack: Settings) -> None:
    settings = provisioned(stack)
    topic, group = settings.topic(METRICS.name), settings.topic(SINK_GROUP)
    put(settings, METRICS.name, 600, 500)
    nobody = found_of(settings, SINK_GROUP)
    assert (nobody.level, nobody.found) == ("problem", "nobody reads; 500 records to go")
    assert nobody.todo == "tidemark sink influxdb"
    consumer = Consumer(client_config(settings) | {"group.id": group, "enable.auto.commit": False})
    consumer.subscribe([topic])
    wait.until(lambda: consumer.poll(0.1) is None and consumer.assignment(), 30.0)
    behind = found_of(settings, SINK_GROUP)
    consumer.close()
    assert behind.level == "problem"
    assert behind.found.endswith(f"500 records to go, partitions over 60 s behind: 1, most {topic}-2")
    posted_to = settings.model_copy(update={"webhook_url": "http://127.0.0.1:1/"})
    assert found_of(posted_to, webhook_group(posted_to.webhook_url)).todo == "tidemark sink webhook"


def test_a_transactions_marker_is_nothing_that_a_group_has_left_unread(stack: Settings) -> None:
    settings = provisioned(stack)
    topic, group = settings.topic(ALERTS.name), settings.topic(SINK_GROUP)
    producer = Producer(client_config(settings) | {"transactional.id": group})
    producer.init_transactions()
    producer.begin_transaction()
    producer.produce(topic, b"{}", partition=2)
    producer.commit_transaction()
    consumer = Consumer(client_config(settings) | {"group.id": group, "auto.offset.reset": "earliest"})
    with closing(consumer):
        consumer.subscribe([topic])
        wait.until(lambda: consumer.poll(0.1) is not None, 30.0)
        consumer.commit(asynchronous=False)
        read = found_of(settings, SINK_GROUP, 120)
        assert (read.level, read.found) == ("ok", "read by 1, 1 records to go, none older than 60 s")
        put(settings, ALERTS.name, 0)
        left = found_of(settings, SINK_GROUP, 120)
    assert (left.level, left.found.endswith(f"over 60 s behind: 1, most {topic}-2")) == ("problem", True)


def test_alerts_whose_checkpoint_is_much_older_than_the_newest_result_are_a_warning(stack: Settings) -> None:
    settings = provisioned(stack)
    none = alerts_of(settings)
    assert (none.level, none.todo) == ("warning", "tidemark alerts run")
    put(settings, ALERT_CHECKPOINTS.name, 600)
    assert alerts_of(settings).level == "ok"
    put(settings, METRICS.name, 0)
    behind = alerts_of(settings)
    assert (behind.level, behind.found[:16]) == ("warning", "the last is 600 ")


def test_on_influxdb_1_a_shorter_retention_is_a_warning(stack: Settings) -> None:
    settings = stack.model_copy(update={"influxdb_bucket": "short"})
    create_bucket(settings)
    query_influxdb_1(settings, "ALTER RETENTION POLICY autogen ON short DURATION 7d SHARD DURATION 1d")
    short = {each.check: each for each in store(settings)}["bucket short"]
    assert (short.level, short.found) == ("warning", "keeps 7 d, not 30: history ends sooner")

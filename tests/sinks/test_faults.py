"""InfluxDB goes away, the bucket is missing, the sink is killed, a second one joins: nothing is lost or doubled."""

import signal
import socket
import time
from functools import partial
from pathlib import Path

from confluent_kafka.admin import AdminClient
from prometheus_client import REGISTRY

from deploy.local.provision import create_bucket
from sinks.app import GROUP
from sinks.batch import Batch
from tests.conftest import OwnStack
from tests.sinks.results import send, visits
from tests.sinks.running import SINK, sink_thread, wait_until_written
from tests.sinks.store import points
from tests.support import wait
from tests.support.kafka_log import lag
from tests.support.parts import running
from tidemark.kafka import client_config
from tidemark.settings import Settings
from tidemark.topics import SESSIONS

LAG = "analytics_pipeline_lag_records"


def stored_visits(settings: Settings) -> int:
    return points(settings, "sessions", "visit_id")


def members(settings: Settings) -> set[str]:
    admin = AdminClient({str(name): value for name, value in client_config(settings).items() if "topics" not in name})
    group = settings.topic(GROUP)
    return {member.member_id for member in admin.describe_consumer_groups([group])[group].result(10).members}


def told_lag(settings: Settings) -> float:
    labels = {"stage": "sink", "topic": settings.topic(SESSIONS.name)}
    told = [REGISTRY.get_sample_value(LAG, labels | {"partition": str(n)}) for n in range(SESSIONS.partitions)]
    return sum(lag or 0 for lag in told)


def test_influxdb_away_for_a_while_loses_nothing_and_the_place_is_held(own_influxdb: OwnStack, tmp_path: Path) -> None:
    settings = own_influxdb.settings
    with running(settings, tmp_path / "sink.log", *SINK) as sink:
        send(settings, SESSIONS, visits(100))
        wait_until_written(settings)
        own_influxdb.influxdb.stop()
        send(settings, SESSIONS, visits(5_000))
        wait.until(lambda: sink.log.count("retry_scheduled") >= 3, 20.0)
        assert sum(lag(settings, GROUP, [SESSIONS]).values()) == 5_000
        own_influxdb.influxdb.start()
        wait_until_written(settings)
        assert stored_visits(settings) == 5_100


def test_while_influxdb_is_away_the_sink_stays_in_its_group_and_its_lag_is_told(own_influxdb: OwnStack) -> None:
    settings = own_influxdb.settings
    with sink_thread(settings, Batch(), {"max.poll.interval.ms": 6_000}):
        send(settings, SESSIONS, visits(200))  # some to each partition
        wait_until_written(settings)
        before = members(settings)
        own_influxdb.influxdb.stop()
        send(settings, SESSIONS, visits(1))
        away_since = time.monotonic()
        wait.until(lambda: time.monotonic() - away_since > 8, 20.0)
        assert members(settings) == before
        send(settings, SESSIONS, visits(100))  # while it reads nothing
        wait.until(lambda: told_lag(settings) == 101, 20.0, lambda: str(told_lag(settings)))
        assert len(before) == 1
        own_influxdb.influxdb.start()
        wait_until_written(settings)
        assert stored_visits(settings) == 301


def test_sigterm_ends_the_sink_soon_while_influxdb_is_away_and_commits_nothing(
    own_influxdb: OwnStack, tmp_path: Path
) -> None:
    settings = own_influxdb.settings
    with running(settings, tmp_path / "sink.log", *SINK) as sink:
        send(settings, SESSIONS, visits(1))
        wait_until_written(settings)
        own_influxdb.influxdb.stop()
        send(settings, SESSIONS, visits(10))
        wait.until(lambda: "retry_scheduled" in sink.log, 20.0)
        assert sink.stop(within_s=5) == 0
        assert "they will be read again" in sink.log
    assert sum(lag(settings, GROUP, [SESSIONS]).values()) == 10
    own_influxdb.influxdb.start()
    with running(settings, tmp_path / "second.log", *SINK):
        wait_until_written(settings)
    assert stored_visits(settings) == 11


def test_a_second_sink_joins_while_influxdb_is_away(own_influxdb: OwnStack, tmp_path: Path) -> None:
    settings = own_influxdb.settings
    with running(settings, tmp_path / "first.log", *SINK) as first:
        wait.until(lambda: "partitions assigned" in first.log, 20.0)
        own_influxdb.influxdb.stop()
        send(settings, SESSIONS, visits(3_000))
        wait.until(lambda: "retry_scheduled" in first.log, 20.0)
        with running(settings, tmp_path / "second.log", *SINK) as second:
            wait.until(lambda: "retry_scheduled" in second.log, 20.0)
            assert len(members(settings)) == 2
            own_influxdb.influxdb.start()
            wait_until_written(settings)
    assert stored_visits(settings) == 3_000


def test_sigterm_ends_the_sink_soon_while_influxdb_does_not_answer(settings: Settings, tmp_path: Path) -> None:
    send(settings, SESSIONS, visits(1))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = settings.model_copy(update={"influxdb_url": f"http://127.0.0.1:{silent.getsockname()[1]}"})
        with running(settings, tmp_path / "sink.log", *SINK) as sink:
            connection, _ = silent.accept()
            with connection:
                assert sink.stop(within_s=8) == 0
    assert sum(lag(settings, GROUP, [SESSIONS]).values()) == 1


def test_a_rebalance_writes_and_commits_what_is_held(settings: Settings, tmp_path: Path) -> None:
    batch = Batch(max_seconds=3_600)
    with sink_thread(settings, batch):
        send(settings, SESSIONS, visits(10))
        wait.until(lambda: len(batch.points) == 10, 20.0)
        assert stored_visits(settings) == 0
        with running(settings, tmp_path / "second.log", *SINK) as second:
            wait.until(partial(second.logged, "partitions assigned"), 20.0)
            assert stored_visits(settings) == 10
            assert lag(settings, GROUP, [SESSIONS]) == {}


def test_killed_between_write_and_commit_nothing_is_doubled(settings: Settings, tmp_path: Path) -> None:
    send(settings, SESSIONS, visits(700))
    with running(settings, tmp_path / "killed.log", module="tests.sinks.dies_at_commit") as killed:
        assert killed.process.wait(30) == -signal.SIGKILL
    assert stored_visits(settings) > 0
    assert sum(lag(settings, GROUP, [SESSIONS]).values()) == 700
    with running(settings, tmp_path / "sink.log", *SINK):
        wait_until_written(settings)
    assert stored_visits(settings) == 700


def test_kafka_away_between_write_and_commit_loses_and_doubles_nothing(own_stack: OwnStack) -> None:
    settings = own_stack.settings
    batch = Batch(max_seconds=3_600)
    with sink_thread(settings, batch):
        send(settings, SESSIONS, visits(10))
        wait.until(lambda: len(batch.points) == 10, 20.0)
        for broker in own_stack.kafka:
            broker.kill()
        batch.max_seconds = 1.0
        wait.until(lambda: stored_visits(settings) == 10, 20.0)
        for broker in own_stack.kafka:
            broker.start()
        send(settings, SESSIONS, visits(10))
        wait_until_written(settings, deadline_s=60)
    assert stored_visits(settings) == 20


def test_a_missing_bucket_is_waited_for_and_said_so(settings: Settings, tmp_path: Path) -> None:
    settings = settings.model_copy(update={"influxdb_bucket": f"{settings.influxdb_bucket}-later"})
    send(settings, SESSIONS, visits(10))
    with running(settings, tmp_path / "sink.log", *SINK) as sink:
        wait.until(lambda: "check TIDEMARK_INFLUXDB_BUCKET" in sink.log, 20.0)
        assert sum(lag(settings, GROUP, [SESSIONS]).values()) == 10
        create_bucket(settings)
        wait_until_written(settings)
    assert stored_visits(settings) == 10


def test_sinks_that_come_and_go_hand_over_without_a_gap(settings: Settings, tmp_path: Path) -> None:
    with running(settings, tmp_path / "first.log", *SINK) as first:
        for number in range(3):
            send(settings, SESSIONS, visits(2_000))
            with running(settings, tmp_path / f"{number}.log", *SINK) as second:
                wait.until(partial(second.logged, "partitions assigned"), 20.0)
                send(settings, SESSIONS, visits(2_000))
                assert second.stop(within_s=10) == 0
        wait_until_written(settings)
        assert "partitions revoked" in first.log
    assert stored_visits(settings) == 12_000

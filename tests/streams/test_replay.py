"""A replay on the real broker gives what was live, and says what is not the same."""

import json
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from deploy.local.addresses import free_ports
from streams.app import GROUP
from streams.replay import log as log_module
from streams.replay.asked import Asked, Replayed, read_line, time_of
from streams.replay.live import LiveTopics
from streams.replay.log import EventsLog
from streams.replay.run import Replay
from tests.conftest import provisioned
from tests.streams.test_workers import RUN, fill, ticked_partitions
from tests.support import wait
from tests.support.exactness import Observed, observe, wait_until_exact
from tests.support.kafka_log import read_log, wait_for_lag_zero
from tests.support.parts import running
from tidemark.kafka import client_config, producer_config
from tidemark.results import encode
from tidemark.settings import Settings
from tidemark.topics import ALERTS, ALL, EVENTS, METRICS, PARTIALS, SESSIONS, Topic

#: 2026-01-01. 8,000 events at 3/s are 44 minutes, so that visits end by their gap too.
START = 1_767_225_600_000
LOAD = ("--max-speed", "--rate", "3", "--count", "8000", "--start-time", "2026-01-01T00:00:00Z")
#: What one test tampers with, and the rest.
HEAD = ("--from", str(START), "--to", "2026-01-01T00:10:00Z")
REST = ("--from", "2026-01-01T01:10:00+01:00", "--to", "2026-01-02")
REST_START, REST_END = START + 10 * 60_000, START + 24 * 3_600_000


@pytest.fixture(scope="module")
def live(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Topics with a log, and with what a worker made of it."""
    settings = provisioned(stack).model_copy(update={"checkpoint_interval_ms": 500})
    fill(settings, *LOAD)
    with running(settings, tmp_path_factory.mktemp("live") / "streams.log", *RUN) as worker:
        wait.until(lambda: ticked_partitions(settings) == EVENTS.partitions, 30.0, lambda: worker.log)
        wait_until_exact(settings)
        wait_for_lag_zero(settings, GROUP, [EVENTS, PARTIALS])
        assert worker.stop() == 0, worker.log
    return settings


@pytest.fixture(scope="module")
def seen(live: Settings) -> Observed:
    return observe(live)


def replay(settings: Settings, *options: str) -> "subprocess.CompletedProcess[str]":
    environment = settings.environment() | {"PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-m", "tidemark", "replay", *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def in_range(seen: Observed, start: int, end: int, site: str | None = None) -> set[bytes]:
    """Return what was live as the lines that a replay is to give."""
    found: list[Replayed] = [*seen.finals.values(), *seen.sessions.values(), *seen.alerts.values()]
    asked = Asked(start, end, site)
    return {encoded(result) for result in found if asked.takes(result)}


def encoded(result: Replayed) -> bytes:
    """Return a result without an alert's text, which ``observe`` does not keep."""
    if hasattr(result, "description"):
        result = msgspec.structs.replace(result, description="")
    return encode(result)


def lines_of(text: Iterable[str]) -> list[bytes]:
    return [encoded(read_line(line.encode())) for line in text]


def counts(done: "subprocess.CompletedProcess[str]") -> dict[str, list[int]]:
    """Return the table of a comparison: equal, different, only live, only replayed, deleted live."""
    rows = [line.split() for line in done.stdout.splitlines()[-len("123") :]]
    return {row[0]: [int(cell.replace(",", "")) for cell in row[1:]] for row in rows}


def ends(settings: Settings, topics: Iterable[Topic]) -> dict[tuple[str, int], int]:
    config = client_config(settings) | {"group.id": "ends"}
    places = [(settings.topic(topic.name), partition) for topic in topics for partition in range(topic.partitions)]
    with closing(Consumer(config)) as consumer:
        return {place: consumer.get_watermark_offsets(TopicPartition(*place), 10.0)[1] for place in places}


def groups(settings: Settings) -> set[str]:
    found = AdminClient(client_config(settings)).list_consumer_groups().result().valid
    return {group.group_id for group in found}


def send(settings: Settings, topic: str, *results: Replayed) -> None:
    producer = Producer(producer_config(settings, linger_ms=0))
    for result in results:
        producer.produce(topic, key=result.key(), value=encode(result))
    assert producer.flush(10.0) == 0


def test_what_is_replayed_equals_what_was_live(live: Settings, seen: Observed) -> None:
    done = replay(live, *REST, "--compare")
    assert done.returncode == 0, done.stdout + done.stderr
    expected = in_range(seen, REST_START, REST_END)
    equal = {topic: row[0] for topic, row in counts(done).items()}
    assert sum(equal.values()) == len(expected)
    assert equal[METRICS.name] > 5_000
    assert equal[SESSIONS.name] > 500
    assert equal[ALERTS.name] > 100
    assert all(row[1:] == [0, 0, 0, 0] for row in counts(done).values())


def test_what_is_not_the_same_is_named(live: Settings, seen: Observed) -> None:
    before = replay(live, *HEAD, "--compare")
    assert before.returncode == 0, before.stdout + before.stderr
    final = min(seen.finals.values(), key=lambda final: (final.window_start, final.metric, final.site_id))
    tampered = msgspec.structs.replace(final, value=final.value + 1, emitted_at=7)
    visit = min(seen.sessions.values(), key=lambda visit: visit.end_time)
    unknown = msgspec.structs.replace(visit, visit_id="unknown")
    send(live, live.topic(METRICS.name), tampered)
    send(live, live.topic(SESSIONS.name), unknown)
    done = replay(live, *HEAD, "--compare")
    assert done.returncode == 1
    assert f"different: processed-metrics {final.key().decode()}" in done.stdout
    assert encode(final).decode() in done.stdout
    assert encode(msgspec.structs.replace(tampered, emitted_at=0)).decode() in done.stdout
    assert "only live: session-summaries unknown" in done.stdout
    equal = {topic: row[0] for topic, row in counts(before).items()}
    assert counts(done) == {
        METRICS.name: [equal[METRICS.name] - 1, 1, 0, 0, 0],
        SESSIONS.name: [equal[SESSIONS.name], 0, 1, 0, 0],
        ALERTS.name: [equal[ALERTS.name], 0, 0, 0, 0],
    }


def test_a_range_and_a_site_are_picked_and_nothing_else_is_touched(
    live: Settings, seen: Observed, tmp_path: Path
) -> None:
    before = ends(live, ALL), groups(live)
    start, end = START + 20 * 60_000, START + 25 * 60_000
    file = tmp_path / "out.jsonl"
    whole = replay(live, "--from", str(start), "--to", str(end), "--out", str(file))
    one = replay(live, "--from", str(start), "--to", str(end), "--site", "site-2")
    assert (whole.returncode, one.returncode) == (0, 0), whole.stderr + one.stderr
    assert whole.stdout == ""
    assert sorted(lines_of(file.read_text().splitlines())) == sorted(in_range(seen, start, end))
    assert sorted(lines_of(one.stdout.splitlines())) == sorted(in_range(seen, start, end, "site-2"))
    assert 0 < len(one.stdout.splitlines()) < len(file.read_text().splitlines())
    assert (ends(live, ALL), groups(live)) == before


def test_results_go_to_a_topic_of_ones_own(live: Settings, seen: Observed) -> None:
    target = Topic("replayed", 2, None)
    client = AdminClient(client_config(live))
    [made] = client.create_topics([NewTopic(live.topic(target.name), target.partitions, 1)]).values()
    made.result()
    done = replay(live, *REST, "--topic", live.topic(target.name))
    assert done.returncode == 0, done.stderr
    records = read_log(live, target)
    lines = [b'{"topic":"%s","value":%s}' % (each.headers["tidemark-topic"], each.value or b"") for each in records]
    results = [read_line(line) for line in lines]
    assert sorted(map(encoded, results)) == sorted(in_range(seen, REST_START, REST_END))
    assert [each.key for each in records] == [result.key() for result in results]


@pytest.mark.parametrize("name", [SESSIONS.name, "__consumer_offsets", "no-such-topic"])
def test_results_go_to_no_topic_of_the_platform_and_make_none(live: Settings, name: str) -> None:
    before = ends(live, ALL)
    for topic in {name, live.topic(name)}:
        done = replay(live, *REST, "--topic", topic)
        assert done.returncode == 2
        assert "--topic" in done.stderr
    assert ends(live, ALL) == before
    assert "no-such-topic" not in AdminClient(client_config(live)).list_topics(timeout=10.0).topics


def test_partitions_that_wait_for_others_change_nothing(
    live: Settings, seen: Observed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "TOGETHER", 200)
    monkeypatch.setattr(log_module, "WAIT_SECONDS", 0.02)
    results: list[Replayed] = []

    class Kept:
        def write(self, result: Replayed) -> None:
            results.append(result)

        def close(self) -> None:
            pass

    waits = 0

    class Log(EventsLog):
        def hold_back(self, partitions: set[int]) -> None:  # type: ignore[override]
            nonlocal waits
            waits += bool(partitions)
            super().hold_back(partitions)

    with closing(Log(live)) as log:
        Replay(Asked(REST_START, REST_END), ahead_ms=60_000).run(live, log, [Kept()], lambda: None)
    assert waits > 10
    assert sorted(map(encoded, results)) == sorted(in_range(seen, REST_START, REST_END))
    assert min(map(time_of, results)) >= REST_START


def test_what_retention_has_deleted_is_known(live: Settings, settings: Settings, seen: Observed) -> None:
    visits = list(seen.sessions.values())[:3]
    name = settings.topic(SESSIONS.name)
    producer = Producer(producer_config(settings, linger_ms=0))
    for number, visit in enumerate(visits):
        producer.produce(name, value=encode(visit), partition=4, timestamp=1_000 * number)
    assert producer.flush(10.0) == 0
    client = AdminClient(client_config(settings))
    [deleted] = client.delete_records([TopicPartition(name, 4, 2)]).values()
    deleted.result()
    with closing(LiveTopics(settings)) as topics:
        assert [record.place for record in topics.read(SESSIONS.name)] == [f"{name}-4@2"]
        assert list(topics.read(ALERTS.name)) == []
        assert topics.deleted_before == {METRICS.name: 0, SESSIONS.name: 2_000, ALERTS.name: 0}


def test_what_comes_after_the_beginning_is_new(settings: Settings, seen: Observed) -> None:
    first, second = list(seen.alerts.values())[:2]
    send(settings, settings.topic(ALERTS.name), first)
    with closing(LiveTopics(settings)) as topics:
        send(settings, settings.topic(ALERTS.name), second)
        found = {json.loads(record.value)["alertId"]: record.is_new for record in topics.read(ALERTS.name)}
    assert found == {first.alert_id: False, second.alert_id: True}


def test_a_log_without_its_head_is_told(settings: Settings) -> None:
    fill(settings, *LOAD)
    client = AdminClient(client_config(settings))
    [deleted] = client.delete_records([TopicPartition(settings.topic(EVENTS.name), 3, 5)]).values()
    deleted.result()
    done = replay(settings, *REST, "--site", "nobody")
    assert done.returncode == 0, done.stderr
    assert "the log's head is missing, deleted or in the topic before: 1 partitions begin later" in done.stderr


def test_a_broker_that_is_away_is_told_in_a_line(stack: Settings) -> None:
    away = f"127.0.0.1:{free_ports()}"
    done = replay(stack.model_copy(update={"kafka_bootstrap_servers": away}), *REST)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"tidemark replay: the broker at {away} does not answer"


@pytest.mark.parametrize(
    ("options", "option", "text"),
    [
        (["--from", "yesterday", "--to", "2026-01-01"], "--from", "got 'yesterday'"),
        (["--from", "2026-01-01", "--to", "2026-01-01"], "--to", "expected a time after --from"),
        ([*REST, "--out", "a", "--topic", "b"], "--topic", "expected --out or --topic"),
        ([*REST, "--out", "no-such-folder/a"], "--out", "expected a file in a folder that exists"),
    ],
)
def test_wrong_options_are_named(stack: Settings, options: list[str], option: str, text: str) -> None:
    done = replay(stack, *options)
    assert done.returncode == 2
    assert option in done.stderr
    assert text in " ".join(done.stderr.replace("│", "").split())

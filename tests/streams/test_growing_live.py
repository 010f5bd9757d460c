"""``tidemark grow`` on the real broker: what both installations tell together is what one tells that never grew.

The topics take the producer's timestamps, which are ahead of the clock: only the log's own records move a watermark.
"""

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import Producer, murmur2

from deploy.local.provision import create_topics
from streams.alerts.detector import Detector
from streams.growing import CannotGrow, standing
from streams.growing.finishing import Finishing
from streams.growing.standing import finished_alerts
from streams.growing.writing import refuse_begun, write_alert_states, write_checkpoints
from streams.log_reader import LogReader
from streams.windows.checkpoint import META
from tests.faults.simulation import SHORT
from tests.streams.alerts.made import finals
from tests.streams.alerts.made import rules as rules_of
from tests.support import random_streams, wait
from tests.support.exactness import Observed, observe
from tests.support.kafka_log import read_log
from tests.support.parts import running
from tests.support.random_streams import MINUTE, Step, build
from tests.support.reference import Expected, LogRecord, reference
from tests.support.spreading import Spread, differences, visitor_of, without_revision
from tests.support.topic_settings import set_of_topic
from tidemark.kafka import client_config
from tidemark.results import ACTIVE_USERS
from tidemark.settings import Settings
from tidemark.topics import EVENTS, METRICS, TICK_HEADER

RUN = ("streams", "run")
PARTITIONS = 20
RECORDS = 300


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[LogRecord]:
    """A log of some minutes that begin soon; at its end all visits are over."""
    soon = time.time_ns() // 1_000_000 + MINUTE - random_streams.START
    monkeypatch.setattr(random_streams, "START", random_streams.START + -(-soon // (5 * MINUTE)) * 5 * MINUTE)
    chance = random.Random(11)
    steps = [Step(**{name: chance.choice(values) for name, values in SHORT.items()}) for _ in range(RECORDS)]
    return build(steps, partitions=1, until=40 * MINUTE)


class Topics:
    """The events topic of an installation, filled with parts of a log."""

    def __init__(self, settings: Settings, first: int = 0) -> None:
        self.settings = settings
        self._spread = Spread(settings.event_partitions, first)
        set_of_topic(settings, EVENTS, "message.timestamp.type", "CreateTime")

    def fill(self, log: Sequence[LogRecord], *, level: bool = True) -> None:
        """Append the next records; unless they are level, partitions that get no event fall behind."""
        quiet = set() if level else self._quiet(log)
        producer = Producer(client_config(self.settings) | {"acks": "all"})
        for record in self._spread.records(log):
            if record.partition in quiet:
                continue
            visitor = visitor_of(record)
            producer.produce(
                self.settings.topic(EVENTS.name),
                key=visitor.encode() if visitor else None,
                value=record.value,
                partition=record.partition,
                timestamp=record.append_time,
                headers=[(TICK_HEADER, b"")] if record.tick else None,
            )
        assert producer.flush(30.0) == 0

    def _quiet(self, log: Sequence[LogRecord]) -> set[int]:
        visitors = [visitor or "" for visitor in map(visitor_of, log)]
        busy = {0, *(murmur2(visitor.encode(), self._spread.partitions) for visitor in visitors)}
        return set(range(self._spread.partitions)) - busy


def grow(settings: Settings, prefix: str, *options: str) -> "subprocess.CompletedProcess[str]":
    environment = settings.environment() | {"PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-m", "tidemark", "grow", "--to", prefix, "--partitions", str(PARTITIONS), *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def counts(seen: Sequence[Observed]) -> Counter[str]:
    """Return how many finals, visits, alerts and dead letters there are together."""
    found: Counter[str] = Counter()
    for each in seen:
        found += Counter(finals=len(each.finals), visits=len(each.sessions), alerts=len(each.alerts))
        found += Counter(each.dead.values())
    return found


def expected_counts(expected: Expected) -> Counter[str]:
    found = Counter(finals=len(expected.finals), visits=len(expected.sessions), alerts=len(expected.alerts))
    return found + Counter(expected.dead.values())


def is_told(settings: Sequence[Settings], expected: Expected) -> bool:
    return counts([observe(each) for each in settings]) >= expected_counts(expected)


def test_what_both_tell_is_what_one_tells_that_never_grew(
    settings: Settings, log: list[LogRecord], tmp_path: Path
) -> None:
    often = {"checkpoint_interval_ms": 500}
    old = settings.model_copy(update=often)
    new = old.model_copy(update={"topic_prefix": f"{old.topic_prefix}grown.", "event_partitions": PARTITIONS})
    cut, more = len(log) // 2, len(log) // 2 + 40
    unread = cut - 25
    topics = Topics(old)
    topics.fill(log[:unread])
    with running(old, tmp_path / "old.log", *RUN) as worker:
        refused = grow(old, new.topic_prefix)
        assert (refused.returncode, "make the new topics first" in refused.stderr) == (1, True), refused.stderr
        create_topics(new)
        assert grow(old, new.topic_prefix, "--prepare").returncode == 0
        new_topics = Topics(new, first=1)
        new_topics.fill(log[cut:more])
        wait.until(lambda: is_told([old], reference(log[:unread], partitions=1)), 60.0, lambda: worker.log)
        refused = grow(old, new.topic_prefix)
        assert (refused.returncode, "workers of" in refused.stderr) == (1, True), refused.stderr
        assert worker.stop() == 0, worker.log
    topics.fill(log[unread:cut], level=False)
    with running(new, tmp_path / "early.log", *RUN) as worker:
        assert worker.process.wait(30.0) == 1
        assert "its checkpoint is missing" in worker.log
    ends = {record.partition: record.offset for record in read_log(old, EVENTS)}
    done = grow(old, new.topic_prefix)
    while "killed a moment ago" in done.stderr:
        done = grow(old, new.topic_prefix)
    assert done.returncode == 0, done.stderr
    assert grow(old, new.topic_prefix).returncode == 0, "it may be done again"
    assert {record.partition: record.offset for record in read_log(old, EVENTS)} == ends
    new_topics.fill(log[more:])
    expected = reference(log, partitions=1)
    with running(new, tmp_path / "new.log", *RUN) as worker:
        wait.until(partial(is_told, [old, new], expected), 60.0, lambda: worker.log)
        assert worker.stop() == 0, worker.log
    refused = grow(old, new.topic_prefix)
    assert (refused.returncode, "workers run with the prefix" in refused.stderr) == (1, True), refused.stderr
    check([observe(old), observe(new)], expected)


def check(seen: Sequence[Observed], expected: Expected) -> None:
    """Hold what all of them told against the reference; nothing is told by two of them."""
    assert not any(each.conflicts for each in seen)
    finals = [final for each in seen for final in each.finals.values()]
    assert not differences(without_revision(finals), without_revision(expected.finals.values()))[:3]
    assert not differences({k: visit for each in seen for k, visit in each.sessions.items()}, expected.sessions)[:3]
    assert not differences({k: alert for each in seen for k, alert in each.alerts.items()}, expected.alerts)[:3]
    assert counts(seen) == expected_counts(expected)
    assert all(counts([each])["finals"] > 100 for each in seen)


def test_what_the_rules_for_sites_know_goes_on_at_the_start_of_the_new_results(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = rules_of('kind = "threshold"\nmetric = "active_users"\nabove = 90')
    known = Detector(rules)
    for update in finals([3.0, 91.0, 4.0], ACTIVE_USERS):
        known.take(update)
    known.offset = 7
    entries = {key: value for key, value in known.changes() if value is not None}
    stale = {b'["gone","shop"]': b"{}", META: entries[META]}
    with closing(LogReader(settings)) as reader:
        for states in (stale, entries):
            write_alert_states(settings, reader, {2: states})
        written = finished_alerts(settings, reader)
        assert written == {2: entries | {META: written[2][META]}}
        assert Detector.restored(written[2], rules).offset == 0
        monkeypatch.setattr(standing, "ALERTS_SECONDS", -9.0)
        producer = Producer(client_config(settings))
        producer.produce(settings.topic(METRICS.name), key=b"k", value=b"{}", partition=2)
        producer.flush()
        with pytest.raises(CannotGrow, match="have not judged all results"):
            finished_alerts(settings, reader)


def test_events_that_come_meanwhile_make_no_false_final(
    settings: Settings, log: list[LogRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    topics = Topics(settings)
    topics.fill(log[:200])
    monkeypatch.setattr("streams.growing.finishing.time.sleep", lambda _: topics.fill(log[200:201]))
    with closing(LogReader(settings)) as reader, pytest.raises(CannotGrow, match="records have come to"):
        Finishing(settings, reader, {}).finish()
    assert not observe(settings).finals


def test_a_beginning_that_lacks_a_partition_is_made_whole_though_workers_have_read_the_others(
    settings: Settings,
) -> None:
    states = {number: {META: b'{"offset":9}'} for number in range(settings.event_partitions)}
    with closing(LogReader(settings)) as reader:
        write_checkpoints(settings, reader, dict(list(states.items())[:-1]), [])
        refuse_begun(settings, reader)
        write_checkpoints(settings, reader, states, [])
        with pytest.raises(CannotGrow, match="workers run with the prefix"):
            refuse_begun(settings, reader)

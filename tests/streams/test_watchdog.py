"""A worker that stands still with lag is ended; one that waits for events, or for the broker, is not."""

import re
import subprocess
import sys
from pathlib import Path

from confluent_kafka import Producer

from streams.watchdog import Stall, Stalls, StandsStill, Watchdog
from tests.streams.test_workers import RUN, fill
from tests.support import wait
from tests.support.exactness import wait_until_exact
from tests.support.parts import running
from tidemark.kafka import client_config
from tidemark.settings import Settings
from tidemark.topics import EVENTS

A, B = ("events", 0), ("events", 1)
SECONDS = 30.0


def test_no_progress_with_lag_is_a_stall_in_time() -> None:
    stalls = Stalls(SECONDS)
    assert stalls.look({A: 5}, {A: 9}, 0.0) is None
    assert stalls.look({A: 5}, {A: 12}, 29.9) is None
    assert stalls.look({A: 5}, {A: 15}, 30.0) == Stall(A, 5, 15)


def test_a_partition_without_a_state_stands_still_too() -> None:
    stalls = Stalls(SECONDS)
    assert stalls.look({A: None}, {A: 1}, 0.0) is None
    assert stalls.look({A: None}, {A: 1}, 30.0) == Stall(A, None, 1)


def test_progress_begins_anew() -> None:
    stalls = Stalls(SECONDS)
    assert stalls.look({A: 5}, {A: 9}, 0.0) is None
    assert stalls.look({A: 6}, {A: 9}, 20.0) is None
    assert stalls.look({A: 6}, {A: 9}, 49.9) is None
    assert stalls.look({A: 6}, {A: 9}, 50.0) is not None


def test_nothing_to_read_is_no_stall() -> None:
    stalls = Stalls(SECONDS)
    for now in range(100):
        assert stalls.look({A: 9}, {A: 9}, now) is None
    assert stalls.look({A: 9}, {A: 10}, 100.0) is None  # a record has just come
    assert stalls.look({A: 9}, {A: 10}, 129.0) is None


def test_a_broker_that_does_not_answer_is_no_stall_and_there_is_time_when_it_is_back() -> None:
    stalls = Stalls(SECONDS)
    assert stalls.look({A: 5}, {A: 9}, 0.0) is None
    assert stalls.look({A: 5}, {}, 20.0) is None
    assert stalls.look({A: 5}, {}, 60.0) is None
    assert stalls.look({A: 5}, {A: 9}, 61.0) is None
    assert stalls.look({A: 5}, {A: 9}, 90.9) is None
    assert stalls.look({A: 5}, {A: 9}, 91.0) is not None


def test_a_partition_that_comes_back_has_its_time() -> None:
    stalls = Stalls(SECONDS)
    assert stalls.look({A: 5, B: 1}, {A: 9, B: 2}, 0.0) is None
    assert stalls.look({B: 2}, {B: 2}, 10.0) is None
    assert stalls.look({A: 5, B: 2}, {A: 9, B: 2}, 31.0) is None


def test_one_partition_of_several_is_enough() -> None:
    stalls = Stalls(SECONDS)
    assert stalls.look({A: 5, B: 1}, {A: 9, B: 2}, 0.0) is None
    assert stalls.look({A: 9, B: 1}, {A: 9, B: 2}, 30.0) == Stall(B, 1, 2)


def test_a_transactions_marker_at_the_end_of_a_log_is_nothing_to_read(settings: Settings) -> None:
    topic = settings.topic(EVENTS.name)
    producer = Producer(client_config(settings) | {"transactional.id": topic})
    producer.init_transactions()
    producer.begin_transaction()
    producer.produce(topic, b"event", partition=0)
    producer.commit_transaction()
    told: list[StandsStill] = []
    watchdog = Watchdog(settings, dict, told.append)
    wait.until(lambda: watchdog.ends([(topic, 0)]) == {(topic, 0): 2}, 10.0)
    watchdog.check(Stall((topic, 0), 1, 2))
    assert told == []
    watchdog.check(Stall((topic, 0), 0, 2))
    watchdog.check(Stall((topic, 0), None, 2))
    assert len(told) == 2


def test_a_worker_whose_consumer_has_gone_silent_ends_and_the_next_one_goes_on(
    settings: Settings, tmp_path: Path
) -> None:
    watched = settings.model_copy(update={"watchdog_seconds": 4.0, "checkpoint_interval_ms": 500})
    fill(settings, "--max-speed", "--rate", "200", "--count", "3000", "--start-time", "2026-01-01T00:00:00Z")
    with (tmp_path / "silent.log").open("wb") as log:
        command = [sys.executable, "-m", "tests.streams.goes_silent"]
        silent = subprocess.Popen(command, env=watched.environment() | {"PYTHONPATH": ":".join(sys.path)}, stderr=log)
        try:
            assert silent.wait(60) == 1
        finally:
            silent.kill()
    text = (tmp_path / "silent.log").read_text()
    assert re.search(r"StandsStill\('for 4.0 s .*-\d+ has stood at \d+, its log ends at \d+", text), text
    with running(watched, tmp_path / "next.log", *RUN) as worker:
        wait_until_exact(settings)
        assert worker.stop() == 0, worker.log

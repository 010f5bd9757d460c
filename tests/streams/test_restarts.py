"""A worker that was killed or stopped goes on from its checkpoints: few records are read again, no number changes."""

import json
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from deploy.local.addresses import free_ports
from streams.app import GROUP
from tests.streams.test_workers import RUN, fill, live_load
from tests.support import wait
from tests.support.exactness import expect, observe, unexpected, wait_until_exact
from tests.support.kafka_log import read_log, wait_for_lag_zero
from tests.support.parts import Part, running
from tidemark import results
from tidemark.settings import Settings
from tidemark.topics import CHECKPOINTS, DEAD_LETTERS, EVENTS, PARTIALS

STATES = CHECKPOINTS.partitions


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Checkpoints come at once, so that acks do."""
    return settings.model_copy(update={"checkpoint_interval_ms": 500})


@contextmanager
def worker_of(settings: Settings, log: Path) -> Iterator[Part]:
    """Run a worker that serves its metrics."""
    with running(settings.model_copy(update={"metrics_port": free_ports()}), log, *RUN) as part:
        yield part


def said(part: Part, event: str) -> list[dict[str, Any]]:
    """Return the lines of a worker's log that say this."""
    lines = [json.loads(line) for line in part.log.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"].startswith(event)]


def restored(part: Part, settings: Settings) -> dict[int, int]:
    """Wait until a worker has restored everything; return the offset of each source partition."""
    wait.until(lambda: said(part, "partitions assigned"), 30.0, lambda: part.log)
    found = said(part, "partition restored")
    assert len(found) == STATES
    return {line["partition"]: line["offset"] for line in found if line["topic"] == settings.topic(EVENTS.name)}


def measured(part: Part, series: str) -> int:
    """Return a worker's metric, the sum of all series that this begins."""
    port = part.environment["TIDEMARK_METRICS_PORT"]
    with urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        text = page.read().decode()
    return sum(int(float(value)) for value in re.findall(rf"^analytics_pipeline_{series}.* (\S+)$", text, re.MULTILINE))


def judged(part: Part) -> int:
    """Return how many events a worker has judged."""
    return measured(part, r'events_total\{.*stage="streams"')


def dead_letters(settings: Settings) -> list[tuple[int, int]]:
    """Return the (partition, offset) of every dead letter, repetitions included."""
    letters = [results.decode_dead_letter(record.value or b"") for record in read_log(settings, DEAD_LETTERS)]
    return [(letter.partition, letter.offset) for letter in letters]


def repeated(places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [place for place in set(places) if places.count(place) > 1]


def event_count(settings: Settings) -> int:
    return sum(not record.tick for record in read_log(settings, EVENTS))


def all_saved(settings: Settings) -> bool:
    """Say whether every state has a checkpoint."""
    return len({record.partition for record in read_log(settings, CHECKPOINTS)}) == STATES


def knows_better(zombie: Part) -> bool:
    """Say whether it met the fence, or has joined again first: which one comes first is a matter of milliseconds."""
    return bool(said(zombie, "partition is somebody else's")) or len(said(zombie, "partitions assigned")) > 1


def test_a_stopped_worker_reads_nothing_again(settings: Settings, tmp_path: Path) -> None:
    fill(settings, "--max-speed", "--rate", "200", "--count", "6000", "--start-time", "2026-01-01T00:00:00Z")
    with worker_of(settings, tmp_path / "first.log") as first:
        wait_until_exact(settings)
        assert measured(first, r'checkpoints_total\{outcome="committed"') >= STATES
        assert measured(first, "checkpoint_bytes_total") > 1_000
        assert first.stop() == 0, first.log
    last = {record.partition: record.offset for record in read_log(settings, EVENTS) if not record.tick}
    before = event_count(settings)
    with worker_of(settings, tmp_path / "second.log") as second:
        offsets = restored(second, settings)
        assert all(offsets[partition] > offset for partition, offset in last.items())
        fill(settings, "--rate", "500", "--count", "500")
        wait_until_exact(settings)
        assert judged(second) == event_count(settings) - before >= 500
        assert second.stop() == 0, second.log
    assert not unexpected(expect(settings), observe(settings))
    assert repeated(dead_letters(settings)) == []


def test_a_killed_worker_goes_on_from_its_checkpoints(settings: Settings, tmp_path: Path) -> None:
    with live_load(settings, tmp_path, 16) as simulator:
        with worker_of(settings, tmp_path / "first.log") as first:
            wait.until(lambda: event_count(settings) > 1_500 and all_saved(settings), 30.0, lambda: first.log)
            first.kill()
        before = event_count(settings)
        with worker_of(settings, tmp_path / "second.log") as second:
            offsets = restored(second, settings)
            assert simulator.process.wait(40) == 0
            wait_until_exact(settings)
            wait_for_lag_zero(settings, GROUP, [EVENTS, PARTIALS])
            again = judged(second) - (event_count(settings) - before)
            assert second.stop() == 0, second.log
    assert again < before / 2
    assert not unexpected(expect(settings), observe(settings))
    assert all(offset >= offsets[partition] for partition, offset in repeated(dead_letters(settings)))


def test_another_lateness_is_refused(settings: Settings, tmp_path: Path) -> None:
    fill(settings, "--max-speed", "--rate", "200", "--count", "100", "--start-time", "2026-01-01T00:00:00Z")
    with running(settings, tmp_path / "first.log", *RUN) as first:
        wait_for_lag_zero(settings, GROUP, [EVENTS])
        assert first.stop() == 0, first.log
    changed = settings.model_copy(update={"lateness_ms": 3_000})
    with running(changed, tmp_path / "second.log", *RUN) as second:
        assert second.process.wait(30) == 1
        [line] = said(second, "worker ends")
    assert "made with lateness_ms 2000, this worker has lateness_ms 3000" in line["error"]


def test_a_worker_that_was_thought_dead_writes_nothing_any_more(settings: Settings, tmp_path: Path) -> None:
    with (
        worker_of(settings, tmp_path / "zombie.log") as zombie,
        live_load(settings, tmp_path, 25) as simulator,
    ):
        wait.until(lambda: all_saved(settings), 30.0, lambda: zombie.log)
        zombie.process.send_signal(signal.SIGSTOP)
        with worker_of(settings, tmp_path / "second.log") as second:
            restored(second, settings)
            wait.until(lambda: judged(second) > 500, 30.0, lambda: second.log)
            zombie.process.send_signal(signal.SIGCONT)
            wait.until(lambda: knows_better(zombie), 30.0, lambda: zombie.log)
            assert simulator.process.wait(60) == 0
            wait_until_exact(settings)
            assert (zombie.stop(), second.stop()) == (0, 0), zombie.log + second.log
    assert not unexpected(expect(settings), observe(settings))

"""A thousand simulated lives of three workers, with crashes, zombies and replays anywhere: always the same results."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.faults.in_memory import Broker, CheckpointLog
from tests.faults.in_memory_worker import Worker
from tests.faults.simulation import life_of
from tests.support.exactness import Observed, missing, unexpected
from tests.support.reference import LogRecord, reference
from tests.support.stages import PARTITIONS
from tidemark.results import Alert, DeadLetter, MetricUpdate, SessionSummary

SEEDS = 1_000
#: So many lives at most until a defect has shown.
UNTIL_CAUGHT = 100


def observed(broker: Broker) -> Observed:
    seen = Observed()
    for result in broker.results:
        match result:
            case MetricUpdate() as update:
                seen.add_update(update)
            case SessionSummary() as visit:
                seen.add_visit(visit)
            case Alert() as alert:
                seen.add_alert(alert)
            case DeadLetter() as letter:
                seen.add_dead_letter(letter)
    return seen


def violations(log: list[LogRecord], broker: Broker) -> list[object]:
    expected, seen = reference(log, partitions=PARTITIONS), observed(broker)
    return [*missing(expected, seen), *unexpected(expected, seen), *seen.too_high()]


def test_whatever_happens_the_results_are_the_references() -> None:
    happened = Counter[str]()
    for seed in range(SEEDS):
        log, broker = life_of(seed)
        assert not violations(log, broker), f"seed {seed}"
        happened += broker.happened
    assert all(happened[what] > SEEDS / 2 for what in ("crashed", "thought dead", "restored", "fenced")), happened


@pytest.mark.parametrize("seeds", [("0", "40")])
def test_one_seed_is_one_life_in_any_process(seeds: tuple[str, str]) -> None:
    command = [sys.executable, "-m", "tests.faults.simulation", *seeds]
    digests = {
        subprocess.run(
            command, env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)}, check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(digests) == 1


# ---- What the simulation would find


def caught() -> bool:
    return any(is_caught(seed) for seed in range(UNTIL_CAUGHT))


def is_caught(seed: int) -> bool:
    """A defect may also show in that a state is not what its log can lead to."""
    try:
        return bool(violations(*life_of(seed)))
    except (KeyError, IndexError, AssertionError, ValueError):
        return True


def no_waiting(_: Worker) -> Iterator[None]:
    return iter(())


def test_a_zombie_whose_checkpoint_gets_through_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CheckpointLog, "_check", lambda *_: None)
    assert caught()


def test_a_checkpoint_that_does_not_wait_for_its_results_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Worker, "_all_sent", no_waiting)
    assert caught()

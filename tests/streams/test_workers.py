"""Workers as processes on the real broker: whatever happens to them, the results are the reference's."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from streams.app import GROUP
from streams.stopping import STOP_SECONDS
from tests.conftest import OwnStack
from tests.support import wait
from tests.support.exactness import expect, observe, unexpected, wait_until_exact
from tests.support.kafka_log import read_log, wait_for_lag_zero
from tests.support.parts import Part, running
from tidemark.settings import Settings
from tidemark.topics import EVENTS, PARTIALS

RUN = ("streams", "run")
LOAD = (
    "simulate", "--seed", "7", "--users", "500", "--sites", "3", "--late", "2%", "--duplicates", "1%", "--bad", "0.5%",
)  # fmt: skip


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Checkpoints come at once, so that acks do."""
    return settings.model_copy(update={"checkpoint_interval_ms": 500})


def fill(settings: Settings, *options: str) -> None:
    """Send events and wait for the end."""
    command = [sys.executable, "-m", "tidemark", *LOAD, *options]
    environment = settings.environment() | {"PYTHONPATH": ":".join(sys.path)}
    subprocess.run(command, env=environment, check=True, timeout=120, capture_output=True)


def ticked_partitions(settings: Settings) -> int:
    """Count the partitions that got a tick."""
    return len({record.partition for record in read_log(settings, EVENTS) if record.tick})


@contextmanager
def live_load(settings: Settings, tmp_path: Path, seconds: int) -> Iterator[Part]:
    """Send 200 events/s meanwhile."""
    options = ("--rate", "200", "--duration", str(seconds), "--disorder-ms", "1500")
    with running(settings, tmp_path / "simulator.log", *LOAD, *options) as simulator:
        yield simulator


def test_a_topic_that_was_filled_before_gives_what_the_reference_gives(settings: Settings, tmp_path: Path) -> None:
    fill(settings, "--max-speed", "--rate", "200", "--count", "6000", "--start-time", "2026-01-01T00:00:00Z")
    with running(settings, tmp_path / "streams.log", *RUN) as worker:
        wait.until(lambda: ticked_partitions(settings) == EVENTS.partitions, 30.0, lambda: worker.log)
        expected = wait_until_exact(settings)
        wait_for_lag_zero(settings, GROUP, [EVENTS, PARTIALS])
        assert worker.stop() == 0, worker.log
    assert len(expected.finals) > 100
    assert not unexpected(expect(settings), observe(settings))


def test_a_worker_joins_and_another_is_killed_while_events_come(settings: Settings, tmp_path: Path) -> None:
    with (
        running(settings, tmp_path / "first.log", *RUN) as first,
        live_load(settings, tmp_path, 16) as simulator,
        running(settings, tmp_path / "second.log", *RUN) as second,
    ):
        wait.until(lambda: "partitions assigned" in second.log, 30.0, lambda: second.log)
        wait.until(lambda: len(observe(settings).early) > 100, 30.0, lambda: first.log)
        first.kill()
        assert simulator.process.wait(40) == 0
        wait_until_exact(settings)
        assert second.stop() == 0, second.log
    seen = observe(settings)
    assert not unexpected(expect(settings), seen)
    assert any(update.final for update in seen.finals.values())


def test_a_broker_that_is_killed_and_comes_back_changes_no_number(own_stack: OwnStack, tmp_path: Path) -> None:
    settings = own_stack.settings
    with (
        running(settings, tmp_path / "streams.log", *RUN) as worker,
        live_load(settings, tmp_path, 20) as simulator,
    ):
        wait.until(lambda: observe(settings).early, 30.0, lambda: worker.log)
        own_stack.kafka[0].kill()
        own_stack.kafka[0].start()
        assert simulator.process.wait(60) == 0
        wait_until_exact(settings)
        wait_for_lag_zero(settings, GROUP, [EVENTS, PARTIALS])
        assert worker.process.poll() is None, worker.log
        assert worker.stop() == 0, worker.log
    assert not unexpected(expect(settings), observe(settings))


@pytest.mark.parametrize(("broker_gets", "in_order"), [(signal.SIGKILL, True), (signal.SIGSTOP, False)])
def test_sigterm_ends_a_worker_in_time_while_the_broker_is(
    broker_gets: signal.Signals, in_order: bool, own_stack: OwnStack, tmp_path: Path
) -> None:
    settings = own_stack.settings
    [broker] = own_stack.kafka
    with running(settings, tmp_path / "streams.log", *RUN) as worker, live_load(settings, tmp_path, 60):
        wait.until(lambda: observe(settings).early, 30.0, lambda: worker.log)
        assert broker.pid is not None
        os.kill(broker.pid, broker_gets)
        asked = time.monotonic()
        code = worker.stop()
        assert time.monotonic() - asked < STOP_SECONDS + 1
        broker.kill()
    assert ("stop took too long" not in worker.log) is in_order, worker.log
    assert (code == 0) is ("results not acknowledged at the end" not in worker.log), worker.log


def test_workers_that_are_stopped_while_they_start_and_partitions_move_end_in_order(
    settings: Settings, tmp_path: Path
) -> None:
    with (
        running(settings, tmp_path / "first.log", *RUN) as first,
        running(settings, tmp_path / "second.log", *RUN) as second,
    ):
        for worker, event in ((first, "partitions assigned"), (second, "ConsumerThread]: Starting")):
            wait.until(partial(worker.logged, event), 30.0, lambda: first.log + second.log)
        assert [second.stop(), first.stop()] == [0, 0], first.log + second.log
        assert "stop took too long" not in first.log + second.log


def test_early_results_grow_and_never_above_their_final(settings: Settings, tmp_path: Path) -> None:
    with running(settings, tmp_path / "streams.log", *RUN), live_load(settings, tmp_path, 12) as simulator:
        assert simulator.process.wait(40) == 0
        wait_until_exact(settings)
    seen = observe(settings)
    newest: dict[tuple[str, str, int], int] = {}
    for update in seen.early:
        key = (update.site_id, update.metric, update.window_start)
        assert update.revision >= newest.get(key, -1)
        newest[key] = update.revision
    assert len(newest) > 20
    assert all(newest[key] <= final.revision for key, final in seen.finals.items() if key in newest)

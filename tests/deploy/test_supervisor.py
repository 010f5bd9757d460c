"""The supervisor with small stand-in commands for parts: real processes that crash, run and end."""

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.processes import identify
from deploy.local.restarts import PartState
from deploy.local.service import Service
from deploy.local.supervisor import Supervisor

RUN = "import time; time.sleep(600)"
CRASH = "raise SystemExit(3)"


@pytest.fixture
def changes() -> list[PartState]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, changes: list[PartState]) -> Iterator[Supervisor]:
    running = Supervisor(tmp_path / "state.json", changes.append)
    yield running
    running.stop()


def _stand_in(folder: Path, name: str, program: str) -> Service:
    command = [sys.executable, "-c", program]
    return Service(name, lambda: command, lambda: True, run=folder, log=folder / f"{name}.log")


def _within(supervisor: Supervisor, seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    supervisor.run(until=lambda: condition() or time.monotonic() > deadline)
    return condition()


def test_a_killed_part_comes_back_and_the_others_stay(supervisor: Supervisor, tmp_path: Path) -> None:
    first, second = _stand_in(tmp_path, "first", RUN), _stand_in(tmp_path, "second", RUN)
    supervisor.start([first, second])
    assert _within(supervisor, 10, lambda: not supervisor.not_up())
    before, other = first.pid, second.pid
    first.kill()
    assert _within(supervisor, 10, lambda: first.pid not in (None, before) and not supervisor.not_up())
    assert second.pid == other
    assert [state.restarts for state in supervisor.states()] == [1, 0]


def test_a_part_that_crashes_at_once_is_tried_again_and_again(
    supervisor: Supervisor, tmp_path: Path, changes: list[PartState]
) -> None:
    supervisor.start([_stand_in(tmp_path, "broken", CRASH)])
    assert _within(supervisor, 15, lambda: supervisor.states()[0].restarts >= 2)
    assert {state.state for state in changes} <= {"starting", "up", "restarting"}
    assert "restarting" in {state.state for state in changes}


def test_the_state_file_always_holds_all_states(supervisor: Supervisor, tmp_path: Path) -> None:
    parts = [_stand_in(tmp_path, name, RUN) for name in ("first", "second")]
    supervisor.start(parts)
    _within(supervisor, 10, lambda: not supervisor.not_up())
    states = json.loads((tmp_path / "state.json").read_bytes())
    assert [(state["name"], state["state"], state["pid"], state["restarts"]) for state in states] == [
        ("first", "up", parts[0].pid, 0),
        ("second", "up", parts[1].pid, 0),
    ]
    assert all(abs(state["since"] / 1_000 - time.time()) < 60 for state in states)


def test_parts_stop_in_the_opposite_order_of_their_start(
    supervisor: Supervisor, tmp_path: Path, changes: list[PartState]
) -> None:
    supervisor.start([_stand_in(tmp_path, name, RUN) for name in ("first", "second", "third")])
    supervisor.stop(except_for={"second"})
    assert [state.name for state in changes if state.state == "stopped"] == ["third", "first"]
    assert [state.name for state in supervisor.states() if state.pid is not None] == ["second"]


def test_a_part_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    program = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); {RUN}"
    command = [sys.executable, "-c", program]
    log = tmp_path / "stubborn.log"
    part = Service(
        "stubborn", lambda: command, lambda: "ready" in log.read_text(), run=tmp_path, log=log, stop_seconds=0.3
    )
    part.start()
    pid = part.pid
    part.stop()
    assert part.exit_code == -signal.SIGKILL
    assert pid is not None
    assert identify(pid) is None

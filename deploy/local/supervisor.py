"""Keeps all services running together, and tells their states: to a file, and line by line."""

import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import msgspec

from deploy.local.restarts import Kept, PartState, Supervisable

LOOK_SECONDS = 0.1


class Supervisor:
    """Restarts what dies. ``changed`` gets each part's state when it has changed; the file always holds all states."""

    def __init__(
        self,
        state_file: Path,
        changed: Callable[[PartState], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kept: list[Kept] = []
        self._told: dict[str, PartState] = {}
        self._state_file = state_file
        self._changed = changed
        self._clock = clock

    def start(self, services: Iterable[Supervisable]) -> None:
        """Start those that do not run, and keep all running."""
        for service in services:
            kept = Kept(service, self._clock, _now_ms)
            self._kept.append(kept)
            kept.start()
        self._tell()

    def look(self) -> None:
        """See how all are and restart what is due: to be called again and again."""
        for kept in self._kept:
            kept.look()
        self._tell()

    def states(self) -> list[PartState]:
        """Return all states, in the order of the start."""
        return [kept.describe() for kept in self._kept]

    def not_up(self) -> list[str]:
        """Return the names of those that are not up."""
        return [state.name for state in self.states() if state.state != "up"]

    def run(self, *, until: Callable[[], bool]) -> None:
        """Look after them until the condition holds."""
        while not until():
            self.look()
            time.sleep(LOOK_SECONDS)

    def stop(self, *, except_for: Collection[str] = ()) -> None:
        """End all but those named, in order: the last started first."""
        for kept in reversed(self._kept):
            if kept.state != "stopped" and kept.service.name not in except_for:
                kept.stop()
                self._tell()

    def _tell(self) -> None:
        states = self.states()
        fresh = [state for state in states if self._told.get(state.name) != state]
        if not fresh:
            return
        _write_states(self._state_file, states)
        for state in fresh:
            told = self._told.get(state.name)
            self._told[state.name] = state
            if told is None or told.state != state.state:
                self._changed(state)


def _write_states(path: Path, states: list[PartState]) -> None:
    """Replace the file at once: a reader sees all old states or all new ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(msgspec.json.encode(states))
    part.replace(path)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

"""Keeps one service running: what its state is, and when a service that died is started again."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

FIRST_DELAY_SECONDS = 0.5
MAX_DELAY_SECONDS = 10.0
#: So long must a service be up for its next death to count as the first.
HEALTHY_SECONDS = 30.0

State = Literal["starting", "up", "restarting", "stopped"]


class Supervisable(Protocol):
    """What is kept running; a ``deploy.local.service.Service``."""

    name: str

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""

    @property
    def exit_code(self) -> int | None:
        """How its last run ended."""

    def running(self) -> bool:
        """Say whether its process runs."""

    def healthy(self) -> bool:
        """Say whether it answers."""

    def spawn(self) -> None:
        """Start it and return at once."""

    def stop(self) -> None:
        """End it in order."""


@dataclass(frozen=True)
class PartState:
    """A part's state for people; ``since`` in ms since the epoch."""

    name: str
    state: State
    pid: int | None
    restarts: int
    since: int


class Kept:
    """A service that is started again after each death: 0.5 s later, doubling to 10 s, from 0.5 s after 30 s of health.

    ``clock`` gives seconds and never goes back; ``now_ms`` is the time of day, for display.
    """

    def __init__(self, service: Supervisable, clock: Callable[[], float], now_ms: Callable[[], int]) -> None:
        self.service = service
        self.state: State = "stopped"
        self.restarts = 0
        self._clock = clock
        self._now_ms = now_ms
        self._since = now_ms()
        self._up_at = clock()
        self._delay = FIRST_DELAY_SECONDS
        self._due: float | None = None

    def start(self) -> None:
        """Start it unless it runs already, and keep it running from now on."""
        if self.service.running():
            self._up_at = self._clock()
            return self._enter("up")
        self.service.spawn()
        return self._enter("starting")

    def look(self) -> None:
        """See how it is and do what is due: to be called again and again."""
        if self.state == "stopped":
            return
        if self._due is not None:
            self._start_again_when_due(self._due)
        elif not self.service.running():
            self._died()
        elif self.state != "up" and self.service.healthy():
            self._up_at = self._clock()
            self._enter("up")

    def stop(self) -> None:
        """End it in order, for good."""
        self._due = None
        self.service.stop()
        self._enter("stopped")

    def describe(self) -> PartState:
        """Return its state."""
        return PartState(self.service.name, self.state, self.service.pid, self.restarts, self._since)

    def _died(self) -> None:
        if self.state == "up" and self._clock() - self._up_at >= HEALTHY_SECONDS:
            self._delay = FIRST_DELAY_SECONDS
        self._due = self._clock() + self._delay
        self._delay = min(2 * self._delay, MAX_DELAY_SECONDS)
        self._enter("restarting")

    def _start_again_when_due(self, due: float) -> None:
        if self._clock() >= due:
            self._due = None
            self.restarts += 1
            self.service.spawn()

    def _enter(self, state: State) -> None:
        if state != self.state:
            self.state = state
            self._since = self._now_ms()

"""What outlives every worker, in memory: the logs, the results, and checkpoints that one owner at a time may commit."""

from collections import Counter
from dataclasses import dataclass, field

from streams.windows.checkpoint import Changes
from tests.support.reference import LogRecord
from tests.support.stages import MERGES
from tidemark.results import Alert, DeadLetter, MetricUpdate, SessionSummary

Result = MetricUpdate | SessionSummary | Alert | DeadLetter


class Fenced(Exception):
    """Somebody else has taken the checkpoint over."""


class CheckpointLog:
    """One state's checkpoint: written in transactions by whoever took it over last, read as committed."""

    def __init__(self) -> None:
        self.entries: dict[bytes, bytes] = {}
        #: How many transactions were committed.
        self.version = 0
        self._owner = 0
        self._open: Changes = []

    def take_over(self) -> int:
        """Fence whoever wrote before and abort their transaction; return what proves the new owner."""
        self._owner += 1
        self._open = []
        return self._owner

    def write(self, owner: int, changes: Changes) -> None:
        """Write in a transaction that is still to be committed."""
        self._check(owner)
        self._open = changes

    def commit(self, owner: int) -> None:
        """Commit what was written."""
        self._check(owner)
        for key, value in self._open:
            if value is None:
                del self.entries[key]  # what was never written must not be said to be over
            else:
                self.entries[key] = value
        self._open = []
        self.version += 1

    def _check(self, owner: int) -> None:
        if owner != self._owner:
            raise Fenced


@dataclass
class Broker:
    """``events`` by source partition, ``partials`` by merge partition; ``results`` in the order they came."""

    events: list[list[LogRecord]]
    partials: list[list[bytes]] = field(default_factory=lambda: [[] for _ in range(MERGES)])
    results: list[Result] = field(default_factory=list)
    checkpoints: list[CheckpointLog] = field(default_factory=list)
    #: How often what happened, so that a test can say that it was worth looking at.
    happened: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.checkpoints = [CheckpointLog() for _ in range(len(self.events) + MERGES)]

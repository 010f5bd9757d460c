"""What a sink holds between reading and writing: points, records that are no points, and the offsets behind them."""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

BATCH_POINTS = 1_000


class Record(NamedTuple):
    """A record as read from Kafka."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes


class Point(NamedTuple):
    """One line of line protocol and the record it came from."""

    line: str
    record: Record


class Rejected(NamedTuple):
    """A record that cannot be kept; ``reason`` is from the fixed list of dead letters."""

    record: Record
    reason: str
    text: str


class UnavailableError(Exception):
    """The store took no points, and not because of the points: away, overloaded, wrong token, no bucket."""


@dataclass
class Batch:
    """What has been read and not yet committed; ``offsets`` are the next to read, by (topic, partition).

    ``oldest_ms`` is the time of the oldest record as far as it is known (ms since the epoch).
    Full at ``max_points`` or ``max_seconds`` after it began, whichever comes first. A record of many points may take
    it over ``max_points``.
    """

    max_points: int = BATCH_POINTS
    max_seconds: float = 1.0
    points: list[Point] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    offsets: dict[tuple[str, int], int] = field(default_factory=dict)
    began: float = 0.0
    oldest_ms: int | None = None

    def add(self, record: Record, lines: list[str], now: float) -> None:
        """Hold a record's points; one without points counts as read. ``now`` is a monotonic clock's, in seconds."""
        self._read(record, now)
        for line in lines:
            self.points.append(Point(line, record))

    def reject(self, rejected: Rejected, now: float) -> None:
        """Hold a record that goes to the dead letters."""
        self._read(rejected.record, now)
        self.rejected.append(rejected)

    def _read(self, record: Record, now: float) -> None:
        if not self.offsets:
            self.began = now
        self.offsets[record.topic, record.partition] = record.offset + 1

    def came(self, time_ms: int) -> None:
        """Note the time of a record that it holds."""
        self.oldest_ms = time_ms if self.oldest_ms is None else min(time_ms, self.oldest_ms)

    def full(self, now: float) -> bool:
        """Say whether it is time to write; never for an empty batch."""
        return bool(self.offsets) and (len(self.points) >= self.max_points or now - self.began >= self.max_seconds)

    def take(self) -> "Batch":
        """Move everything to a batch of its own; this one begins anew."""
        taken = replace(self)
        self.points, self.rejected, self.offsets, self.oldest_ms = [], [], {}, None
        return taken

    def give_back(self, taken: "Batch") -> None:
        """Hold again what was taken, before what has been read since."""
        if taken.offsets:
            self.began = min(self.began, taken.began) if self.offsets else taken.began
        if taken.oldest_ms is not None:
            self.came(taken.oldest_ms)
        self.points[:0] = taken.points
        self.rejected[:0] = taken.rejected
        self.offsets = taken.offsets | self.offsets

    def written(self, now: float) -> None:
        """Forget the points that are written; their offsets stay until they are committed."""
        self.points.clear()
        self.rejected.clear()
        self.began = now
        self.oldest_ms = None

    def clear(self) -> None:
        """Forget everything; what was not committed will be read again."""
        self.points.clear()
        self.rejected.clear()
        self.offsets.clear()
        self.oldest_ms = None

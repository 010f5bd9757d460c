"""What the partitions said of one window, and what it adds up to: the newest sums, and counts that only grow."""

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from streams.windows.measures import Measure
from streams.windows.partials import Counts

Part = TypeVar("Part")


class WindowTotals(Generic[Part]):
    """What the partitions said of one window; each one's newest revision counts."""

    def __init__(self, by_partition: dict[int, tuple[int, Part]] | None = None) -> None:
        #: Each partition's newest revision and part.
        self.by_partition = by_partition or {}
        self._emitted: dict[str, Measure] = {}

    def put(self, partition: int, revision: int, part: Part) -> bool:
        """Take a part unless this revision of the partition is known, or a newer one; say whether it was taken."""
        known = self.by_partition.get(partition)
        if known is not None and revision <= known[0]:
            return False
        self.by_partition[partition] = (revision, part)
        return True

    @property
    def parts(self) -> list[Part]:
        """The newest part of each partition."""
        return [part for _, part in self.by_partition.values()]

    @property
    def revision(self) -> int:
        """The sum of the offsets the parts stand for: it only grows, and never above its final's."""
        return sum(revision for revision, _ in self.by_partition.values())

    def changes(self, measures: Iterable[Measure]) -> Iterator[Measure]:
        """Yield the measures that differ from what was yielded before."""
        for measure in measures:
            emitted = self._emitted.get(measure.metric)
            if emitted is None or not emitted.equals(measure):
                self._emitted[measure.metric] = measure
                yield measure


class CountTotals:
    """Counts by key (url, country) summed over partitions; each partition's only grow."""

    __slots__ = ("by_partition", "totals")

    def __init__(self) -> None:
        self.totals: Counts = {}
        #: Each partition's counts.
        self.by_partition: dict[int, Counts] = {}

    def put(self, partition: int, counts: Counts) -> Counts:
        """Take a partition's whole counts of some keys; return by how much each total grew."""
        known = self.by_partition.get(partition)
        if known is None:
            known = self.by_partition[partition] = {}
        growth = {}
        for key, count in counts.items():
            more = count - known.get(key, 0)
            if more > 0:
                known[key] = count
                growth[key] = more
        grow(self.totals, growth)
        return growth


def grow(totals: Counts, growth: Counts) -> None:
    """Add to the totals."""
    for key, count in growth.items():
        totals[key] = totals.get(key, 0) + count

"""Both stages in memory: the logs of all source partitions in, finals, visits and alerts out; no topic in between."""

import sys
from collections.abc import Iterator, Mapping, Sequence

from streams.replay.asked import Replayed
from streams.windows.merge import MergeWindows
from streams.windows.partition import PartitionWindows
from streams.windows.records import Record

#: After so many records what the states keep for a checkpoint, or for early results, is let go: nobody asks for it.
LET_GO_RECORDS = 50_000


class ReplayStages:
    """The state of all partitions, each at its log's start at first. What comes out is what a worker sends as final.

    Partitions may come interleaved as they like, each in its own order. ``emitted_at`` is 0.
    """

    def __init__(self, starts: Mapping[int, int], *, lateness_ms: int, funnel: Sequence[str]) -> None:
        self._windows: dict[int, PartitionWindows] = {}
        for partition, start in starts.items():
            windows = PartitionWindows(partition, lateness_ms=lateness_ms, funnel=funnel)
            windows.offset = start
            self._windows[partition] = windows
        self._merge = MergeWindows(len(starts))
        self._fed = dict.fromkeys(starts, 0)

    def feed(self, partition: int, records: Sequence[Record]) -> Iterator[Replayed]:
        """Take the next records of a partition; yield what is final by them."""
        out = self._windows[partition].feed(records)
        yield from out.sessions
        yield from out.alerts
        for partial in out.partials:
            self._merge.add(partial)
        if out.progress:
            self._merge.progress(partition, out.progress)
            yield from self._merge.finals()
        self._fed[partition] += len(records)
        if self._fed[partition] >= LET_GO_RECORDS:
            self._let_go(partition)

    def watermark(self, partition: int) -> int:
        """Return a partition's watermark (ms), far in the past before its first valid record."""
        return self._windows[partition].watermark

    def _let_go(self, partition: int) -> None:
        self._fed[partition] = 0
        self._windows[partition].changes()
        for _ in self._merge.early(sys.maxsize):
            pass

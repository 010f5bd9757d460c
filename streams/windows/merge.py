"""The second stage: adds the partitions' partials up; a final comes when every partition is past its window's end."""

from collections import deque
from collections.abc import Iterator

from streams.windows import PANE_MS
from streams.windows.agenda import Agenda
from streams.windows.exact import floor_to
from streams.windows.partials import SitePartial
from streams.windows.site import SiteTotals
from streams.windows.sliding import window_ends
from tidemark.events import MAX_AHEAD_MS
from tidemark.results import MetricUpdate


class PartitionProgress:
    """How far one source partition is: its (watermark, offset) pairs that finals still need."""

    def __init__(self) -> None:
        self._pairs: deque[tuple[int, int]] = deque()
        #: The first watermark that was told (ms).
        self.first: int | None = None

    @property
    def watermark(self) -> int | None:
        """The highest watermark told so far (ms), None before the first."""
        return self._pairs[-1][0] if self._pairs else None

    def add(self, pairs: list[tuple[int, int]]) -> None:
        """Take pairs in offset order; repetitions (a replay, a worker that was thought dead) change nothing."""
        for watermark, offset in pairs:
            if not self._pairs or watermark > self._pairs[-1][0]:
                self._pairs.append((watermark, offset))
                if self.first is None:
                    self.first = watermark

    def closing_offset(self, end: int) -> int:
        """Return the offset at which the watermark first reached ``end``; later calls must not ask for less."""
        while self._pairs[0][0] < end:
            self._pairs.popleft()
        return self._pairs[0][1]


class MergeWindows:
    """The state of one ``metric-partials`` partition: a pure function of its log.

    ``sources`` is the number of source partitions. Updates carry ``emitted_at`` 0; the sender fills it in. Unless the
    log is ``whole`` (retention has deleted its head), windows that the deleted part may have known of get no final:
    they had theirs.
    """

    def __init__(self, sources: int, *, whole: bool = True) -> None:
        self._whole = whole
        #: The offset of the next record of the log; the reader keeps it.
        self.offset = 0
        self._progress = [PartitionProgress() for _ in range(sources)]
        self._sites: dict[str, SiteTotals] = {}
        self._agenda = Agenda()
        self._changed: set[str] = set()
        #: The end of the last window that is final (ms); what comes for it or before it is a repetition.
        self.boundary: int | None = None

    def add(self, partial: SitePartial) -> None:
        """Take a partition's partial; parts that are older than what is known, or final already, change nothing."""
        site = self._sites.get(partial.site)
        if site is None:
            site = self._sites[partial.site] = SiteTotals(partial.site)
        site.add(partial, self.boundary)
        for part in partial.panes:
            self._plan(part.end)
        self._changed.add(partial.site)

    def progress(self, partition: int, pairs: list[tuple[int, int]]) -> None:
        """Take a partition's marker."""
        self._progress[partition].add(pairs)

    def finals(self) -> Iterator[MetricUpdate]:
        """Yield the finals of all windows that every partition is past, in order of their ends."""
        watermarks = [progress.watermark for progress in self._progress]
        reached = [watermark for watermark in watermarks if watermark is not None]
        if len(reached) < len(watermarks):
            return
        target = floor_to(min(reached), PANE_MS)
        for end in self._agenda.until(target):
            revision = sum(progress.closing_offset(end) for progress in self._progress)
            self.boundary = end
            for name in sorted(self._sites):
                finals = self._sites[name].close(end, revision)
                yield from (final for final in finals if self._whole or final.window_start >= self._known_from())
            self._let_go(end)
        # No window that ends up to here can get a partial any more: its pairs are not needed.
        self.boundary = target
        for progress in self._progress:
            progress.closing_offset(target)

    def early(self) -> Iterator[MetricUpdate]:
        """Yield what changed in the open windows since the last call."""
        changed, self._changed = self._changed, set()
        for name in changed:
            site = self._sites.get(name)
            if site is not None:
                yield from site.early()

    def _known_from(self) -> int:
        """Return the time from which on no event can have been in the deleted part of the log."""
        return max(progress.first or 0 for progress in self._progress) + MAX_AHEAD_MS

    def _plan(self, pane_end: int) -> None:
        if self.boundary is None or pane_end > self.boundary:
            self._agenda.add(pane_end)
            for end in window_ends(pane_end):
                self._agenda.add(end)

    def _let_go(self, end: int) -> None:
        """Forget sites that get no more finals; while there are others, the next pane's end is due too (zeros)."""
        for name in [name for name, site in self._sites.items() if site.is_over(end)]:
            del self._sites[name]
        if any(site.last_time is not None for site in self._sites.values()):
            self._agenda.add(end + PANE_MS)

    def is_empty(self) -> bool:
        """Say whether no site is known any more."""
        return not self._sites

"""The second stage: adds the partitions' partials up; a final comes when every partition is past its window's end."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Self

import msgspec

from streams.windows import PANE_MS
from streams.windows.agenda import Agenda
from streams.windows.checkpoint import META, Changes, Contents, Journal, MadeWith, encode, meta_of
from streams.windows.exact import floor_to
from streams.windows.merge_meta import MergeMeta
from streams.windows.partials import SitePartial
from streams.windows.site import NEVER, EntryKey, SiteTotals, count_windows
from streams.windows.sliding import window_ends
from tidemark.events import MAX_AHEAD_MS
from tidemark.results import MetricUpdate

#: Raised when the entries or their values change their form.
LAYOUT = 2


class PartitionProgress:
    """How far one source partition is: its (watermark, offset) pairs that finals still need."""

    def __init__(self, first: int | None = None, pairs: Iterable[tuple[int, int]] = ()) -> None:
        self._pairs = deque(pairs)
        #: The first watermark that was told (ms).
        self.first = first

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

    def snapshot(self) -> tuple[int | None, list[tuple[int, int]]]:
        """Return what makes an equal one."""
        return self.first, list(self._pairs)


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
        self._journal = Journal()
        self._written_meta = b""
        self._sites: dict[str, SiteTotals] = {}
        self._agenda = Agenda()
        # The ends of panes, with the windows over them, and of windows that are planned; perhaps not of all.
        self._panes: set[int] = set()
        self._windows: set[int] = set()
        self._changed: dict[str, None] = {}  # in turn
        #: The end of the last window that is final (ms); what comes for it or before it is a repetition.
        self.boundary: int | None = None

    def add(self, partial: SitePartial) -> None:
        """Take a partition's partial; parts that are older than what is known, or final already, change nothing."""
        self._site(partial.site).add(partial, self.boundary)
        # Nearly all of it is planned already: sites and partitions share their windows' ends.
        for pane_end in {*(part.end for part in partial.panes), *partial.urls} - self._panes:
            self._panes.add(pane_end)
            self._plan(pane_end, *window_ends(pane_end))
        for end in {*(part.end for part in partial.sliding), *partial.countries} - self._windows:
            self._windows.add(end)
            self._plan(end)
        self._plan(*partial.outcomes)
        self._changed[partial.site] = None

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
            for planned in (self._panes, self._windows):
                planned.difference_update([each for each in planned if each <= end])
        # No window that ends up to here can get a partial any more: its pairs are not needed.
        self.boundary = target
        for progress in self._progress:
            progress.closing_offset(target)

    def early(self, most: int) -> Iterator[MetricUpdate]:
        """Yield what changed in the open windows of at most so many sites; the others' turn comes first next time."""
        for name in list(islice(self._changed, most)):
            del self._changed[name]
            site = self._sites.get(name)
            if site is not None:
                yield from site.early()

    def changes(self) -> Changes:
        """Return what changed since the last call, or since the checkpoint it was restored from; see ``restored``."""
        changes = self._journal.take()
        meta = encode(
            MergeMeta(
                made_with=made_with(len(self._progress)),
                offset=self.offset,
                boundary=self.boundary,
                whole=self._whole,
                progress=[progress.snapshot() for progress in self._progress],
            )
        )
        if meta != self._written_meta:
            self._written_meta = meta
            changes.append((META, meta))
        return changes

    @classmethod
    def restored(cls, entries: Mapping[bytes, bytes], sources: int) -> Self:
        """Return the state whose ``changes``, folded, are these entries. What it yields is what that one yields.

        What was told early is not in them: it may come once more. Raises StateError for a checkpoint of something else.
        """
        raw = meta_of(entries, made_with(sources))
        meta = msgspec.json.decode(raw, type=MergeMeta)
        windows = cls(sources, whole=meta.whole)
        windows.offset, windows.boundary, windows._written_meta = meta.offset, meta.boundary, raw
        windows._progress = [PartitionProgress(*progress) for progress in meta.progress]
        for key, value in entries.items():
            if key != META:
                windows._restore(msgspec.json.decode(key, type=EntryKey), value)
        windows._plan_restored()
        return windows

    def _restore(self, key: EntryKey, value: bytes) -> None:
        kind, site, end = key
        self._journal.known(key)
        self._site(site).restore(kind, end, value, NEVER if self.boundary is None else self.boundary)

    def _plan_restored(self) -> None:
        for site in self._sites.values():
            self._plan(*site.open_ends())
        if self.boundary is not None:
            self._plan_zeros(self.boundary)

    def _site(self, name: str) -> SiteTotals:
        site = self._sites.get(name)
        if site is None:
            site = self._sites[name] = SiteTotals(name, self._journal)
        return site

    def _known_from(self) -> int:
        """Return the time from which on no event can have been in the deleted part of the log."""
        return max(progress.first or 0 for progress in self._progress) + MAX_AHEAD_MS

    def _plan(self, *ends: int) -> None:
        for end in ends:
            if self.boundary is None or end > self.boundary:
                self._agenda.add(end)

    def _plan_zeros(self, end: int) -> None:
        """While there are sites that get finals whatever comes, the next pane's end is due too."""
        if any(site.gets_zeros(end) for site in self._sites.values()):
            self._agenda.add(end + PANE_MS)

    def _let_go(self, end: int) -> None:
        """Forget sites that get no more finals."""
        for name in [name for name, site in self._sites.items() if site.is_over(end)]:
            self._sites.pop(name).forget()
        self._plan_zeros(end)

    def is_empty(self) -> bool:
        """Say whether no site is known any more."""
        return not self._sites


def contents(entries: Mapping[bytes, bytes], sources: int) -> Contents:
    """Count what a merge partition's checkpoint holds; its watermark is the smallest that its sources told.

    Raises StateError if a worker with so many sources would refuse it.
    """
    meta = msgspec.json.decode(meta_of(entries, made_with(sources)), type=MergeMeta)
    told = [PartitionProgress(*progress).watermark for progress in meta.progress]
    reached = [watermark for watermark in told if watermark is not None]
    return Contents(
        offset=meta.offset,
        watermark=min(reached) if len(reached) == len(told) else None,
        windows=count_windows(key for key in entries if key != META),
    )


def made_with(sources: int) -> MadeWith:
    """Return what a merge partition's state depends on besides its log."""
    return {"kind": "merge", "layout": LAYOUT, "partitions": sources}

"""One site in the merge: what each partition said of its open windows, and the results these add up to."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec

from streams.windows import PANE_MS, SITE_QUIET_MS, SLIDE_MS, SLIDING_MS
from streams.windows.checkpoint import Journal
from streams.windows.measures import Measure, outcome_measure, sliding_measures, tumbling_measures
from streams.windows.partials import Counts, PanePart, SitePartial, SlidingPart
from streams.windows.sliding import last_panes, window_ends
from streams.windows.totals import CountTotals, WindowTotals, grow
from tidemark.results import METRICS, MetricUpdate

Part = TypeVar("Part", PanePart, SlidingPart)

#: Before every window's end.
NEVER = -(2**62)

#: An entry of a checkpoint: what it holds, the site, the end of the window (0: none).
EntryKey = tuple[str, str, int]
LAST_TIME, PANE, SLIDING, URLS, COUNTRIES, OUTCOMES = "site", "pane", "sliding", "urls", "countries", "outcomes"

_panes = msgspec.json.Decoder(dict[int, tuple[int, PanePart]])
_sliding = msgspec.json.Decoder(dict[int, tuple[int, SlidingPart]])
_counts = msgspec.json.Decoder(dict[int, Counts])


class SiteTotals:
    """One site's open windows: panes (5 s) and sliding windows (60 s) by their ends, with urls and countries."""

    def __init__(self, site: str, journal: Journal) -> None:
        self.site = site
        #: The newest accepted event's time (ms) in the windows that are final; None before the first.
        self.last_time: int | None = None
        self._journal = journal
        self._panes: dict[int, WindowTotals[PanePart]] = {}
        self._sliding: dict[int, WindowTotals[SlidingPart]] = {}
        # A pane's urls by partition, and each sliding window's as the growth of its panes'.
        self._pane_urls: dict[int, CountTotals] = {}
        self._urls: dict[int, Counts] = {}
        self._countries: dict[int, CountTotals] = {}
        self._outcomes: dict[int, CountTotals] = {}
        # The panes whose urls are in the journal.
        self._url_ends: set[int] = set()
        self._changed: set[tuple[bool, int]] = set()

    def add(self, partial: SitePartial, boundary: int | None) -> None:
        """Take a partition's partial, but for windows that end at the boundary or before: they are final."""
        since = NEVER if boundary is None else boundary
        self._put(PANE, self._panes, partial.panes, partial, since)
        self._put(SLIDING, self._sliding, partial.sliding, partial, since)
        # Counts change a window's results when the sums they belong to come, with them or after them.
        for end, counts in partial.countries.items():
            if end > since:
                self._add_counts(COUNTRIES, self._countries, end, partial.partition, counts)
        for end, counts in partial.outcomes.items():
            if end > since:
                self._add_counts(OUTCOMES, self._outcomes, end, partial.partition, counts)
        for end, counts in partial.urls.items():
            if end > since:
                self._add_urls(end, partial.partition, counts)

    def _put(
        self, kind: str, windows: dict[int, WindowTotals[Part]], parts: list[Part], partial: SitePartial, since: int
    ) -> None:
        for part in parts:
            end = part.end
            if end > since:
                window = windows.get(end)
                if window is None:
                    window = windows[end] = WindowTotals()
                if window.put(partial.partition, partial.revision, part):
                    self._changed.add((kind == SLIDING, end))
                    self._journal.put((kind, self.site, end), window.by_partition)

    def _add_counts(self, kind: str, windows: dict[int, CountTotals], end: int, partition: int, counts: Counts) -> None:
        totals = windows.get(end)
        if totals is None:
            totals = windows[end] = CountTotals()
        if totals.put(partition, counts):
            self._journal.put((kind, self.site, end), totals.by_partition)

    def _add_urls(self, pane_end: int, partition: int, counts: Counts) -> None:
        urls = self._pane_urls.get(pane_end)
        if urls is None:
            urls = self._pane_urls[pane_end] = CountTotals()
        growth = urls.put(partition, counts)
        if growth:
            self._journal.put((URLS, self.site, pane_end), urls.by_partition)
            self._url_ends.add(pane_end)
        self._grow_urls(pane_end, growth, NEVER)

    def _grow_urls(self, pane_end: int, growth: Counts, boundary: int) -> None:
        """Add to the urls of the windows over a pane that end after the boundary."""
        for end in window_ends(pane_end):
            if end > boundary:
                totals = self._urls.get(end)
                if totals is None:
                    self._urls[end] = growth.copy()
                else:
                    grow(totals, growth)

    def restore(self, kind: str, end: int, value: bytes, boundary: int) -> None:
        """Take an entry of a checkpoint that was made at this boundary."""
        match kind:
            case "site":
                self.last_time = msgspec.json.decode(value, type=int)
            case "pane":
                self._panes[end] = WindowTotals(_panes.decode(value))
            case "sliding":
                self._sliding[end] = WindowTotals(_sliding.decode(value))
            case "countries":
                self._countries[end] = _restored(_counts.decode(value))
            case "outcomes":
                self._outcomes[end] = _restored(_counts.decode(value))
            case "urls":
                self._restore_urls(end, _restored(_counts.decode(value)), boundary)

    def _restore_urls(self, pane_end: int, urls: CountTotals, boundary: int) -> None:
        self._url_ends.add(pane_end)
        if pane_end > boundary:
            self._pane_urls[pane_end] = urls
        self._grow_urls(pane_end, urls.totals, boundary)

    def open_ends(self) -> set[int]:
        """Return the ends of all windows that hold something."""
        return {*self._panes, *self._sliding, *self._urls, *self._countries, *self._outcomes, *self._pane_urls}

    def early(self) -> Iterator[MetricUpdate]:
        """Yield the results of open windows that changed since the last call."""
        changed, self._changed = self._changed, set()
        for is_sliding, end in sorted(changed, key=lambda window: window[1]):
            if is_sliding and end in self._sliding:
                sliding = self._sliding[end]
                revision = sliding.revision
                for measure in sliding.changes(self._sliding_measures(end)):
                    yield self._update(measure, end, SLIDING_MS, final=False, revision=revision)
            elif not is_sliding and end in self._panes:
                pane = self._panes[end]
                revision = pane.revision
                for measure in pane.changes(tumbling_measures(pane.parts)):
                    yield self._update(measure, end, PANE_MS, final=False, revision=revision)

    def close(self, end: int, revision: int) -> Iterator[MetricUpdate]:
        """Yield the site's finals of the windows that end at ``end``, and forget them."""
        pane = self._panes.pop(end, None)
        parts = pane.parts if pane else []
        outcomes = self._outcomes.pop(end, None)
        self._pane_urls.pop(end, None)
        self._close_entries(end)
        for part in parts:
            self.last_time = max(part.last_time, self.last_time or 0)
            self._journal.put((LAST_TIME, self.site, 0), self.last_time)
        is_live = self._is_live(end - PANE_MS)
        if is_live:
            for measure in tumbling_measures(parts):
                yield self._update(measure, end, PANE_MS, final=True, revision=revision)
        if is_live or outcomes is not None:
            measure = outcome_measure(outcomes.totals if outcomes is not None else {})
            yield self._update(measure, end, PANE_MS, final=True, revision=revision)
        if end % SLIDE_MS == 0:
            if self._is_live(end - SLIDING_MS):
                for measure in self._sliding_measures(end):
                    yield self._update(measure, end, SLIDING_MS, final=True, revision=revision)
            for windows in (self._sliding, self._urls, self._countries):
                windows.pop(end, None)

    def _close_entries(self, end: int) -> None:
        for kind in (PANE, SLIDING, COUNTRIES, OUTCOMES):
            self._journal.drop((kind, self.site, end))
        if end % SLIDE_MS:
            return
        # A pane's urls are needed until the last window over it closes: later windows are made of them anew.
        for pane_end in self._url_ends.intersection(last_panes(end)):
            self._url_ends.discard(pane_end)
            self._journal.drop((URLS, self.site, pane_end))

    def is_over(self, end: int) -> bool:
        """Say whether the site has no open window and gets no final after ``end``, not even zeros.

        Counts may come a record before the sums they belong to: a window that has only these is open too.
        """
        return not self.gets_zeros(end) and not self.open_ends()

    def gets_zeros(self, end: int) -> bool:
        """Say whether the site gets finals after ``end`` although nothing more comes."""
        return self._is_live(end + PANE_MS - SLIDING_MS)

    def forget(self) -> None:
        """Leave no entry of a site that is over."""
        self._journal.drop((LAST_TIME, self.site, 0))

    def _is_live(self, window_start: int) -> bool:
        return self.last_time is not None and window_start - self.last_time < SITE_QUIET_MS

    def _sliding_measures(self, end: int) -> Iterable[Measure]:
        sliding = self._sliding.get(end)
        countries = self._countries.get(end)
        return sliding_measures(
            sliding.parts if sliding else [], self._urls.get(end, {}), countries.totals if countries else {}
        )

    def _update(self, measure: Measure, end: int, length: int, *, final: bool, revision: int) -> MetricUpdate:
        return MetricUpdate(
            site_id=self.site,
            metric=measure.metric,
            window_type=METRICS[measure.metric],
            window_start=end - length,
            window_end=end,
            value=measure.value,
            count=measure.count,
            dimensions=measure.dimensions,
            final=final,
            revision=revision,
            emitted_at=0,
        )


def count_windows(keys: Iterable[bytes]) -> int:
    """Return how many windows the entries with these keys hold sums of; a window of several sites is one."""
    decoded = (msgspec.json.decode(key, type=EntryKey) for key in keys)
    return len({(kind, end) for kind, _, end in decoded if kind in (PANE, SLIDING)})


def _restored(by_partition: dict[int, Counts]) -> CountTotals:
    totals = CountTotals()
    for partition, counts in by_partition.items():
        totals.put(partition, counts)
    return totals

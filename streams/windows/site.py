"""One site in the merge: what each partition said of its open windows, and the results these add up to."""

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from streams.windows import PANE_MS, SITE_QUIET_MS, SLIDE_MS, SLIDING_MS
from streams.windows.measures import Measure, sliding_measures, tumbling_measures
from streams.windows.partials import Counts, PanePart, SitePartial, SlidingPart
from streams.windows.sliding import window_ends
from tidemark.results import METRICS, MetricUpdate

Part = TypeVar("Part")

#: Before every window's end.
NEVER = -(2**62)


class WindowTotals(Generic[Part]):
    """What the partitions said of one window; each one's newest revision counts."""

    def __init__(self) -> None:
        self._parts: dict[int, tuple[int, Part]] = {}
        self._emitted: dict[str, Measure] = {}

    def put(self, partition: int, revision: int, part: Part) -> bool:
        """Take a part unless this revision of the partition is known, or a newer one; say whether it was taken."""
        known = self._parts.get(partition)
        if known is not None and revision <= known[0]:
            return False
        self._parts[partition] = (revision, part)
        return True

    @property
    def parts(self) -> list[Part]:
        """The newest part of each partition."""
        return [part for _, part in self._parts.values()]

    @property
    def revision(self) -> int:
        """The sum of the offsets the parts stand for: it only grows, and never above its final's."""
        return sum(revision for revision, _ in self._parts.values())

    def changes(self, measures: Iterable[Measure]) -> Iterator[Measure]:
        """Yield the measures that differ from what was yielded before."""
        for measure in measures:
            if self._emitted.get(measure.metric) != measure:
                self._emitted[measure.metric] = measure
                yield measure


class CountTotals:
    """Counts by key (url, country) summed over partitions; each partition's only grow."""

    def __init__(self) -> None:
        self.totals: Counts = {}
        self._known: dict[int, Counts] = {}

    def put(self, partition: int, counts: Counts) -> Counts:
        """Take a partition's whole counts of some keys; return by how much each total grew."""
        known = self._known.setdefault(partition, {})
        growth = {key: count - known.get(key, 0) for key, count in counts.items() if count > known.get(key, 0)}
        known.update((key, counts[key]) for key in growth)
        self.grow(growth)
        return growth

    def grow(self, growth: Counts) -> None:
        """Add to the totals."""
        for key, count in growth.items():
            self.totals[key] = self.totals.get(key, 0) + count


class SiteTotals:
    """One site's open windows: panes (5 s) and sliding windows (60 s) by their ends, with urls and countries."""

    def __init__(self, site: str) -> None:
        self.site = site
        #: The newest accepted event's time (ms) in the windows that are final; None before the first.
        self.last_time: int | None = None
        self._panes: dict[int, WindowTotals[PanePart]] = {}
        self._sliding: dict[int, WindowTotals[SlidingPart]] = {}
        # A pane's urls by partition, and each sliding window's as the growth of its panes'.
        self._pane_urls: dict[int, CountTotals] = {}
        self._urls: dict[int, CountTotals] = {}
        self._countries: dict[int, CountTotals] = {}
        self._changed: set[tuple[bool, int]] = set()

    def add(self, partial: SitePartial, boundary: int | None) -> None:
        """Take a partition's partial, but for windows that end at the boundary or before: they are final."""
        partition, revision = partial.partition, partial.revision
        since = NEVER if boundary is None else boundary
        for part in partial.panes:
            if part.end > since and _at(self._panes, part.end).put(partition, revision, part):
                self._changed.add((False, part.end))
        for window in partial.sliding:
            if window.end > since and _at(self._sliding, window.end).put(partition, revision, window):
                self._changed.add((True, window.end))
        # Counts change a window's results when the sums they belong to come, with them or after them.
        for end, counts in partial.countries.items():
            if end > since:
                self._countries.setdefault(end, CountTotals()).put(partition, counts)
        for end, counts in partial.urls.items():
            if end > since:
                self._add_urls(end, partition, counts)

    def _add_urls(self, pane_end: int, partition: int, counts: Counts) -> None:
        growth = self._pane_urls.setdefault(pane_end, CountTotals()).put(partition, counts)
        for end in window_ends(pane_end):
            self._urls.setdefault(end, CountTotals()).grow(growth)

    def early(self) -> Iterator[MetricUpdate]:
        """Yield the results of open windows that changed since the last call."""
        changed, self._changed = self._changed, set()
        for is_sliding, end in sorted(changed, key=lambda window: window[1]):
            if is_sliding and end in self._sliding:
                sliding = self._sliding[end]
                for measure in sliding.changes(self._sliding_measures(end)):
                    yield self._update(measure, end, SLIDING_MS, final=False, revision=sliding.revision)
            elif not is_sliding and end in self._panes:
                pane = self._panes[end]
                for measure in pane.changes(tumbling_measures(pane.parts)):
                    yield self._update(measure, end, PANE_MS, final=False, revision=pane.revision)

    def close(self, end: int, revision: int) -> Iterator[MetricUpdate]:
        """Yield the site's finals of the windows that end at ``end``, and forget them."""
        pane = self._panes.pop(end, None)
        parts = pane.parts if pane else []
        self._pane_urls.pop(end, None)
        for part in parts:
            self.last_time = max(part.last_time, self.last_time or 0)
        if self._is_live(end - PANE_MS):
            for measure in tumbling_measures(parts):
                yield self._update(measure, end, PANE_MS, final=True, revision=revision)
        if end % SLIDE_MS == 0:
            if self._is_live(end - SLIDING_MS):
                for measure in self._sliding_measures(end):
                    yield self._update(measure, end, SLIDING_MS, final=True, revision=revision)
            for windows in (self._sliding, self._urls, self._countries):
                windows.pop(end, None)

    def is_over(self, end: int) -> bool:
        """Say whether the site has no open window and gets no final after ``end``, not even zeros."""
        return not self._panes and not self._sliding and not self._is_live(end + PANE_MS - SLIDING_MS)

    def _is_live(self, window_start: int) -> bool:
        return self.last_time is not None and window_start - self.last_time < SITE_QUIET_MS

    def _sliding_measures(self, end: int) -> Iterable[Measure]:
        sliding = self._sliding.get(end)
        urls, countries = self._urls.get(end), self._countries.get(end)
        return sliding_measures(
            sliding.parts if sliding else [], urls.totals if urls else {}, countries.totals if countries else {}
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


def _at(windows: dict[int, WindowTotals[Part]], end: int) -> WindowTotals[Part]:
    window = windows.get(end)
    if window is None:
        window = windows[end] = WindowTotals()
    return window

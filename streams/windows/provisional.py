"""One site's open windows as they would be if nothing more came: kept up to date visit by visit."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from streams.windows import PANE_MS, SLIDING_MS
from streams.windows.audience import Audience, Sums
from streams.windows.funnel import Funnel
from streams.windows.held import Held
from streams.windows.pane import Pane
from streams.windows.partials import Counts, PanePart, SlidingPart
from streams.windows.session import Visit, apply, countries_of
from streams.windows.sliding import window_ends
from streams.windows.visitor import Visitor


class PaneTotals:
    """An open pane: the sums over its visits, and its distinct visitors."""

    def __init__(self) -> None:
        self.sums = [0] * 6
        self.changed = False
        self.visitors: set[Visitor] = set()
        self.urls: Counts = {}
        self.changed_urls: set[str] = set()

    def count(self, pane: Pane, sign: int) -> None:
        """Add (1) or take away (−1) what one visit's events are in the pane."""
        self.changed = True
        times = (pane.last_time,) if sign > 0 else ()
        self.sums[0] += sign * pane.page_views
        self.sums[1] += sign * len(pane.visits_before)
        self.sums[2] += sign * pane.visits_with_page_view
        self.sums[3] += sign * pane.bounced
        self.sums[4] += sign * pane.duration_ms
        self.sums[5] = max(self.sums[5], *times) if times else self.sums[5]
        for url, views in pane.urls.items():
            self.urls[url] = self.urls.get(url, 0) + sign * views
        self.changed_urls.update(pane.urls)

    def part(self, end: int) -> PanePart:
        """Return the pane's sums as they go to the merge."""
        page_views, visits, with_page_view, bounced, duration_ms, last_time = self.sums
        return PanePart(end, page_views, len(self.visitors), visits, with_page_view, bounced, duration_ms, last_time)


class Provisional:
    """The open windows of a site. It is made anew whenever a pane has closed; ``add`` tells of each new event."""

    def __init__(self, audience: Audience, closed_until: int, funnel: Funnel) -> None:
        self._audience = audience
        self._closed_until = closed_until
        self._funnel = funnel
        self.panes: dict[int, PaneTotals] = {}
        self._ends = {end for pane_end in audience.panes for end in window_ends(pane_end) if end > closed_until}
        # The sums of each open window (by its end), closed panes included, and the countries that changed in it.
        self._totals: dict[int, Sums] = {}
        self._changed: dict[int, set[str]] = {}
        self._by_visit: dict[Visit, list[Pane]] = {}
        self._seen: dict[tuple[Visitor, str], list[int]] = {}

    def add(self, visit: Visit) -> None:
        """Take the events that a visit holds now, instead of those it held before."""
        for pane in self._by_visit.pop(visit, ()):
            self._count(pane, -1)
        panes = self._by_visit[visit] = []
        shadow = visit.shadow()
        for end, events in _by_pane(visit.held or []):
            pane = Pane(end)
            apply(shadow, events, pane, self._funnel)
            panes.append(pane)
            self._count(pane, 1)
            self._see(visit.visitor, end, countries_of(events))

    def _count(self, pane: Pane, sign: int) -> None:
        totals = self.panes.get(pane.end)
        if totals is None:
            totals = self.panes[pane.end] = PaneTotals()
        totals.count(pane, sign)
        for end in window_ends(pane.end):
            if end > self._closed_until:
                total = self._total(end)
                total.visits += sign * _until(pane.visits_before, end - SLIDING_MS)
                total.converting += sign * _until(pane.conversions_before, end - SLIDING_MS)
                total.revenue_micros += sign * pane.revenue_micros

    def _see(self, visitor: Visitor, end: int, countries: Iterable[str]) -> None:
        if self._is_first(visitor, "", visitor.pane, end):
            self.panes[end].visitors.add(visitor)
        for country in countries:
            self._is_first(visitor, country, visitor.country_seen(country), end)

    def _is_first(self, visitor: Visitor, country: str, closed: int, end: int) -> bool:
        """Count a visitor (in a country) in each window that has not counted them; say if they are new in the pane."""
        seen = self._seen.setdefault((visitor, country), [closed])
        if end in seen:
            return False
        for window_end in window_ends(end):
            if window_end > self._closed_until and not _is_any_in(seen, window_end):
                total = self._total(window_end)
                if country:
                    total.countries[country] = total.countries.get(country, 0) + 1
                    self._changed[window_end].add(country)
                else:
                    total.visitors += 1
        seen.append(end)
        return True

    def _total(self, end: int) -> Sums:
        total = self._totals.get(end)
        if total is None:
            total = self._totals[end] = self._audience.window(end)
            self._changed[end] = set(total.countries)
        return total

    def windows(self, until: int) -> Iterator[tuple[SlidingPart, Counts]]:
        """Yield the sums of each open window that somebody came to, in order, and what changed of its countries.

        Windows that end after ``until`` are left for another time.
        """
        for end in sorted(self._ends | self._totals.keys()):
            if end <= until:
                total = self._total(end)
                changed = self._changed[end]
                yield total.part(end), {country: total.countries[country] for country in changed}
                changed.clear()


def _until(panes: list[int], last: int) -> int:
    """Count the panes that end at ``last`` or before."""
    count = 0
    for pane in panes:
        if pane <= last:
            count += 1
    return count


def _is_any_in(panes: list[int], window_end: int) -> bool:
    for pane in panes:  # noqa: SIM110  (compiled, a loop makes no generator)
        if window_end - SLIDING_MS < pane <= window_end:
            return True
    return False


def _by_pane(held: list[Held]) -> Iterator[tuple[int, list[Held]]]:
    if len(held) == 1:
        yield held[0].time // PANE_MS * PANE_MS + PANE_MS, held
        return
    for start, events in groupby(sorted(held, key=Held.order), key=lambda event: event.time // PANE_MS):
        yield (start + 1) * PANE_MS, list(events)

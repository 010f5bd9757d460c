"""One site's open windows as they would be if nothing more came: kept up to date visit by visit."""

import copy
from collections.abc import Iterable

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
        self.visitors: set[Visitor] = set()
        self.urls: Counts = {}
        self.changed_urls: set[str] = set()

    def count(self, pane: Pane, sign: int) -> None:
        """Add (1) or take away (−1) what one visit's events are in the pane."""
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
    """The open windows of a site. It is made anew whenever a pane has closed; ``add`` tells of each new event.

    ``more`` is what is counted in each open window (by its end) beyond its closed panes; ``changed_countries`` tells
    whose counts there have grown since it was cleared; before it is ``told`` for the first time, all may have.
    """

    def __init__(self, audience: Audience, closed_until: int, funnel: Funnel) -> None:
        self._audience = audience
        self._closed_until = closed_until
        self._funnel = funnel
        self.panes: dict[int, PaneTotals] = {}
        self.more: dict[int, Sums] = {}
        self.changed_countries: dict[int, set[str]] = {}
        self.told = False
        self._closed: dict[int, Sums] = {}
        self._by_visit: dict[Visit, list[Pane]] = {}
        self._seen: dict[tuple[Visitor, str], list[int]] = {}
        self._ends = {end for pane_end in audience.panes for end in window_ends(pane_end) if end > closed_until}

    def add(self, visit: Visit) -> None:
        """Take the events that a visit holds now, instead of those it held before."""
        for pane in self._by_visit.pop(visit, ()):
            self._count(pane, -1)
        panes = self._by_visit[visit] = []
        shadow = copy.copy(visit)
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
            more = self._more(end)
            since = end - SLIDING_MS
            for before in pane.visits_before:
                if before <= since:
                    more.visits += sign
            for before in pane.conversions_before:
                if before <= since:
                    more.converting += sign
            more.revenue_micros += sign * pane.revenue_micros

    def _see(self, visitor: Visitor, end: int, countries: Iterable[str]) -> None:
        for window_end in self._new_in(visitor, "", visitor.pane, end):
            self._more(window_end).visitors += 1
        self.panes[end].visitors.add(visitor)
        for country in countries:
            for window_end in self._new_in(visitor, country, visitor.country_seen(country), end):
                counts = self._more(window_end).countries
                counts[country] = counts.get(country, 0) + 1
                self.changed_countries.setdefault(window_end, set()).add(country)

    def _new_in(self, visitor: Visitor, country: str, closed: int, end: int) -> list[int]:
        """Note a visitor (in a country) in a pane; return the windows around it that have not counted them yet."""
        seen = self._seen.get((visitor, country))
        if seen is None:
            seen = self._seen[visitor, country] = [closed]
        if end in seen:
            return []
        new = []
        for window_end in window_ends(end):
            since = window_end - SLIDING_MS
            for pane in seen:
                if since < pane <= window_end:
                    break
            else:
                new.append(window_end)
        seen.append(end)
        return new

    def _more(self, end: int) -> Sums:
        more = self.more.get(end)
        if more is None:
            more = self.more[end] = Sums()
        return more

    def closed(self, end: int) -> Sums:
        """Return the sums over the closed panes of a window."""
        sums = self._closed.get(end)
        if sums is None:
            sums = self._closed[end] = self._audience.window(end)
        return sums

    def window_ends(self) -> list[int]:
        """Return the ends of the open windows that somebody came to, in order."""
        return sorted(self._ends.union(end for end in self.more if end > self._closed_until))

    def window(self, end: int) -> SlidingPart:
        """Return the sums of an open window."""
        closed, more = self.closed(end), self.more.get(end) or _NOTHING
        return SlidingPart(
            end,
            closed.visitors + more.visitors,
            closed.visits + more.visits,
            closed.converting + more.converting,
            closed.revenue_micros + more.revenue_micros,
        )

    def all_countries(self, end: int) -> set[str]:
        """Return the countries with visitors in an open window."""
        closed = {country for country, visitors in self.closed(end).countries.items() if visitors}
        return closed.union(self.more[end].countries) if end in self.more else closed

    def countries(self, end: int, of: Iterable[str]) -> Counts:
        """Return the visitors of an open window in some countries."""
        closed, more = self.closed(end).countries, (self.more.get(end) or _NOTHING).countries
        return {country: closed.get(country, 0) + more.get(country, 0) for country in of}


_NOTHING = Sums()


def _by_pane(held: list[Held]) -> Iterable[tuple[int, list[Held]]]:
    if len(held) == 1:
        time = held[0][0]
        return [(time - time % PANE_MS + PANE_MS, held)]
    panes: dict[int, list[Held]] = {}
    for event in sorted(held):
        time = event[0]
        panes.setdefault(time - time % PANE_MS + PANE_MS, []).append(event)
    return panes.items()

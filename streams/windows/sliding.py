"""60 s windows every 10 s as unions of one site's panes in one partition."""

from collections.abc import Iterable

from streams.windows import PANE_MS, SLIDE_MS, SLIDING_MS
from streams.windows.exact import ceil_to
from streams.windows.pane import Audience, Pane
from streams.windows.partials import Counts, SlidingPart


def window_ends(pane_end: int) -> range:
    """Return the ends of the six windows [end − 60 s, end) that contain the pane."""
    first = ceil_to(pane_end, SLIDE_MS)
    return range(first, first + SLIDING_MS, SLIDE_MS)


class SlidingWindows:
    """One site's closed panes, as long as an open window needs them."""

    def __init__(self) -> None:
        self._panes: dict[int, Pane] = {}
        # The union of a window's closed panes: made for the first early result, then kept up to date.
        self._unions: dict[int, Audience] = {}
        self._closed_until: int | None = None

    def add(self, pane: Pane) -> None:
        """Take a pane that has closed."""
        self._panes[pane.end] = pane
        for end in window_ends(pane.end):
            union = self._unions.get(end)
            if union is not None:
                union.add(pane.audience)

    def close(self, end: int) -> tuple[SlidingPart, Counts] | None:
        """Return the window's sums and its visitors by country (None if nobody came) and let go of old panes."""
        union = self._unions.pop(end, None) or self._union(end)
        self._closed_until = end
        for pane_end in [pane_end for pane_end in self._panes if pane_end <= end - SLIDING_MS + SLIDE_MS]:
            del self._panes[pane_end]
        return _part(end, union, []) if union.visitors else None

    def early(self, end: int, open_panes: Iterable[Pane]) -> tuple[SlidingPart, Counts]:
        """Return what the window would be if nothing more came; of ``open_panes`` those that lie in it count."""
        union = self._unions.get(end)
        if union is None:
            union = self._unions[end] = self._union(end)
        inside = [pane.audience for pane in open_panes if end in window_ends(pane.end)]
        return _part(end, union, inside)

    def open_ends(self, open_panes: Iterable[Pane]) -> list[int]:
        """Return the ends of all open windows that somebody came to, in order."""
        pane_ends = {*self._panes, *(pane.end for pane in open_panes)}
        ends = {end for pane_end in pane_ends for end in window_ends(pane_end)}
        return sorted(end for end in ends if self._closed_until is None or end > self._closed_until)

    def is_empty(self) -> bool:
        """Say whether no open window has a closed pane any more."""
        return not self._panes

    def _union(self, end: int) -> Audience:
        union = Audience()
        for pane_end in range(end - SLIDING_MS + PANE_MS, end + PANE_MS, PANE_MS):
            pane = self._panes.get(pane_end)
            if pane is not None:
                union.add(pane.audience)
        return union


def _part(end: int, closed: Audience, still_open: list[Audience]) -> tuple[SlidingPart, Counts]:
    """Count the union without copying the large, closed side of it."""
    more = Audience()
    for audience in still_open:
        more.add(audience)
    part = SlidingPart(
        end,
        _united(closed.visitors, more.visitors),
        _united(closed.visits, more.visits),
        _united(closed.converting, more.converting),
        closed.revenue_micros + more.revenue_micros,
    )
    nobody: set[str] = set()
    countries = {
        country: _united(closed.by_country.get(country, nobody), more.by_country.get(country, nobody))
        for country in closed.by_country.keys() | more.by_country.keys()
    }
    return part, countries


def _united(large: set[str], small: set[str]) -> int:
    return len(large) + len(small - large)

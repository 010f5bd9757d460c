"""One site in one partition: its visitors and visits, and its closed panes as long as a sliding window needs them.

A sliding window must count nobody twice. So a pane's sums hold only those whose *last* event is in it: when somebody
comes back they move to the newer pane, and the sum over a window's panes is the number of distinct ones.
"""

from mypy_extensions import mypyc_attr

from streams.windows import PANE_MS, SLIDING_MS
from streams.windows.pane import Pane
from streams.windows.partials import Counts, SlidingPart
from streams.windows.session import Visit
from streams.windows.sliding import window_ends
from streams.windows.visitor import Visitor


@mypyc_attr(acyclic=True)
class Sums:
    """Who was last seen in a closed pane: visitors (by country too), visits, converting visits; and its revenue."""

    def __init__(self) -> None:
        self.visitors = 0
        self.visits = 0
        self.converting = 0
        self.revenue_micros = 0
        self.countries: Counts = {}

    def add(self, other: "Sums") -> None:
        """Add those of another pane."""
        self.visitors += other.visitors
        self.visits += other.visits
        self.converting += other.converting
        self.revenue_micros += other.revenue_micros
        for country, visitors in other.countries.items():
            if visitors:
                self.countries[country] = self.countries.get(country, 0) + visitors

    def part(self, end: int) -> SlidingPart:
        """Return the sums of the window that ends at ``end`` as they go to the merge."""
        return SlidingPart(end, self.visitors, self.visits, self.converting, self.revenue_micros)


class Audience:
    """The state of one site. ``panes`` holds the sums of its closed panes by their ends (ms)."""

    __slots__ = ("changed", "more_visits", "panes", "saved", "site", "visitors", "visits")

    def __init__(self, site: str) -> None:
        self.site = site
        #: By visitor; most have one session at a time. The others' further ones by visitor and session id.
        self.visits: dict[str, Visit] = {}
        self.more_visits: dict[tuple[str, str], Visit] = {}
        self.visitors: dict[str, Visitor] = {}
        self.panes: dict[int, Sums] = {}
        #: For the checkpoint: the panes have changed since, and it holds an entry of them.
        self.changed = False
        self.saved = False

    def visitor(self, name: str) -> Visitor:
        """Return the visitor of this name, a new one if need be."""
        visitor = self.visitors.get(name)
        if visitor is None:
            visitor = self.visitors[name] = Visitor(name)
        return visitor

    def visit(self, name: str, session_id: str) -> Visit:
        """Return the place of a session id's events, a new one if need be."""
        first = self.visits.get(name)
        if first is not None and first.session_id == session_id:
            return first
        found = self.more_visits.get((name, session_id)) if self.more_visits else None
        if found is None:
            visitor = self.visitor(name)
            visitor.visits += 1
            found = Visit(self.site, session_id, visitor)
            if first is None:
                self.visits[visitor.name] = found
            else:
                self.more_visits[visitor.name, session_id] = found
        return found

    def leave(self, visit: Visit) -> None:
        """Let go of a visit that is over, and of its visitor if nothing else needs them."""
        visitor = visit.visitor
        if self.visits.get(visitor.name) is visit:
            del self.visits[visitor.name]
        else:
            del self.more_visits[visitor.name, visit.session_id]
        visitor.visits -= 1
        if not visitor.visits and not visitor.listed:
            del self.visitors[visitor.name]

    def close(self, pane: Pane) -> None:
        """Take the sums of a pane that has closed; who was counted in an older one moves to it."""
        closed = Sums()
        closed.visitors = len(pane.visitors_before)
        closed.visits = len(pane.visits_before)
        closed.converting = len(pane.conversions_before)
        closed.revenue_micros = pane.revenue_micros
        closed.countries = {country: len(before) for country, before in pane.countries_before.items()}
        for end in pane.visitors_before:
            if end in self.panes:
                self.panes[end].visitors -= 1
        for end in pane.visits_before:
            if end in self.panes:
                self.panes[end].visits -= 1
        for end in pane.conversions_before:
            if end in self.panes:
                self.panes[end].converting -= 1
        for country, before in pane.countries_before.items():
            for end in before:
                if end in self.panes:
                    self.panes[end].countries[country] -= 1
        self.panes[pane.end] = closed
        self.changed = True

    def window(self, end: int) -> Sums:
        """Return the sums over the closed panes of the 60 s window that ends at ``end`` (ms)."""
        total = Sums()
        for pane_end in range(end - SLIDING_MS + PANE_MS, end + PANE_MS, PANE_MS):
            sums = self.panes.get(pane_end)
            if sums is not None:
                total.add(sums)
        return total

    def close_window(self, end: int) -> Sums:
        """Return the window's sums, and forget the panes that no later window needs."""
        total = self.window(end)
        self.forget_panes(end)
        return total

    def forget_panes(self, now: int) -> None:
        """Forget the panes that no window that ends after ``now`` needs."""
        for pane_end in [pane_end for pane_end in self.panes if window_ends(pane_end)[-1] <= now]:
            del self.panes[pane_end]
            self.changed = True

    def forget(self, visitor: Visitor) -> None:
        """Let go of a visitor whom nothing needs."""
        del self.visitors[visitor.name]

    def is_over(self) -> bool:
        """Say whether nothing of the site is open or remembered any more."""
        return not self.visitors and not self.panes

"""BOUNCE_5M: visitors who viewed exactly one page of a site in a 5 min window; an alert each when it closes."""

from collections.abc import Iterator, Mapping

from streams.windows import BOUNCE_MS
from streams.windows.audience import Audience
from streams.windows.session import stable_id
from streams.windows.sliding import window_ends
from streams.windows.visitor import Visitor
from tidemark.results import HIGH_BOUNCE_RATE, MEDIUM, Alert


class BounceWindow:
    """The one open 5 min window of a partition: panes are applied in order, so a second never opens beside it."""

    def __init__(self) -> None:
        #: Who has an event in the window, or has nothing but a pane that a sliding window still needs.
        self.visitors: list[tuple[str, Visitor]] = []

    def list(self, site: str, visitor: Visitor) -> None:
        """Take note of a visitor who is not listed yet; their ``page_views`` count from now on."""
        visitor.listed = True
        self.visitors.append((site, visitor))

    def alerts(self, end: int) -> Iterator[Alert]:
        """Yield the alerts of the window, which ends at ``end`` (ms)."""
        for site, visitor in self.visitors:
            if visitor.page_views == 1:
                yield _alert(site, visitor.name, end)

    def close(self, end: int, audiences: Mapping[str, Audience]) -> set[str]:
        """Begin the next window; let go of the visitors that nothing needs and return their sites."""
        sites = set()
        closed, self.visitors = self.visitors, []
        for site, visitor in closed:
            visitor.page_views = 0
            if window_ends(visitor.pane)[-1] > end:
                self.visitors.append((site, visitor))  # visits or not: what is open of them may end before that window
                continue
            visitor.listed = False
            if not visitor.visits:
                audiences[site].forget(visitor)
                sites.add(site)
        return sites


def _alert(site: str, visitor: str, end: int) -> Alert:
    start = end - BOUNCE_MS
    return Alert(
        alert_id=stable_id(HIGH_BOUNCE_RATE, site, visitor, str(start)),
        alert_type=HIGH_BOUNCE_RATE,
        severity=MEDIUM,
        title="High bounce rate",
        description=f"{visitor} viewed exactly one page of {site} in 5 minutes",
        site_id=site,
        user_id=visitor,
        window_start=start,
        window_end=end,
        timestamp=end,
    )

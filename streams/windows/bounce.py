"""BOUNCE_5M: visitors who viewed exactly one page of a site in a 5 min window; an alert each when it closes."""

from collections.abc import Iterator

from streams.windows import BOUNCE_MS
from streams.windows.session import stable_id
from tidemark.results import HIGH_BOUNCE_RATE, MEDIUM, Alert


class BounceWindows:
    """Page views by (site, visitor) in each open 5 min window [end − 5 min, end) of one partition."""

    def __init__(self) -> None:
        self._page_views: dict[int, dict[tuple[str, str], int]] = {}

    def count(self, window_end: int, site: str, visitor: str, page_views: int) -> None:
        """Count a visitor's page views on a site."""
        window = self._page_views.setdefault(window_end, {})
        window[site, visitor] = window.get((site, visitor), 0) + page_views

    def close(self, end: int) -> Iterator[Alert]:
        """Yield the alerts of the window and forget it."""
        for (site, visitor), page_views in self._page_views.pop(end, {}).items():
            if page_views == 1:
                yield _alert(site, visitor, end)

    def is_empty(self) -> bool:
        """Say whether no window is open."""
        return not self._page_views


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

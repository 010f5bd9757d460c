"""One site's 5 s pane in one partition: what the events that are applied to it add up to."""

from collections.abc import Iterable

from streams.windows.partials import Counts, PanePart
from streams.windows.visitor import Visitor


class Pane:
    """What happened on one site in one pane [end − 5 s, end), from events that are applied in order.

    ``visitors_before``, ``visits_before`` and ``conversions_before`` hold, for each visitor and visit with an event (a
    CONVERSION) here, the pane that had their last one until now, ``countries_before`` likewise by country: so a window
    can tell whom it has counted already.
    """

    __slots__ = (
        "accepted", "bounced", "conversions_before", "countries_before", "duration_ms", "end", "last_time",
        "page_views", "revenue_micros", "urls", "visitors_before", "visits_before", "visits_with_page_view",
    )  # fmt: skip

    def __init__(self, end: int) -> None:
        self.end = end
        self.accepted = 0
        self.urls: Counts = {}
        self.page_views = 0
        self.visitors_before: list[int] = []
        self.countries_before: dict[str, list[int]] = {}
        self.visits_before: list[int] = []
        self.conversions_before: list[int] = []
        self.visits_with_page_view = 0
        self.bounced = 0
        self.duration_ms = 0
        self.revenue_micros = 0
        self.last_time = 0

    def see(self, visitor: Visitor, countries: Iterable[str]) -> None:
        """Count a visitor who has an event here, also in the countries of the events."""
        if visitor.pane != self.end:
            self.visitors_before.append(visitor.pane)
            visitor.pane = self.end
        for country in countries:
            before = visitor.move(country, self.end)
            if before != self.end:
                self.countries_before.setdefault(country, []).append(before)

    def count_conversion(self, revenue_micros: int, before: int) -> None:
        """Count a CONVERSION's value, and its visit unless the last CONVERSION was in this pane too."""
        self.revenue_micros += revenue_micros
        if before != self.end:
            self.conversions_before.append(before)

    def count_visit(self, before: int, page_views: int, duration_ms: int, last_time: int) -> None:
        """Count a visit with an event in the pane, as of the pane's end; once a visit."""
        self.visits_before.append(before)
        self.duration_ms += duration_ms
        if page_views:
            self.visits_with_page_view += 1
            self.bounced += page_views == 1
        self.last_time = max(self.last_time, last_time)

    def part(self) -> PanePart:
        """Return the pane's sums as they go to the merge."""
        return PanePart(
            self.end,
            self.page_views,
            len(self.visitors_before),
            len(self.visits_before),
            self.visits_with_page_view,
            self.bounced,
            self.duration_ms,
            self.last_time,
        )

"""One site's 5 s pane in one partition: what the events that are applied to it add up to."""

from streams.windows.partials import Counts, PanePart
from tidemark.events import Event


class Pane:
    """What happened on one site in one pane [end − 5 s, end), from events that are applied in order.

    ``visits_before`` and ``conversions_before`` hold, for each visit with an event (a CONVERSION) here, the pane that
    had its last one until now: so a window can tell whom it has counted already.
    """

    __slots__ = (
        "bounced", "conversions_before", "duration_ms", "end", "last_time", "page_views", "revenue_micros", "urls",
        "visitors", "visits_before", "visits_with_page_view",
    )  # fmt: skip

    def __init__(self, end: int) -> None:
        self.end = end
        self.urls: Counts = {}
        self.page_views = 0
        self.visitors = 0
        self.visits_before: list[int] = []
        self.conversions_before: list[int] = []
        self.visits_with_page_view = 0
        self.bounced = 0
        self.duration_ms = 0
        self.revenue_micros = 0
        self.last_time = 0

    def count_conversion(self, event: Event, before: int) -> None:
        """Count a CONVERSION's value, and its visit unless the last CONVERSION was in this pane too."""
        self.revenue_micros += event.revenue_micros
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
            self.visitors,
            len(self.visits_before),
            self.visits_with_page_view,
            self.bounced,
            self.duration_ms,
            self.last_time,
        )

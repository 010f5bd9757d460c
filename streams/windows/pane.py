"""One site's 5 s pane: who was there and what they did; tumbling results are a pane's, sliding ones a union's."""

from streams.windows.partials import Counts, PanePart
from tidemark.events import Event


class Audience:
    """Who was there: sets, so that panes are united without counting anyone twice."""

    __slots__ = ("by_country", "converting", "revenue_micros", "visitors", "visits")

    def __init__(self) -> None:
        self.visitors: set[str] = set()
        self.visits: set[str] = set()
        self.converting: set[str] = set()
        self.by_country: dict[str, set[str]] = {}
        self.revenue_micros = 0

    def add(self, other: "Audience") -> None:
        """Unite with another audience."""
        self.visitors |= other.visitors
        self.visits |= other.visits
        self.converting |= other.converting
        self.revenue_micros += other.revenue_micros
        for country, visitors in other.by_country.items():
            known = self.by_country.get(country)
            if known is None:
                self.by_country[country] = set(visitors)
            else:
                known |= visitors


class Pane:
    """What happened on one site in one pane [end − 5 s, end), from events that are applied in order."""

    __slots__ = (
        "audience", "bounced", "duration_ms", "end", "last_time", "page_views", "urls", "visits",
        "visits_with_page_view",
    )  # fmt: skip

    def __init__(self, end: int) -> None:
        self.end = end
        self.audience = Audience()
        self.urls: Counts = {}
        self.page_views = 0
        self.visits = 0
        self.visits_with_page_view = 0
        self.bounced = 0
        self.duration_ms = 0
        self.last_time = 0

    def count_page_view(self, url: str) -> None:
        """Count a PAGE_VIEW of this url."""
        self.page_views += 1
        self.urls[url] = self.urls.get(url, 0) + 1

    def count_conversion(self, visit_id: str, event: Event) -> None:
        """Count a CONVERSION and its value."""
        self.audience.converting.add(visit_id)
        self.audience.revenue_micros += event.revenue_micros

    def count_visit(self, visit_id: str, page_views: int, duration_ms: int, last_time: int) -> None:
        """Count a visit with an event in the pane, as of the pane's end; once a visit."""
        self.audience.visits.add(visit_id)
        self.visits += 1
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
            len(self.audience.visitors),
            self.visits,
            self.visits_with_page_view,
            self.bounced,
            self.duration_ms,
            self.last_time,
        )

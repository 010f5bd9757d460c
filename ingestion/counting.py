"""What became of the events, counted by site: a bounded number of sites, whatever anybody makes up."""

from prometheus_client import Counter

from monitoring.metrics import INGESTION_EVENTS
from tidemark.topics import BOTS, EVENTS

MAX_SITES = 1_000
#: The site of what was refused before its site was known; and of all sites above the bound.
UNKNOWN, OTHERS = "", "(others)"
_OUTCOMES = {EVENTS.name: "accepted", BOTS.name: "bot"}


class Counts:
    """Counts one event at a time; the metric's children are looked up once."""

    def __init__(self) -> None:
        self._sites: set[str] = set()
        self._children: dict[tuple[str, str], Counter] = {}

    def add(self, site: str | None, outcome: str) -> None:
        """Count an event: ``outcome`` is the topic it went to, or the reason why it was refused."""
        name = self._bounded(site)
        child = self._children.get((name, outcome))
        if child is None:
            child = INGESTION_EVENTS.labels(name, _OUTCOMES.get(outcome, outcome.lower()))
            self._children[name, outcome] = child
        child.inc()

    def _bounded(self, site: str | None) -> str:
        if site is None:
            return UNKNOWN
        if site not in self._sites:
            if len(self._sites) >= MAX_SITES:
                return OTHERS
            self._sites.add(site)
        return site

"""What became of the events, counted by site: a bounded number of sites, whatever anybody makes up."""

import collections
from collections.abc import Iterable

from prometheus_client import Counter

from monitoring.metrics import INGESTION_EVENTS
from tidemark.topics import BOTS, EVENTS

MAX_SITES = 1_000
#: The site of what was refused before its site was known; and of all sites above the bound.
UNKNOWN, OTHERS = "", "(others)"
_OUTCOMES = {EVENTS.name: "accepted", BOTS.name: "bot"}


class Counts:
    """Counts events; the metric's children are looked up once."""

    def __init__(self) -> None:
        self._sites: set[str] = set()
        self._children: dict[tuple[str, str], Counter] = {}

    def add(self, outcomes: Iterable[tuple[str | None, str]]) -> None:
        """Count events by site (None: not known) and the topic they went to, or the reason why they were refused.

        At once, because each step of a counter that several processes share costs as much as reading an event.
        """
        for (site, outcome), events in collections.Counter(outcomes).items():
            self._child(self._bounded(site), outcome).inc(events)

    def _child(self, site: str, outcome: str) -> Counter:
        child = self._children.get((site, outcome))
        if child is None:
            child = INGESTION_EVENTS.labels(site, _OUTCOMES.get(outcome, outcome.lower()))
            self._children[site, outcome] = child
        return child

    def _bounded(self, site: str | None) -> str:
        if site is None:
            return UNKNOWN
        if site not in self._sites:
            if len(self._sites) >= MAX_SITES:
                return OTHERS
            self._sites.add(site)
        return site

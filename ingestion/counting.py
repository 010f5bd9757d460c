"""What became of the events, counted by site: a bounded number of sites, whatever anybody makes up."""

import collections
import secrets
from collections.abc import Callable, Iterable

from prometheus_client import Counter

from monitoring.metrics import INGESTION_EVENTS
from tidemark.counts import ACCEPTED, BOT, DoorCounts
from tidemark.topics import BOTS, EVENTS

MAX_SITES = 1_000
#: The site of what was refused before its site was known; and of all sites above the bound.
UNKNOWN, OTHERS = "", "(others)"
_OUTCOMES = {EVENTS.name: ACCEPTED, BOTS.name: BOT}
_NS_PER_MS = 1_000_000


class Counts:
    """Counts events: for Prometheus, whose children are looked up once, and for whoever takes what is new.

    A site that is ``known`` has counts of its own whatever happens, others have if they come before the bound.
    """

    def __init__(self, known: Callable[[str], bool]) -> None:
        self._known = known
        self._sites: set[str] = set()
        self._children: dict[tuple[str, str], Counter] = {}
        self._new: collections.Counter[tuple[str, str]] = collections.Counter()
        # Two workers that tell in the same ms must not tell in the same ns.
        self._time_ns = secrets.randbelow(_NS_PER_MS)

    def add(self, outcomes: Iterable[tuple[str | None, str]]) -> None:
        """Count events by site (None: not known) and the topic they went to, or the reason why they were refused.

        At once, because each step of a counter that several processes share costs as much as reading an event.
        """
        found: dict[tuple[str | None, str], int] = {}
        for one in outcomes:
            found[one] = found.get(one, 0) + 1
        for (site, outcome), events in found.items():
            key = self._bounded(site), _OUTCOMES.get(outcome, outcome.lower())
            self._child(key).inc(events)
            self._new[key] += events

    def take(self, now: int) -> list[DoorCounts]:
        """Hand out what is new since the last time, by site; ``now`` in ms. No two times are the same."""
        ms = max(now, self._time_ns // _NS_PER_MS + 1)
        self._time_ns = ms * _NS_PER_MS + self._time_ns % _NS_PER_MS
        by_site: dict[str, dict[str, int]] = {}
        for (site, outcome), events in self._new.items():
            by_site.setdefault(site, {})[outcome] = events
        self._new.clear()
        return [DoorCounts(site, self._time_ns, events) for site, events in by_site.items()]

    def give_back(self, told: Iterable[DoorCounts]) -> None:
        """Count again as new what was taken and got nowhere."""
        for one in told:
            self._new.update({(one.site_id, outcome): events for outcome, events in one.events.items()})

    def _child(self, key: tuple[str, str]) -> Counter:
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = INGESTION_EVENTS.labels(*key)
        return child

    def _bounded(self, site: str | None) -> str:
        if site is None:
            return UNKNOWN
        if site not in self._sites:
            if len(self._sites) >= MAX_SITES and not self._known(site):
                return OTHERS
            self._sites.add(site)
        return site

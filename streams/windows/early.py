"""Early results of one partition: what the open windows would be if nothing more came; derived, never needed."""

import copy
from collections.abc import Iterator, Mapping

from streams.windows.funnel import Funnel
from streams.windows.pane import Pane
from streams.windows.partials import Counts, SitePartial
from streams.windows.session import Held, Visit, VisitKey, apply
from streams.windows.sliding import SlidingWindows
from streams.windows.visits import OpenVisits

HeldEvents = Mapping[int, Mapping[str, Mapping[VisitKey, list[Held]]]]


class EarlyResults:
    """Remembers which sites changed, and which counts the merge was told, so that only changes are sent."""

    def __init__(self) -> None:
        self.changed: set[str] = set()
        self._sent_urls: dict[str, dict[int, Counts]] = {}
        self._sent_countries: dict[str, dict[int, Counts]] = {}

    def take(
        self,
        partition: int,
        revision: int,
        held: HeldEvents,
        visits: OpenVisits,
        sliding: Mapping[str, SlidingWindows],
        funnel: Funnel,
    ) -> Iterator[SitePartial]:
        """Yield a partial for each site that changed since the last call and has open windows."""
        sites, self.changed = self.changed, set()
        for site in sites:
            panes = provisional_panes(site, held, visits, funnel)
            windows = sliding.get(site) or SlidingWindows()
            if panes or not windows.is_empty():
                yield self._partial(site, partition, revision, panes, windows)

    def unsent_urls(self, site: str, pane: Pane) -> Counts:
        """Return the closed pane's url counts that the merge does not know yet, and forget the pane."""
        known = self._sent_urls.get(site, {}).pop(pane.end, {})
        return _differing(pane.urls, known)

    def unsent_countries(self, site: str, end: int, countries: Counts) -> Counts:
        """Return the closed window's country counts that the merge does not know yet, and forget the window."""
        known = self._sent_countries.get(site, {}).pop(end, {})
        return _differing(countries, known)

    def forget(self, site: str) -> None:
        """Forget a site that has no open window."""
        self._sent_urls.pop(site, None)
        self._sent_countries.pop(site, None)

    def _partial(
        self, site: str, partition: int, revision: int, panes: list[Pane], sliding: SlidingWindows
    ) -> SitePartial:
        partial = SitePartial(site=site, partition=partition, revision=revision, panes=[pane.part() for pane in panes])
        sent_urls = self._sent_urls.setdefault(site, {})
        for pane in panes:
            _add_changes(partial.urls, pane.end, pane.urls, sent_urls)
        sent_countries = self._sent_countries.setdefault(site, {})
        for end in sliding.open_ends(panes):
            part, countries = sliding.early(end, panes)
            partial.sliding.append(part)
            _add_changes(partial.countries, end, countries, sent_countries)
        return partial


def provisional_panes(site: str, held: HeldEvents, visits: OpenVisits, funnel: Funnel) -> list[Pane]:
    """Apply the events a site's open panes hold, to copies of its visits; return the panes in order."""
    copies: dict[VisitKey, Visit | None] = {}
    panes = []
    for end in sorted(held):
        keys = held[end].get(site)
        if keys is None:
            continue
        pane = Pane(end)
        for key, events in keys.items():
            events.sort()
            visit = copies[key] if key in copies else copy.copy(visits.get(key))
            copies[key] = apply(visit, key, events, pane, funnel, [])
        panes.append(pane)
    return panes


def _add_changes(changes: dict[int, Counts], end: int, counts: Counts, sent: dict[int, Counts]) -> None:
    changed = _differing(counts, sent.get(end, {}))
    if changed:
        changes[end] = changed
    sent[end] = counts


def _differing(counts: Counts, known: Counts) -> Counts:
    return {key: count for key, count in counts.items() if known.get(key) != count} if known else counts

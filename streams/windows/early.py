"""Early results of one partition: what the open windows would be if nothing more came; derived, never needed."""

from collections.abc import Iterable, Iterator, Mapping

from streams.windows.audience import Audience
from streams.windows.funnel import Funnel
from streams.windows.pane import Pane
from streams.windows.partials import Counts, SitePartial
from streams.windows.provisional import Provisional
from streams.windows.session import Visit


class EarlyResults:
    """Remembers which visits have new events, and which counts the merge was told, so that only changes are sent.

    Visits whose ``batch`` is ``batch`` are in ``changed`` already.
    """

    def __init__(self) -> None:
        self.batch = 1
        self.changed: list[Visit] = []
        self._sites: set[str] = set()
        self._provisional: dict[str, Provisional] | None = None
        self._sent_urls: dict[str, dict[int, Counts]] = {}
        self._sent_countries: dict[str, dict[int, Counts]] = {}

    def take(
        self,
        partition: int,
        revision: int,
        held: Mapping[int, list[Visit]],
        audiences: Mapping[str, Audience],
        closed_until: int,
        funnel: Funnel,
    ) -> Iterator[SitePartial]:
        """Yield a partial for each site that has new events since the last call."""
        if self._provisional is None:
            self._provisional = {}
            changed: Iterable[Visit] = {visit: None for visits in held.values() for visit in visits}
        else:
            changed = self.changed
        for visit in changed:
            if visit.held:
                self._of(visit.site, audiences, closed_until, funnel).add(visit)
        self._next_batch()
        sites, self._sites = self._sites, set()
        for site in sites:
            # Its new events may be in panes that have closed since: their sliding windows are open still.
            if site in audiences:
                provisional = self._of(site, audiences, closed_until, funnel)
                partial = self._partial(site, partition, revision, provisional)
                if partial.panes or partial.sliding:
                    yield partial

    def _of(self, site: str, audiences: Mapping[str, Audience], closed_until: int, funnel: Funnel) -> Provisional:
        assert self._provisional is not None
        provisional = self._provisional.get(site)
        if provisional is None:
            provisional = self._provisional[site] = Provisional(audiences[site], closed_until, funnel)
        return provisional

    def window_closed(self) -> None:
        """Note that a pane or a window has closed: what is open has to be made up anew."""
        self._next_batch()
        self._provisional = None

    def _next_batch(self) -> None:
        self._sites.update(visit.site for visit in self.changed)
        self.changed.clear()
        self.batch += 1

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

    def _partial(self, site: str, partition: int, revision: int, provisional: Provisional) -> SitePartial:
        partial = SitePartial(site=site, partition=partition, revision=revision)
        sent_urls = self._sent_urls.setdefault(site, {})
        for end, totals in sorted(provisional.panes.items()):
            partial.panes.append(totals.part(end))
            counts = {url: totals.urls[url] for url in totals.changed_urls}
            totals.changed_urls.clear()
            _add_changes(partial.urls, end, counts, sent_urls)
        sent_countries = self._sent_countries.setdefault(site, {})
        for window, countries in provisional.windows():
            partial.sliding.append(window)
            _add_changes(partial.countries, window.end, countries, sent_countries)
        return partial


def _add_changes(changes: dict[int, Counts], end: int, counts: Counts, sent: dict[int, Counts]) -> None:
    known = sent.setdefault(end, {})
    changed = _differing(counts, known)
    if changed:
        changes[end] = changed
        known.update(changed)


def _differing(counts: Counts, known: Counts) -> Counts:
    return {key: count for key, count in counts.items() if known.get(key) != count} if known else counts

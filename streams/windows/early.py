"""Early results of one partition: what the open windows would be if nothing more came; derived, never needed."""

from collections.abc import Iterator, Mapping
from itertools import islice

from streams.windows.audience import Audience
from streams.windows.funnel import Funnel
from streams.windows.pane import Pane
from streams.windows.partials import Counts, SitePartial
from streams.windows.provisional import Provisional
from streams.windows.session import Visit

#: After every window's end.
FOR_EVER = 2**62

#: So long (ms) may sums of sliding windows wait that end later than the one which is shown now.
LATER_MS = 1_000


class EarlyResults:
    """Remembers which sites have new events, and which counts the merge was told, so that only changes are sent.

    Visits whose ``batch`` is ``batch`` are in ``changed`` already. An event is in six sliding windows, most of them
    shown to nobody yet: these are told once in ``LATER_MS``.
    """

    def __init__(self) -> None:
        self.batch = 1
        self.changed: list[Visit] = []
        self._provisional: dict[str, Provisional] = {}
        # The visits with events that their site's provisional windows lack; None: all there are.
        self._waiting: dict[str, dict[Visit, None]] | None = None
        # The sites with something to be told, in turn (True: of all windows); and when the others' windows are due.
        self._turns: dict[str, bool] = {}
        self._later: dict[str, int] = {}
        self._sent_urls: dict[str, dict[int, Counts]] = {}
        self._sent_countries: dict[str, dict[int, Counts]] = {}

    def take(
        self,
        now: int,
        most: int,
        partition: int,
        revision: int,
        held: Mapping[int, list[Visit]],
        audiences: Mapping[str, Audience],
        shown_until: int,
        closed_until: int,
        funnel: Funnel,
    ) -> Iterator[SitePartial]:
        """Yield partials of sites that have new events, of at most so many; the others' turn comes first next time.

        ``now`` is ms of a clock that never goes back. Sliding windows up to the one that ends at ``shown_until`` are
        told at once.
        """
        waiting = self._collect(held)
        self._call_later_ones(now)
        for site in list(islice(self._turns, most)):
            everything = self._turns.pop(site)
            # Its new events may be in panes that have closed since: their sliding windows are open still.
            if site in audiences:
                provisional = self._provisional.get(site)
                if provisional is None:
                    provisional = self._provisional[site] = Provisional(audiences[site], closed_until, funnel)
                for visit in waiting.pop(site, ()):
                    if visit.held:
                        provisional.add(visit)
                if not everything:
                    self._later.setdefault(site, now + LATER_MS)
                partial = self._partial(site, partition, revision, provisional, FOR_EVER if everything else shown_until)
                if partial.panes or partial.sliding:
                    yield partial

    def _collect(self, held: Mapping[int, list[Visit]]) -> dict[str, dict[Visit, None]]:
        """Note the new visits, or all after a window has closed, by their sites; return them."""
        waiting = self._waiting
        if waiting is None:
            waiting = self._waiting = {}
            for visits in held.values():
                _add_by_site(waiting, visits)
        _add_by_site(waiting, self.changed)
        self._next_batch()
        return waiting

    def _call_later_ones(self, now: int) -> None:
        due = []
        for site, at in self._later.items():
            if at > now:
                break
            due.append(site)
        for site in due:
            del self._later[site]
            self._turns[site] = True

    def window_closed(self) -> None:
        """Note that a pane or a window has closed: what is open has to be made up anew."""
        self._next_batch()
        self._provisional.clear()
        self._waiting = None

    def _next_batch(self) -> None:
        for visit in self.changed:
            self._turns.setdefault(visit.site, False)
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

    def _partial(self, site: str, partition: int, revision: int, provisional: Provisional, until: int) -> SitePartial:
        partial = SitePartial(site=site, partition=partition, revision=revision)
        sent_urls = self._sent_urls.setdefault(site, {})
        for end, totals in sorted(provisional.panes.items()):
            if totals.changed:
                partial.panes.append(totals.part(end))
                counts = {url: totals.urls[url] for url in totals.changed_urls}
                totals.changed = False
                totals.changed_urls.clear()
                _add_changes(partial.urls, end, counts, sent_urls)
        sent_countries = self._sent_countries.setdefault(site, {})
        for window, countries in provisional.windows(until):
            partial.sliding.append(window)
            _add_changes(partial.countries, window.end, countries, sent_countries)
        return partial


def _add_by_site(by_site: dict[str, dict[Visit, None]], visits: list[Visit]) -> None:
    for visit in visits:
        of_site = by_site.get(visit.site)
        if of_site is None:
            of_site = by_site[visit.site] = {}
        of_site[visit] = None


def _add_changes(changes: dict[int, Counts], end: int, counts: Counts, sent: dict[int, Counts]) -> None:
    known = sent.setdefault(end, {})
    changed = _differing(counts, known)
    if changed:
        changes[end] = changed
        known.update(changed)


def _differing(counts: Counts, known: Counts) -> Counts:
    return {key: count for key, count in counts.items() if known.get(key) != count} if known else counts

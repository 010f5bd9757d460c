"""The open windows of one source partition: what they hold, and what comes out when one closes."""

from collections.abc import Iterator, Mapping

from streams.windows import BOUNCE_MS, PANE_MS, SLIDE_MS
from streams.windows.agenda import Agenda
from streams.windows.audience import Audience
from streams.windows.bounce import BounceWindow
from streams.windows.early import EarlyResults
from streams.windows.exact import ceil_to, floor_to
from streams.windows.funnel import Funnel
from streams.windows.held import Held
from streams.windows.output import Output
from streams.windows.pane import Pane
from streams.windows.partials import Counts, SitePartial
from streams.windows.saving import Unsaved, restore, restore_rejected
from streams.windows.session import Visit, apply, countries_of, due, summary
from streams.windows.sliding import window_ends
from tidemark.results import ACCEPTED


class OpenWindows:
    """Panes that hold events, open visits, sliding windows and the open bounce window of one partition.

    ``held`` has, for each pane's end, the visits with events for it; one may stand there twice. ``rejected`` has, for a
    pane's end and a site, how many records that were not accepted are counted there, by their outcome.
    """

    def __init__(self, partition: int, funnel: Funnel) -> None:
        self.held: dict[int, list[Visit]] = {}
        self.rejected: dict[int, dict[str, Counts]] = {}
        self.audiences: dict[str, Audience] = {}
        self.agenda = Agenda()
        self.early = EarlyResults()
        self.unsaved = Unsaved()
        self._partition = partition
        self._funnel = funnel
        # By the end at which they are over; with the number itself, so that all have one and the same object.
        self._due: dict[int, tuple[int, set[Visit]]] = {}
        self._bounce = BounceWindow()

    @property
    def visits(self) -> int:
        """The number of visits that are open or have events."""
        return sum(len(audience.visits) + len(audience.more_visits) for audience in self.audiences.values())

    def begin(self, site: str) -> Audience:
        """Return the new state of a site that has none."""
        audience = self.audiences[site] = Audience(site)
        return audience

    def hold(self, pane_end: int, visit: Visit) -> None:
        """Begin a pane with its first event's visit."""
        self.held[pane_end] = [visit]
        self.agenda.add(pane_end)

    def reject(self, append_time: int, first_open: int, site: str, outcome: str) -> None:
        """Count a record that is not accepted, in the pane of its append time (ms).

        If that has closed already, in the first that has not: the one that ends at ``first_open``.
        """
        end = max(floor_to(append_time, PANE_MS) + PANE_MS, first_open)
        sites = self.rejected.get(end)
        if sites is None:
            sites = self.rejected[end] = {}
            self.agenda.add(end)
        counts = sites.setdefault(site, {})
        counts[outcome] = counts.get(outcome, 0) + 1
        self.unsaved.rejected.add(end)

    def take_early(self, now: int, most: int, revision: int, watermark: int, highest: int) -> Iterator[SitePartial]:
        """Yield a partial for each site that has new events in its open windows, of at most so many sites.

        ``highest`` is the highest time so far (ms): the window it is in is the one that is shown now.
        """
        return self.early.take(
            now,
            most,
            self._partition,
            revision,
            self.held,
            self.audiences,
            floor_to(highest, SLIDE_MS) + SLIDE_MS,
            floor_to(watermark, SLIDE_MS),
            self._funnel,
        )

    def is_empty(self) -> bool:
        """Say whether nothing is held or open any more."""
        return not (self.held or self.audiences or self._due or len(self.agenda) or self._bounce.visitors)

    def close(self, end: int, offset: int, out: Output) -> None:
        """Close everything that ends at ``end``; nothing that ends earlier is open any more."""
        partials: dict[str, SitePartial] = {}
        visits = self.held.pop(end, None)
        if visits:
            self._close_panes(visits, end, offset, partials, out)
        for site, counts in self.rejected.pop(end, {}).items():
            self._of_site(site, offset, partials).outcomes.setdefault(end, {}).update(counts)
        for visit in self._due.pop(end, (end, ()))[1]:
            self._expire(visit, end, out)
        if end % SLIDE_MS == 0:
            self._close_sliding(end, offset, partials)
        if end % BOUNCE_MS == 0:
            self._close_bounce(end, out)
        self.early.window_closed()
        self.unsaved.forget_panes(end)
        out.partials += partials.values()

    def _close_panes(
        self, visits: list[Visit], end: int, offset: int, partials: dict[str, SitePartial], out: Output
    ) -> None:
        panes: dict[str, Pane] = {}
        touches = self.unsaved.touches(end)
        for visit in visits:
            events = _take(visit, end)
            if events:
                pane = panes.get(visit.site)
                if pane is None:
                    pane = panes[visit.site] = Pane(end)
                pane.accepted += len(events)
                page_views = pane.page_views
                self._apply(visit, events, pane, out)
                visitor, countries = visit.visitor, countries_of(events)
                pane.see(visitor, countries)
                page_views = pane.page_views - page_views
                touches.append((visit.site, visitor, page_views, countries))
                visitor.page_views += page_views
                if not visitor.listed:
                    self._bounce.list(visit.site, visitor)
                if not visit.events:
                    self._let_go(visit)
        for site, pane in panes.items():
            self.audiences[site].close(pane)
            partials[site] = self._partial(site, pane, offset)
        for window_end in window_ends(end):
            self.agenda.add(window_end)
        self.agenda.add(ceil_to(end, BOUNCE_MS))

    def _apply(self, visit: Visit, events: list[Held], pane: Pane, out: Output) -> None:
        planned = visit.due
        over = apply(visit, events, pane, self._funnel)
        if over:
            out.sessions += over
            if planned:
                self._due[planned][1].discard(visit)
        if visit.events:
            if not visit.changed:
                self.unsaved.change(visit)
            if not visit.due:
                self._plan(visit, due(visit.last))

    def _expire(self, visit: Visit, end: int, out: Output) -> None:
        """End a visit whose last event is more than 30 min before ``end``; else plan it anew."""
        if due(visit.last) > end:
            self._plan(visit, due(visit.last))
            self.unsaved.change(visit)
            return
        out.sessions.append(summary(visit, self._funnel))
        visit.clear()
        self._let_go(visit)

    def _plan(self, visit: Visit, end: int) -> None:
        planned = self._due.get(end)
        if planned is None:
            planned = self._due[end] = end, set()
            self.agenda.add(end)
        visit.due = planned[0]
        planned[1].add(visit)

    def _let_go(self, visit: Visit) -> None:
        """Forget a visit that is over, unless events wait for the session id's next one."""
        self.unsaved.end(visit)
        if visit.held is None:
            audience = self.audiences[visit.site]
            audience.leave(visit)
            self._drop_if_over(audience)

    def _drop_if_over(self, audience: Audience) -> None:
        if audience.is_over():
            del self.audiences[audience.site]
            self.early.forget(audience.site)
            self.unsaved.end_site(audience)

    def _partial(self, site: str, pane: Pane, offset: int) -> SitePartial:
        partial = SitePartial(site=site, partition=self._partition, revision=offset, panes=[pane.part()])
        partial.outcomes[pane.end] = {ACCEPTED: pane.accepted}
        urls = self.early.unsent_urls(site, pane)
        if urls:
            partial.urls[pane.end] = urls
        return partial

    def _of_site(self, site: str, offset: int, partials: dict[str, SitePartial]) -> SitePartial:
        partial = partials.get(site)
        if partial is None:
            partial = partials[site] = SitePartial(site=site, partition=self._partition, revision=offset)
        return partial

    def _close_sliding(self, end: int, offset: int, partials: dict[str, SitePartial]) -> None:
        for site, audience in list(self.audiences.items()):
            if not audience.panes:
                continue
            sums = audience.close_window(end)
            if sums.visitors:
                partial = self._of_site(site, offset, partials)
                partial.sliding.append(sums.part(end))
                unsent = self.early.unsent_countries(site, end, sums.countries)
                if unsent:
                    partial.countries[end] = unsent
            if not audience.panes:
                self.early.forget(site)
                self._drop_if_over(audience)

    def _close_bounce(self, end: int, out: Output) -> None:
        out.alerts += self._bounce.alerts(end)
        for site in self._bounce.close(end, self.audiences):
            audience = self.audiences.get(site)
            if audience is not None:
                self._drop_if_over(audience)
        if self._bounce.visitors:
            self.agenda.add(end + BOUNCE_MS)

    def changes(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield the checkpoint's entries that changed since the last call; None for one that is over."""
        return self.unsaved.take(self.held, self.rejected, self.audiences)

    def restore(self, entries: Mapping[bytes, bytes], watermark: int) -> None:
        """Take the state over from a checkpoint's entries; there must be none yet."""
        visits, seen, held = restore(entries, self.audiences)
        self.rejected = restore_rejected(entries)
        for end in self.rejected:
            self.agenda.add(end)
        self.unsaved.restored(entries)
        for visit in visits:
            self._plan(visit, visit.due)
        bounce_start = floor_to(watermark, BOUNCE_MS)
        for end, site, visitor, page_views in seen:
            visitor.page_views += page_views if end > bounce_start else 0
            if not visitor.listed:
                self._bounce.list(site, visitor)
        for audience in self.audiences.values():
            audience.forget_panes(watermark)
            for pane_end in audience.panes:
                for window_end in window_ends(pane_end):
                    if window_end > watermark:
                        self.agenda.add(window_end)
        if self._bounce.visitors:
            self.agenda.add(bounce_start + BOUNCE_MS)
        for end, (site, name, session_id, event) in held:
            audience = self.audiences.get(site) or self.begin(site)
            visit = audience.visit(name, session_id)
            visit.held = [*(visit.held or ()), event]
            visit.listed = end
            if end in self.held:
                self.held[end].append(visit)
            else:
                self.hold(end, visit)
            self.early.changed.append(visit)


def _take(visit: Visit, end: int) -> list[Held] | None:
    """Take a visit's events of the pane that ends at ``end``, in order; none if they were taken before."""
    held = visit.held
    if held is None:
        return None
    if len(held) == 1:
        if held[0].time >= end:
            return None
        visit.held = None
        return held
    taken = [event for event in held if event.time < end]
    visit.held = [event for event in held if event.time >= end] if len(taken) < len(held) else None
    taken.sort(key=Held.order)
    return taken

"""What of a source partition's open windows its checkpoint lacks, and how they come back from it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from streams.windows import BOUNCE_MS, PANE_MS, SLIDE_MS
from streams.windows.audience import Audience
from streams.windows.checkpoint import encode
from streams.windows.entries import (
    SavedEvent,
    SavedTouch,
    Touch,
    decode_held,
    decode_rejected,
    decode_touches,
    encode_held,
    encode_panes,
    encode_touches,
    encode_visit,
    pane_key,
    pane_of,
    restore_panes,
    restore_visit,
    site_key,
    site_of_key,
    visit_key,
)
from streams.windows.entries import audience as audience_of
from streams.windows.exact import ceil_to
from streams.windows.pane import Pane
from streams.windows.partials import Counts
from streams.windows.session import Visit
from streams.windows.sliding import window_ends
from streams.windows.visitor import Visitor


class Unsaved:
    """Notes what changes between two checkpoints; the cost of a checkpoint follows from that alone.

    ``held`` are the ends of panes that got events, ``rejected`` of those that count records which were not accepted.
    """

    def __init__(self) -> None:
        self.held: set[int] = set()
        self._saved_held: set[int] = set()
        self.rejected: set[int] = set()
        self._saved_rejected: set[int] = set()
        self._visits: list[Visit] = []
        self._over: list[bytes] = []
        # Who was seen in which closed pane, as long as that is needed; None once the checkpoint has it.
        self._touches: dict[int, list[Touch] | None] = {}

    def change(self, visit: Visit) -> None:
        """Note that an open visit has changed."""
        if not visit.changed:
            visit.changed = True
            self._visits.append(visit)

    def end(self, visit: Visit) -> None:
        """Note that a visit is over; its object may hold events of the next one."""
        if visit.saved:
            visit.saved = False
            self._over.append(visit_key(visit))

    def end_site(self, audience: Audience) -> None:
        """Note that nothing of a site is open any more."""
        if audience.saved:
            self._over.append(site_key(audience.site))

    def touches(self, end: int) -> list[Touch]:
        """Return the list of who was seen in a pane that closes now; it is to be filled."""
        touches: list[Touch] = []
        self._touches[end] = touches
        return touches

    def forget_panes(self, now: int) -> None:
        """Forget who was seen in panes that no window needs that ends after ``now``."""
        if now % SLIDE_MS:
            return
        for end in [end for end in self._touches if _needed_until(end) <= now]:
            if self._touches.pop(end) is None:
                self._over.append(pane_key(b"t", end))

    def take(
        self,
        held: Mapping[int, list[Visit]],
        rejected: Mapping[int, dict[str, Counts]],
        audiences: Mapping[str, Audience],
    ) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield what changed since the last call, as entries; what is over first, as a key may have come back."""
        yield from ((key, None) for key in self._over)
        self._over.clear()
        yield from self._take_held(held)
        yield from self._take_rejected(rejected)
        for visit in self._visits:
            visit.changed = False
            if visit.events:
                visit.saved = True
                yield visit_key(visit), encode_visit(visit)
        self._visits.clear()
        for end, touches in self._touches.items():
            if touches is not None:
                self._touches[end] = None
                yield pane_key(b"t", end), encode_touches(touches)
        for site, audience in audiences.items():
            if audience.changed:
                if audience.panes or audience.saved:
                    yield site_key(site), encode_panes(audience.panes) if audience.panes else None
                audience.changed, audience.saved = False, bool(audience.panes)

    def _take_held(self, held: Mapping[int, list[Visit]]) -> Iterator[tuple[bytes, bytes | None]]:
        for end in [end for end in self._saved_held if end not in held]:
            self._saved_held.discard(end)
            yield pane_key(b"h", end), None
        for end in self.held.intersection(held):
            self._saved_held.add(end)
            yield pane_key(b"h", end), encode_held(_events_of(held[end], end))
        self.held.clear()

    def _take_rejected(self, rejected: Mapping[int, dict[str, Counts]]) -> Iterator[tuple[bytes, bytes | None]]:
        for end in [end for end in self._saved_rejected if end not in rejected]:
            self._saved_rejected.discard(end)
            yield pane_key(b"r", end), None
        for end in self.rejected.intersection(rejected):
            self._saved_rejected.add(end)
            yield pane_key(b"r", end), encode(rejected[end])
        self.rejected.clear()

    def restored(self, entries: Iterable[bytes]) -> None:
        """Note which entries the checkpoint has."""
        for key in entries:
            if key[:1] == b"h":
                self._saved_held.add(pane_of(key))
            elif key[:1] == b"r":
                self._saved_rejected.add(pane_of(key))
            elif key[:1] == b"t":
                self._touches[pane_of(key)] = None


#: A pane's end, and who was seen there: site, visitor, page views.
Seen = tuple[int, str, Visitor, int]


def restore(
    entries: Mapping[bytes, bytes], audiences: dict[str, Audience]
) -> tuple[list[Visit], list[Seen], list[tuple[int, SavedEvent]]]:
    """Put visits, visitors and panes back in their sites; return the visits, who was seen where, the held events."""
    by_kind: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for key in entries:
        by_kind[key[:1]].append(key)
    visits = [restore_visit(key, entries[key], audiences) for key in by_kind[b"v"]]
    seen: list[Seen] = []
    for key in sorted(by_kind[b"t"]):
        seen += _see(pane_of(key), decode_touches(entries[key]), audiences)
    for key in by_kind[b"w"]:
        audience = audience_of(audiences, site_of_key(key))
        audience.saved = True
        restore_panes(entries[key], audience.panes)
    held = [(pane_of(key), event) for key in by_kind[b"h"] for event in decode_held(entries[key])]
    return visits, seen, held


def restore_rejected(entries: Mapping[bytes, bytes]) -> dict[int, dict[str, Counts]]:
    """Return, by a pane's end and the site, how many records were not accepted, by their outcome."""
    return {pane_of(key): decode_rejected(value) for key, value in entries.items() if key[:1] == b"r"}


def _see(end: int, touches: Iterable[SavedTouch], audiences: dict[str, Audience]) -> Iterator[Seen]:
    """Close a pane again, as far as it concerns who was there; panes come in order."""
    panes: dict[str, Pane] = {}
    for site, name, page_views, countries in touches:
        pane = panes.setdefault(site, Pane(end))
        visitor = audience_of(audiences, site).visitor(name)
        pane.see(visitor, countries)
        yield end, site, visitor, page_views
    for site, pane in panes.items():
        audiences[site].close(pane)


def _events_of(visits: Iterable[Visit], end: int) -> Iterator[SavedEvent]:
    """Yield a pane's events, each once, though a visit may be listed twice."""
    for visit in dict.fromkeys(visits):
        for event in visit.held or ():
            if end - PANE_MS <= event.time < end:
                yield visit.site, visit.visitor.name, visit.session_id, event


def _needed_until(end: int) -> int:
    return max(ceil_to(end, BOUNCE_MS), window_ends(end)[-1])

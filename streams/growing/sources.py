"""The source partitions' checkpoints, told apart by visitor: entries of all old partitions → those of the new. Pure.

What belongs to a visitor goes with them. What belongs to a site only is a sum over the partitions, so that any of them
may have it.
"""

from collections import defaultdict
from collections.abc import Mapping

from streams.growing.ids import IdsByPane, SourceIds, entry_of
from streams.growing.places import Places
from streams.windows.checkpoint import META, StateError, encode
from streams.windows.duplicates import id_key
from streams.windows.entries import (
    Meta,
    SavedEvent,
    SavedTouch,
    decode_held,
    decode_panes,
    decode_rejected,
    decode_touches,
    decode_visit,
    decode_visit_key,
    encode_held,
    made_with,
    pane_key,
    pane_of,
    site_key,
    site_of_key,
)
from streams.windows.partials import Counts

#: Of a site's closed panes, by their ends: visits, converting visits, revenue (10⁻⁶).
Sums = dict[int, list[int]]


class NewState:
    """What one new partition gets."""

    def __init__(self) -> None:
        self.held: defaultdict[int, list[SavedEvent]] = defaultdict(list)
        self.touches: defaultdict[int, list[SavedTouch]] = defaultdict(list)
        self.visits: dict[bytes, bytes] = {}
        self.panes: defaultdict[str, Sums] = defaultdict(dict)
        self.rejected: defaultdict[int, dict[str, Counts]] = defaultdict(dict)
        self.ids: defaultdict[int, list[bytes]] = defaultdict(list)

    def add_sums(self, site: str, end: int, visits: int, converting: int, revenue_micros: int) -> None:
        """Add to the sums of a site's closed pane."""
        sums = self.panes[site].setdefault(end, [0, 0, 0])
        for number, more in enumerate((visits, converting, revenue_micros)):
            sums[number] += more

    def remember(self, ids: IdsByPane) -> None:
        """Take ids that are to be remembered."""
        for end, pairs in ids.items():
            self.ids[end] += pairs

    def entries(self, meta: Meta) -> dict[bytes, bytes]:
        """Return the checkpoint."""
        return {
            META: encode(meta),
            **{pane_key(b"h", end): encode_held(events) for end, events in self.held.items()},
            **{pane_key(b"t", end): encode(touches) for end, touches in self.touches.items()},
            **self.visits,
            **{site_key(site): encode(panes) for site, panes in self.panes.items()},
            **{pane_key(b"r", end): encode(sites) for end, sites in self.rejected.items()},
            **{id_key(end, 0): entry_of(pairs) for end, pairs in self.ids.items()},
        }


class SourceStates:
    """Takes the checkpoints of the old partitions, one after the other."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._new = [NewState() for _ in range(places.targets)]
        self._watermark: int | None = None

    def add(self, source: int, entries: Mapping[bytes, bytes], watermark: int, ids: SourceIds) -> None:
        """Take an old partition's checkpoint, whose watermark is in the same pane as the others'.

        Raises StateError when its entries do not go together.
        """
        self._watermark = watermark if self._watermark is None else max(watermark, self._watermark)
        first_seen: dict[tuple[str, int], NewState] = {}
        sums = {site_of_key(key): decode_panes(entries[key]) for key in entries if key[:1] == b"w"}
        for key, value in entries.items():
            match key[:1]:
                case b"h":
                    self._add_held(source, pane_of(key), value)
                case b"t":
                    self._add_touches(source, pane_of(key), value, first_seen)
                case b"v":
                    self._add_visit(source, key, value, sums)
                case b"r":
                    self._add_rejected(source, pane_of(key), value)
        self._add_rest(sums, first_seen)
        for new, found in zip(self._new, ids.by_target(), strict=True):
            new.remember(found)

    def checkpoints(self, offset: int, lateness_ms: int) -> dict[int, dict[bytes, bytes]]:
        """Return the entries of each new partition, whose log goes on at ``offset``."""
        assert self._watermark is not None
        count = self._places.targets
        return {
            number: new.entries(Meta(made_with(number, count, lateness_ms), offset, self._watermark))
            for number, new in enumerate(self._new)
        }

    def _of(self, source: int, visitor: str) -> NewState:
        return self._new[self._places.of(source, visitor)]

    def _add_held(self, source: int, end: int, value: bytes) -> None:
        for saved in decode_held(value):
            self._of(source, saved[1]).held[end].append(saved)

    def _add_touches(self, source: int, end: int, value: bytes, first_seen: dict[tuple[str, int], NewState]) -> None:
        for saved in decode_touches(value):
            site, visitor, _, _ = saved
            new = self._of(source, visitor)
            new.touches[end].append(saved)
            first_seen.setdefault((site, end), new)

    def _add_visit(self, source: int, key: bytes, value: bytes, sums: Mapping[str, Sums]) -> None:
        """Take an open visit, and out of its panes' sums what is counted of it: it may move to a newer pane."""
        site, visitor, _ = decode_visit_key(key)
        new, visit, of_site = self._of(source, visitor), decode_visit(value), sums.get(site, {})
        new.visits[key] = value
        if visit.pane in of_site:
            of_site[visit.pane][0] -= 1
            new.add_sums(site, visit.pane, 1, 0, 0)
        if visit.conversion_pane in of_site:
            of_site[visit.conversion_pane][1] -= 1
            new.add_sums(site, visit.conversion_pane, 0, 1, 0)

    def _add_rejected(self, source: int, end: int, value: bytes) -> None:
        for site, counts in decode_rejected(value).items():
            self._new[source].rejected[end][site] = counts

    def _add_rest(self, sums: Mapping[str, Sums], first_seen: Mapping[tuple[str, int], NewState]) -> None:
        """Give what nobody's open visit changes any more to a partition that knows somebody of the pane."""
        for site, of_site in sums.items():
            for end, rest in of_site.items():
                new = first_seen.get((site, end))
                if new is None or min(rest) < 0:
                    raise StateError(f"the entries do not go together: {rest} left of site {site!r} at {end}")
                new.add_sums(site, end, *rest)

"""What a source partition's checkpoint holds: keys and values of its entries, as JSON (money outgrows 64 bits).

``meta`` is the offset and watermark; ``h`` the events a pane holds; ``i`` accepted ids (see duplicates.py); ``r`` how
many records that were not accepted an open pane counts; ``t`` who was seen in a closed pane; ``v`` an open visit; ``w``
a site's closed panes.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from streams.windows.audience import Audience, Sums
from streams.windows.checkpoint import Contents, MadeWith, encode, meta_of
from streams.windows.duplicates import count_ids
from streams.windows.held import Fields, Held
from streams.windows.partials import Counts
from streams.windows.session import Visit
from streams.windows.visitor import Visitor

#: Of the layout that is told here: a checkpoint of another one is refused.
LAYOUT = 2

#: A visitor on a site in a closed pane: page views, and the countries of their events.
Touch = tuple[str, Visitor, int, tuple[str, ...]]
#: Site, visitor, session id, event.
SavedEvent = tuple[str, str, str, Held]
SavedTouch = tuple[str, str, int, tuple[str, ...]]


class Meta(Struct, frozen=True):
    """Where a partition's state stands: ``offset`` is the next record's, ``watermark`` in ms."""

    made_with: MadeWith
    offset: int
    watermark: int


def made_with(partition: int, partitions: int, lateness_ms: int) -> MadeWith:
    """Return what a partition's state depends on besides its log."""
    settings = {"partition": partition, "partitions": partitions, "lateness_ms": lateness_ms}
    return {"kind": "windows", "layout": LAYOUT, **settings}


class SavedVisit(Struct, array_like=True, gc=False):
    """An open visit; see ``session.Visit``."""

    first_id: str
    start: int
    last: int
    due: int
    events: int
    page_views: int
    path: tuple[str, ...]
    exit_page: str | None
    converted: bool
    revenue_micros: int
    funnel_step: int
    device_type: str | None
    browser: str | None
    country: str | None
    referrer: str | None
    pane: int
    conversion_pane: int


_FIELDS = SavedVisit.__struct_fields__
_visit_key = msgspec.json.Decoder(tuple[str, str, str]).decode
_events = msgspec.json.Decoder(list[tuple[str, str, str, Fields]]).decode
_touches = msgspec.json.Decoder(list[SavedTouch]).decode
_rejected = msgspec.json.Decoder(dict[str, Counts]).decode
#: Of a site's entry: by a pane's end visits, converting visits, revenue (10⁻⁶).
decode_panes = msgspec.json.Decoder(dict[int, list[int]]).decode
decode_visit = msgspec.json.Decoder(SavedVisit).decode
decode_meta = msgspec.json.Decoder(Meta).decode


def pane_key(kind: bytes, pane_end: int) -> bytes:
    """Return the key of a pane's entry."""
    return kind + pane_end.to_bytes(8)


def pane_of(key: bytes) -> int:
    """Return the end of the pane (ms) that an entry belongs to."""
    return int.from_bytes(key[1:9])


def visit_key(visit: Visit) -> bytes:
    """Return the key of a visit's entry."""
    return b"v" + encode((visit.site, visit.visitor.name, visit.session_id))


def decode_visit_key(key: bytes) -> tuple[str, str, str]:
    """Return the site, visitor and session id of a visit's entry."""
    return _visit_key(key[1:])


def site_of_key(key: bytes) -> str:
    """Return the site that an entry belongs to."""
    return key[1:].decode()


def site_key(site: str) -> bytes:
    """Return the key of a site's entry."""
    return b"w" + site.encode()


def encode_visit(visit: Visit) -> bytes:
    """Return the value of a visit's entry."""
    return encode([getattr(visit, name) for name in _FIELDS])


def restore_visit(key: bytes, value: bytes, audiences: dict[str, Audience]) -> Visit:
    """Put a visit back in its site."""
    site, visitor, session_id = decode_visit_key(key)
    visit = audience(audiences, site).visit(visitor, session_id)
    saved = decode_visit(value)
    for name in _FIELDS:
        setattr(visit, name, getattr(saved, name))
    visit.saved = True
    return visit


def audience(audiences: dict[str, Audience], site: str) -> Audience:
    """Return a site's state, new if need be."""
    found = audiences.get(site)
    if found is None:
        found = audiences[site] = Audience(site)
    return found


def encode_held(events: Iterable[SavedEvent]) -> bytes:
    """Return the value of a pane's held events."""
    return encode([(site, visitor, session_id, event.fields()) for site, visitor, session_id, event in events])


def decode_held(value: bytes) -> list[SavedEvent]:
    """Return a pane's held events."""
    return [(site, visitor, session_id, Held(*fields)) for site, visitor, session_id, fields in _events(value)]


def decode_rejected(value: bytes) -> dict[str, Counts]:
    """Return by site how many records were not accepted, by their outcome."""
    return _rejected(value)


def encode_touches(touches: Sequence[Touch]) -> bytes:
    """Return the value of a closed pane's entry."""
    return encode([(site, visitor.name, page_views, countries) for site, visitor, page_views, countries in touches])


def decode_touches(value: bytes) -> list[SavedTouch]:
    """Return who was seen in a closed pane."""
    return _touches(value)


def encode_panes(panes: dict[int, Sums]) -> bytes:
    """Return the value of a site's entry: what of its panes does not follow from who was seen in them."""
    return encode({end: (sums.visits, sums.converting, sums.revenue_micros) for end, sums in panes.items()})


def restore_panes(value: bytes, panes: dict[int, Sums]) -> None:
    """Put back what a site's panes hold besides their visitors."""
    for end, (visits, converting, revenue_micros) in decode_panes(value).items():
        sums = panes[end]
        sums.visits, sums.converting, sums.revenue_micros = visits, converting, revenue_micros


def contents(entries: Mapping[bytes, bytes], made_with: MadeWith) -> Contents:
    """Count what a partition's checkpoint holds: panes with events, visits that have begun, accepted ids.

    Raises StateError if it was made with something else.
    """
    meta = decode_meta(meta_of(entries, made_with))
    kinds = [key[:1] for key in entries]
    return Contents(
        offset=meta.offset,
        watermark=meta.watermark if meta.watermark >= 0 else None,  # before the first valid record
        windows=kinds.count(b"h"),
        visits=kinds.count(b"v"),
        ids=count_ids(entries),
    )

"""Visits: a pane's events of one (site, visitor, session id) in order, and the visits that end with it."""

import hashlib
from collections.abc import Sequence

from msgspec import Struct

from streams.windows import PANE_MS, SESSION_GAP_MS
from streams.windows.exact import from_micros
from streams.windows.funnel import Funnel
from streams.windows.pane import Pane
from tidemark.events import CONVERSION, PAGE_VIEW, SESSION_END, Event
from tidemark.results import SessionSummary

#: (site, visitor, session id)
VisitKey = tuple[str, str, str]
#: (timestamp ms, packed event id, event): sorts into the order in which events are applied.
Held = tuple[int, bytes, Event]

PATH_LENGTH = 50
#: Descriptions are cut at so many characters, so that no result outgrows a record: names, and urls.
NAME_LENGTH = 64
URL_LENGTH = 2000

ENGAGED_PAGE_VIEWS = 4
ENGAGED_MS = 60_000


class Visit(Struct, gc=False):
    """One open visit. Times in ms; ``due`` is the end of the pane that closes it if nothing more comes."""

    visit_id: str
    start: int
    last: int
    due: int = 0
    events: int = 0
    page_views: int = 0
    path: tuple[str, ...] = ()
    exit_page: str | None = None
    converted: bool = False
    revenue_micros: int = 0
    funnel_step: int = 0
    device_type: str | None = None
    browser: str | None = None
    country: str | None = None
    referrer: str | None = None


def apply(
    visit: Visit | None, key: VisitKey, events: Sequence[Held], pane: Pane, funnel: Funnel, over: list[Visit]
) -> Visit | None:
    """Apply a pane's events of one key, in order, and count them in the pane.

    Returns the visit that is open then; visits that ended are added to ``over``. A visit ends with its SESSION_END, or
    when the next event comes more than 30 min after its last one (which is never within a pane).
    """
    pane.audience.visitors.add(key[1])
    for timestamp, _, event in events:
        if visit is not None and timestamp - visit.last > SESSION_GAP_MS:
            over.append(visit)
            visit = None
        if visit is None:
            visit = Visit(_visit_id(key, timestamp, event), timestamp, timestamp)
        _apply_event(visit, timestamp, event, key[1], pane, funnel)
        if event.event_type == SESSION_END:
            _count(visit, pane)
            over.append(visit)
            visit = None
    if visit is not None:
        _count(visit, pane)
    return visit


def _apply_event(visit: Visit, timestamp: int, event: Event, visitor: str, pane: Pane, funnel: Funnel) -> None:
    visit.last = timestamp
    visit.events += 1
    page = event.page_view_data
    if event.event_type == PAGE_VIEW and page is not None and page.url is not None:
        pane.count_page_view(page.url)
        visit.page_views += 1
        visit.exit_page = page.url
        if visit.page_views <= PATH_LENGTH:
            visit.path += (page.url,)
        visit.funnel_step = funnel.after_page_view(visit.funnel_step, page.url)
    elif event.event_type == CONVERSION:
        pane.count_conversion(visit.visit_id, event)
        visit.converted = True
        visit.revenue_micros += event.revenue_micros
        visit.funnel_step = funnel.after_conversion(visit.funnel_step)
    if page is not None and page.referrer and visit.referrer is None:
        visit.referrer = page.referrer[:URL_LENGTH]
    if event.session_data is not None:
        _describe(visit, event, visitor, pane)


def _describe(visit: Visit, event: Event, visitor: str, pane: Pane) -> None:
    """Keep the first device, browser and country that were given; count the visitor in the event's country."""
    data = event.session_data
    if data is None:
        return
    if data.country:
        country = data.country[:NAME_LENGTH]
        pane.audience.by_country.setdefault(country, set()).add(visitor)
        if visit.country is None:
            visit.country = country
    if visit.device_type is None and data.device_type:
        visit.device_type = data.device_type[:NAME_LENGTH]
    if visit.browser is None and data.browser:
        visit.browser = data.browser[:NAME_LENGTH]


def _count(visit: Visit, pane: Pane) -> None:
    pane.count_visit(visit.visit_id, visit.page_views, visit.last - visit.start, visit.last)


def _visit_id(key: VisitKey, start: int, first: Event) -> str:
    """Name a visit by its key and first event: the same log gives the same name."""
    return stable_id(*key, str(start), first.event_id.lower())


def stable_id(*parts: str) -> str:
    """Hash the parts into 32 hexadecimal digits (BLAKE2b, 16 bytes, parts joined by NUL)."""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def due(last: int) -> int:
    """Return the end of the first pane that ends more than 30 min after ``last``."""
    return ((last + SESSION_GAP_MS) // PANE_MS + 1) * PANE_MS


def behaviour(visit: Visit) -> str:
    """Class a visit: "buy" if it converted; else "bounce" with exactly one page view; else "engage".

    "engage" is from 4 page views or 60 s on; anything less is "browse".
    """
    if visit.converted:
        return "buy"
    if visit.page_views == 1:
        return "bounce"
    engaged = visit.page_views >= ENGAGED_PAGE_VIEWS or visit.last - visit.start >= ENGAGED_MS
    return "engage" if engaged else "browse"


def summary(key: VisitKey, visit: Visit, funnel: Funnel) -> SessionSummary:
    """Return the summary of a visit that is over."""
    site, visitor, session_id = key
    return SessionSummary(
        site_id=site,
        visit_id=visit.visit_id,
        visitor=visitor,
        session_id=session_id,
        start_time=visit.start,
        end_time=visit.last,
        duration_seconds=(visit.last - visit.start) / 1000,
        events=visit.events,
        page_views=visit.page_views,
        path=list(visit.path),
        bounced=visit.page_views == 1,
        converted=visit.converted,
        revenue=from_micros(visit.revenue_micros),
        funnel_step=visit.funnel_step,
        abandoned=funnel.abandoned(visit.funnel_step),
        behaviour=behaviour(visit),
        entry_page=visit.path[0] if visit.path else None,
        exit_page=visit.exit_page,
        device_type=visit.device_type,
        browser=visit.browser,
        country=visit.country,
        referrer=visit.referrer,
    )

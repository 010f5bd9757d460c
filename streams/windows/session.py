"""Visits: a pane's events of one (site, visitor, session id) in order, and the visits that end with it."""

import hashlib
from collections.abc import Sequence
from sys import intern

from msgspec import Struct

from streams.windows import PANE_MS, SESSION_GAP_MS
from streams.windows.exact import from_micros
from streams.windows.funnel import Funnel
from streams.windows.pane import Pane
from tidemark.events import CONVERSION, PAGE_VIEW, SESSION_END, Event, SessionData
from tidemark.results import SessionSummary

#: A pane before all others: there was no event yet.
NO_PANE = -(2**62)

PATH_LENGTH = 50
#: Descriptions are cut at so many characters, so that no result outgrows a record: names, and urls.
NAME_LENGTH = 64
URL_LENGTH = 2000

ENGAGED_PAGE_VIEWS = 4
ENGAGED_MS = 60_000


class Visitor(Struct, gc=False, eq=False):
    """One visitor of a site. ``pane`` and ``country_panes`` tell the last closed pane with an event (in a country).

    ``page_views`` are those in the open 5 min window, ``listed`` whether the window knows the visitor; ``visits`` is
    how many visits refer to this object.
    """

    name: str
    pane: int = NO_PANE
    country: str = ""
    country_pane: int = NO_PANE
    other_countries: dict[str, int] | None = None
    page_views: int = 0
    listed: bool = False
    visits: int = 0


class Visit(Struct, gc=False, eq=False):
    """A session id's place on a site: its open visit (``events`` > 0), the events that wait for their panes, or both.

    Times in ms; ``due`` is the end of the pane that closes the visit if nothing more comes. ``pane`` and
    ``conversion_pane`` are the last closed panes with an event and with a CONVERSION of it. ``listed`` is the pane that
    knows it has events for it, ``batch`` when the early results heard of it; ``saved``: the checkpoint holds it.
    """

    site: str
    session_id: str
    visitor: Visitor
    held: list[Event] | None = None
    listed: int = NO_PANE
    batch: int = 0
    saved: bool = False
    changed: bool = False
    first_id: str = ""
    start: int = 0
    last: int = 0
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
    pane: int = NO_PANE
    conversion_pane: int = NO_PANE

    def clear(self) -> None:
        """Begin anew: the visit is over, the session id may have another one."""
        self.first_id, self.due, self.events, self.page_views = "", 0, 0, 0
        self.path, self.exit_page, self.converted, self.revenue_micros = (), None, False, 0
        self.funnel_step, self.pane, self.conversion_pane = 0, NO_PANE, NO_PANE
        self.device_type = self.browser = self.country = self.referrer = None


class Applied(Struct, gc=False):
    """What a pane's events of one visit gave besides the pane's sums: for the visitor, and visits that ended."""

    page_views: int = 0
    countries: tuple[str, ...] = ()
    over: tuple[SessionSummary, ...] = ()


def apply(visit: Visit, events: Sequence[Event], pane: Pane, funnel: Funnel) -> Applied:
    """Apply a pane's events of one session id, in order, and count them in the pane.

    A visit ends with its SESSION_END, or when the next event comes more than 30 min after its last one (which is never
    within a pane).
    """
    end, urls = pane.end, pane.urls
    page_views = 0
    countries: tuple[str, ...] = ()
    over: tuple[SessionSummary, ...] = ()
    for event in events:
        timestamp = event.timestamp
        if visit.events and timestamp - visit.last > SESSION_GAP_MS:
            over += (summary(visit, funnel),)
            visit.clear()
        if not visit.events:
            visit.start = timestamp
            visit.first_id = event.event_id
        visit.last = timestamp
        visit.events += 1
        kind = event.event_type
        page = event.page_view_data
        if kind == PAGE_VIEW and page is not None and page.url is not None:
            url, matches = funnel.look_up(page.url)
            urls[url] = urls.get(url, 0) + 1
            page_views += 1
            _view_page(visit, url, matches)
        elif kind == CONVERSION:
            pane.count_conversion(event, visit.conversion_pane)
            visit.conversion_pane = end
            visit.converted = True
            visit.revenue_micros += event.revenue_micros
            visit.funnel_step = funnel.after_conversion(visit.funnel_step)
        if visit.referrer is None and page is not None and page.referrer:
            visit.referrer = intern(page.referrer[:URL_LENGTH])
        data = event.session_data
        if data is not None:
            country = data.country
            if country and country not in countries:
                countries = _with(countries, country)
            if visit.country is None or visit.device_type is None or visit.browser is None:
                _describe(visit, data)
        if kind == SESSION_END:
            _count(visit, pane)
            over += (summary(visit, funnel),)
            visit.clear()
    pane.page_views += page_views
    if visit.events:
        _count(visit, pane)
    return Applied(page_views, countries, over)


def _view_page(visit: Visit, url: str, matches: int) -> None:
    visit.page_views += 1
    visit.exit_page = url
    if visit.page_views <= PATH_LENGTH:
        visit.path += (url,)
    # The step is the number of the funnel's next page: one further if the url matches that.
    visit.funnel_step += matches >> visit.funnel_step & 1


def _describe(visit: Visit, data: SessionData) -> None:
    """Keep the first device, browser and country that were given."""
    if visit.country is None and data.country:
        visit.country = intern(data.country[:NAME_LENGTH])
    if visit.device_type is None and data.device_type:
        visit.device_type = intern(data.device_type[:NAME_LENGTH])
    if visit.browser is None and data.browser:
        visit.browser = intern(data.browser[:NAME_LENGTH])


def _with(countries: tuple[str, ...], country: str) -> tuple[str, ...]:
    cut = intern(country[:NAME_LENGTH])
    return countries if cut in countries else (*countries, cut)


def _count(visit: Visit, pane: Pane) -> None:
    pane.count_visit(visit.pane, visit.page_views, visit.last - visit.start, visit.last)
    visit.pane = pane.end


def in_order(event: Event) -> tuple[int, str]:
    """Return the key of the order in which events are applied."""
    return event.timestamp, event.event_id


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


def summary(visit: Visit, funnel: Funnel) -> SessionSummary:
    """Return the summary of a visit that is over; the same log gives it the same name (``visit_id``)."""
    visitor = visit.visitor.name
    return SessionSummary(
        site_id=visit.site,
        visit_id=stable_id(visit.site, visitor, visit.session_id, str(visit.start), visit.first_id),
        visitor=visitor,
        session_id=visit.session_id,
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

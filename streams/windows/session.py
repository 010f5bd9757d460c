"""Visits: a pane's events of one (site, visitor, session id) in order, and the visits that end with it."""

import hashlib

from mypy_extensions import mypyc_attr

from streams.windows import PANE_MS, SESSION_GAP_MS
from streams.windows.exact import from_micros
from streams.windows.funnel import Funnel
from streams.windows.held import Held
from streams.windows.pane import Pane
from streams.windows.visitor import NO_PANE, Visitor
from tidemark.events import CONVERSION, SESSION_END
from tidemark.results import SessionSummary

PATH_LENGTH = 50

ENGAGED_PAGE_VIEWS = 4
ENGAGED_MS = 60_000


@mypyc_attr(acyclic=True)
class Visit:
    """A session id's place on a site: its open visit (``events`` > 0), the events that wait for their panes, or both.

    Times in ms; ``due`` is the end of the pane that closes the visit if nothing more comes. ``pane`` and
    ``conversion_pane`` are the last closed panes with an event and with a CONVERSION of it. ``listed`` is the pane that
    knows it has events for it, ``batch`` when the early results heard of it; ``saved``: the checkpoint holds it.
    """

    def __init__(self, site: str, session_id: str, visitor: Visitor) -> None:
        self.site = site
        self.session_id = session_id
        self.visitor = visitor
        self.held: list[Held] | None = None
        self.listed = NO_PANE
        self.batch = 0
        self.saved = False
        self.changed = False
        self.first_id = ""
        self.start = 0
        self.last = 0
        self.due = 0
        self.events = 0
        self.page_views = 0
        self.path: tuple[str, ...] = ()
        self.exit_page: str | None = None
        self.converted = False
        self.revenue_micros = 0
        self.funnel_step = 0
        self.device_type: str | None = None
        self.browser: str | None = None
        self.country: str | None = None
        self.referrer: str | None = None
        self.pane = NO_PANE
        self.conversion_pane = NO_PANE

    def clear(self) -> None:
        """Begin anew: the visit is over, the session id may have another one."""
        self.first_id, self.due, self.events, self.page_views = "", 0, 0, 0
        self.path, self.exit_page, self.converted, self.revenue_micros = (), None, False, 0
        self.funnel_step, self.pane, self.conversion_pane = 0, NO_PANE, NO_PANE
        self.device_type = self.browser = self.country = self.referrer = None

    def shadow(self) -> "Visit":
        """Return a visit as it stands, without its events to come, to try these on."""
        shadow = Visit(self.site, self.session_id, self.visitor)
        shadow.first_id, shadow.start, shadow.last = self.first_id, self.start, self.last
        shadow.events, shadow.page_views, shadow.path = self.events, self.page_views, self.path
        shadow.exit_page, shadow.converted, shadow.revenue_micros = self.exit_page, self.converted, self.revenue_micros
        shadow.funnel_step, shadow.pane, shadow.conversion_pane = self.funnel_step, self.pane, self.conversion_pane
        shadow.device_type, shadow.browser = self.device_type, self.browser
        shadow.country, shadow.referrer = self.country, self.referrer
        return shadow


def apply(visit: Visit, events: list[Held], pane: Pane, funnel: Funnel) -> tuple[SessionSummary, ...]:
    """Apply a pane's events of one session id, in order, and count them in the pane; return the visits that ended.

    A visit ends with its SESSION_END, or when the next event comes more than 30 min after its last one (which is never
    within a pane).
    """
    over: tuple[SessionSummary, ...] = ()
    for event in events:
        time, url = event.time, event.url
        if visit.events and time - visit.last > SESSION_GAP_MS:
            over += (summary(visit, funnel),)
            visit.clear()
        visit.last = time
        visit.events += 1
        if visit.events == 1:
            visit.start, visit.first_id = time, event.event_id
            visit.country, visit.device_type = event.country, event.device_type
            visit.browser, visit.referrer = event.browser, event.referrer
        elif visit.referrer is None or visit.country is None or visit.device_type is None or visit.browser is None:
            visit.country = visit.country or event.country
            visit.device_type = visit.device_type or event.device_type
            visit.browser = visit.browser or event.browser
            visit.referrer = visit.referrer or event.referrer
        if url is not None:
            pane.page_views += 1
            pane.urls[url] = pane.urls.get(url, 0) + 1
            visit.page_views += 1
            visit.exit_page = url
            if visit.page_views <= PATH_LENGTH:
                visit.path += (url,)
            visit.funnel_step = funnel.after_page_view(visit.funnel_step, url)
        elif event.kind == CONVERSION:
            _convert(visit, event.revenue_micros, pane, funnel)
        elif event.kind == SESSION_END:
            _count(visit, pane)
            over += (summary(visit, funnel),)
            visit.clear()
    if visit.events:
        _count(visit, pane)
    return over


def _convert(visit: Visit, revenue_micros: int, pane: Pane, funnel: Funnel) -> None:
    pane.count_conversion(revenue_micros, visit.conversion_pane)
    visit.conversion_pane = pane.end
    visit.converted = True
    visit.revenue_micros += revenue_micros
    visit.funnel_step = funnel.after_conversion(visit.funnel_step)


def countries_of(events: list[Held]) -> tuple[str, ...]:
    """Return the countries of some events, each once."""
    if len(events) == 1:
        country = events[0].country
        return () if country is None else (country,)
    return tuple(dict.fromkeys(event.country for event in events if event.country is not None))


def _count(visit: Visit, pane: Pane) -> None:
    pane.count_visit(visit.pane, visit.page_views, visit.last - visit.start, visit.last)
    visit.pane = pane.end


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

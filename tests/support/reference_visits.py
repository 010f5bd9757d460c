"""What one partition's accepted events amount to, by docs/numbers.md: visits, their summaries, bounce alerts."""

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from fractions import Fraction
from hashlib import blake2b

from tests.support.reference_events import Seen, pane_end
from tidemark.results import Alert, SessionSummary

DEFAULT_FUNNEL = ("/", "/products*", "/cart", "/checkout")
GAP_MS = 30 * 60_000
BOUNCE_MS = 5 * 60_000


@dataclass(eq=False)
class Visit:
    """The events of one visit in their order."""

    events: list[Seen]


def split_visits(accepted: Iterable[Seen]) -> list[Visit]:
    """Cut each (site, visitor, sessionId) into visits: after a SESSION_END, and after more than 30 minutes."""
    visits: list[Visit] = []
    newest: dict[tuple[str, str, str], Visit] = {}
    for event in sorted(accepted, key=lambda event: (event.time, event.event_id)):
        key = (event.site, event.visitor, event.session_id)
        visit = newest.get(key)
        last = visit.events[-1] if visit else None
        if visit is None or last is None or last.event_type == "SESSION_END" or event.time - last.time > GAP_MS:
            visit = newest[key] = Visit([])
            visits.append(visit)
        visit.events.append(event)
    return visits


def over_at(visit: Visit) -> int:
    """Return the first pane end at which the visit is known to be over."""
    last = visit.events[-1]
    return pane_end(last.time if last.event_type == "SESSION_END" else last.time + GAP_MS)


def summary(visit: Visit, funnel: Sequence[str] = DEFAULT_FUNNEL) -> SessionSummary:
    """Return what is told of a visit when it is over."""
    first, last = visit.events[0], visit.events[-1]
    urls = [event.url for event in visit.events if event.event_type == "PAGE_VIEW" and event.url is not None]
    conversions = [event for event in visit.events if event.event_type == "CONVERSION"]
    step = funnel_step(visit.events, funnel)
    return SessionSummary(
        site_id=first.site,
        visit_id=_hash(first.site, first.visitor, first.session_id, str(first.time), first.event_id),
        visitor=first.visitor,
        session_id=first.session_id,
        start_time=first.time,
        end_time=last.time,
        duration_seconds=(last.time - first.time) / 1000,
        events=len(visit.events),
        page_views=len(urls),
        path=urls[:50],
        bounced=len(urls) == 1,
        converted=bool(conversions),
        revenue=as_float(Fraction(sum(event.micros for event in conversions), 10**6)),
        funnel_step=step,
        abandoned=2 <= step < len(funnel) + 1,
        behaviour=_behaviour(len(urls), bool(conversions), last.time - first.time),
        entry_page=urls[0] if urls else None,
        exit_page=urls[-1] if urls else None,
        device_type=_first(event.device for event in visit.events),
        browser=_first(event.browser for event in visit.events),
        country=_first(event.country for event in visit.events),
        referrer=_first(event.referrer for event in visit.events),
    )


def _first(values: Iterable[str | None]) -> str | None:
    return next((value for value in values if value is not None), None)


def _behaviour(page_views: int, converted: bool, duration_ms: int) -> str:
    if converted:
        return "buy"
    if page_views == 1:
        return "bounce"
    return "engage" if page_views >= 4 or duration_ms >= 60_000 else "browse"


def funnel_step(events: Iterable[Seen], funnel: Sequence[str]) -> int:
    """Return how many steps were reached strictly in order; the last one is a CONVERSION."""
    step = 0
    for event in events:
        if step < len(funnel):
            step += event.event_type == "PAGE_VIEW" and fnmatchcase(url_path(event.url or ""), funnel[step])
        elif step == len(funnel):
            step += event.event_type == "CONVERSION"
    return step


def url_path(url: str) -> str:
    """Return a url's path: without fragment, query, scheme and host; never empty."""
    path = url.partition("#")[0].partition("?")[0]
    if "://" in path:
        path = "/" + path.partition("://")[2].partition("/")[2]
    return path or "/"


def bounces(accepted: Iterable[Seen]) -> list[Alert]:
    """Return an alert for each (site, visitor) and 5 minutes with exactly one page view."""
    views = Counter(
        (event.site, event.visitor, event.time // BOUNCE_MS * BOUNCE_MS)
        for event in accepted
        if event.event_type == "PAGE_VIEW"
    )
    return [
        Alert(
            alert_id=_hash("HIGH_BOUNCE_RATE", site, visitor, str(start)),
            alert_type="HIGH_BOUNCE_RATE",
            severity="MEDIUM",
            title="High bounce rate",
            description="",
            site_id=site,
            user_id=visitor,
            window_start=start,
            window_end=start + BOUNCE_MS,
            timestamp=start + BOUNCE_MS,
        )
        for (site, visitor, start), count in views.items()
        if count == 1
    ]


def _hash(*parts: str) -> str:
    return blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def as_float(value: Fraction) -> float:
    """Return the nearest float; a sum of money beyond all floats is the largest one."""
    try:
        return value.numerator / value.denominator
    except OverflowError:
        return sys.float_info.max

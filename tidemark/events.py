"""The event on the wire: its fields and their bounds, and the reasons why a record is none."""

import math
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

PAGE_VIEW = "PAGE_VIEW"
SESSION_START = "SESSION_START"
SESSION_END = "SESSION_END"
CONVERSION = "CONVERSION"

UNDECODABLE = "UNDECODABLE"
INVALID_FIELD = "INVALID_FIELD"
FUTURE_TIMESTAMP = "FUTURE_TIMESTAMP"
LATE = "LATE"
#: Not an event's: a sink's store would not take what the record says.
REFUSED = "REFUSED"

#: An event may lie this many ms ahead of its record's append time, and no more.
MAX_AHEAD_MS = 300_000
DEFAULT_SITE = "default"
MAX_SITE_LENGTH = 64
MICROS = 1_000_000

EventId = Annotated[str, Meta(min_length=36, max_length=36)]
EventType = Annotated[str, Meta(min_length=1, max_length=64)]
SessionId = Annotated[str, Meta(min_length=1, max_length=128)]
UserId = Annotated[str, Meta(min_length=1, max_length=128)]
Url = Annotated[str, Meta(min_length=1, max_length=2000)]
Money = Annotated[float, Meta(ge=0)]
#: Ms since the epoch.
Timestamp = Annotated[int, Meta(ge=0)]


class PageViewData(Struct, rename="camel", gc=False, omit_defaults=True):
    """What a page view tells of its page. ``page_load_time`` is in ms; ``url`` is needed in a PAGE_VIEW."""

    url: Url | None = None
    title: str | None = None
    referrer: str | None = None
    page_load_time: float | None = None


class SessionData(Struct, rename="camel", gc=False, omit_defaults=True):
    """What is known of the visitor's browser and place."""

    user_agent: str | None = None
    ip_address: str | None = None
    country: str | None = None
    city: str | None = None
    device_type: str | None = None
    browser: str | None = None
    os: str | None = None


class ConversionData(Struct, rename="camel", gc=False, omit_defaults=True):
    """What a conversion was worth; ``value`` in units of ``currency``, absent = 0."""

    value: Money | None = None
    currency: str | None = None
    order_id: str | None = None


class Event(Struct, rename="camel", gc=False, omit_defaults=True):
    """One thing that happened on a website. ``timestamp`` is event time, ms since the epoch.

    ``event_type`` is PAGE_VIEW, SESSION_START, SESSION_END, CONVERSION or a custom name.
    """

    event_id: EventId
    timestamp: Timestamp
    event_type: EventType
    session_id: SessionId
    site_id: Annotated[str, Meta(max_length=MAX_SITE_LENGTH)] | None = None
    user_id: UserId | None = None
    page_view_data: PageViewData | None = None
    session_data: SessionData | None = None
    conversion_data: ConversionData | None = None

    @property
    def site(self) -> str:
        """The site the event belongs to; absent or empty means the default site."""
        return self.site_id or DEFAULT_SITE

    @property
    def visitor(self) -> str:
        """Who it was: ``user_id``, else ``session_id``."""
        return self.user_id or self.session_id

    @property
    def revenue_micros(self) -> int:
        """The conversion's value in 10⁻⁶ units, so that sums do not depend on their order."""
        data = self.conversion_data
        if data is None or not data.value:
            return 0
        micros = data.value * MICROS
        # Beyond 10³⁰² no double holds the product; the integer is exact without it.
        return round(micros) if math.isfinite(micros) else int(data.value) * MICROS


class AnySite(Struct, rename="camel", gc=False):
    """What a record that is no event may still say of its site."""

    site_id: Any = None


class InvalidEvent(Exception):
    """A record that is no event. ``reason`` is from the fixed list; the text names field, expected and got."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text


_encode = msgspec.json.Encoder().encode


def encode_event(event: Event) -> bytes:
    """Encode as the JSON of the wire; absent parts are left out."""
    return _encode(event)

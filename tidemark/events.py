"""The event on the wire: from a record's bytes to an Event, or to the reason why it is none."""

import math
from collections.abc import Sequence
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
MICROS = 1_000_000

_UUID_FORM = "a UUID in its 36-character form"


class PageViewData(Struct, rename="camel", gc=False, omit_defaults=True):
    """What a page view tells of its page. ``page_load_time`` is in ms; ``url`` is needed in a PAGE_VIEW."""

    url: Annotated[str, Meta(min_length=1, max_length=2000)] | None = None
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

    value: Annotated[float, Meta(ge=0)] | None = None
    currency: str | None = None
    order_id: str | None = None


class Event(Struct, rename="camel", gc=False, omit_defaults=True):
    """One thing that happened on a website. ``timestamp`` is event time, ms since the epoch.

    ``event_type`` is PAGE_VIEW, SESSION_START, SESSION_END, CONVERSION or a custom name.
    """

    event_id: Annotated[str, Meta(min_length=36, max_length=36)]
    timestamp: Annotated[int, Meta(ge=0)]
    event_type: Annotated[str, Meta(min_length=1, max_length=64)]
    session_id: Annotated[str, Meta(min_length=1, max_length=128)]
    site_id: Annotated[str, Meta(max_length=64)] | None = None
    user_id: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
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


class InvalidEvent(Exception):
    """A record that is no event. ``reason`` is from the fixed list; the text names field, expected and got."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text


_decode = msgspec.json.Decoder(Event).decode
_encode = msgspec.json.Encoder().encode


def encode_event(event: Event) -> bytes:
    """Encode as the JSON of the wire; absent parts are left out."""
    return _encode(event)


def decode_event(raw: bytes) -> tuple[Event, bytes]:
    """Decode and validate one record's value; return the event and its id packed into 16 bytes.

    Raises InvalidEvent with UNDECODABLE (not strict UTF-8 JSON) or INVALID_FIELD (anything else that is wrong).
    """
    event = decode_fields(raw)
    try:
        return event, pack_ids([event.event_id])
    except ValueError:
        raise invalid_id(event.event_id) from None


def decode_fields(raw: bytes) -> Event:
    """Do what ``decode_event`` does but for the form of the id: ``pack_ids`` looks at those of many events at once.

    Raises InvalidEvent with UNDECODABLE (not strict UTF-8 JSON) or INVALID_FIELD (anything else that is wrong).
    """
    try:
        if not raw.isascii():
            raw.decode()  # msgspec does not look into the strings it skips
        event = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _why_not(raw, error) from None
    if event.event_type == PAGE_VIEW:
        data = event.page_view_data
        if data is None or data.url is None:
            raise InvalidEvent(
                INVALID_FIELD, "pageViewData.url: expected a string of 1 to 2000 characters, got nothing"
            )
    return event


def pack_ids(event_ids: Sequence[str]) -> bytes:
    """Pack event ids of 36 characters into 16 bytes each, so that letter case does not matter.

    Raises ValueError if one of them is no UUID in its 36-character form.
    """
    count = len(event_ids)
    text = "".join(event_ids)
    dashes = "-" * count
    if not text[8::36] == text[13::36] == text[18::36] == text[23::36] == dashes:
        raise ValueError(_UUID_FORM)
    # There are no other dashes if the digits have the right number; white space would be skipped.
    packed = bytes.fromhex(text.replace("-", ""))
    if len(packed) != 16 * count:
        raise ValueError(_UUID_FORM)
    return packed


def invalid_id(event_id: str) -> InvalidEvent:
    """Return why an event with this id is none."""
    return _invalid("eventId", _UUID_FORM, event_id)


def _why_not(raw: bytes, error: Exception) -> InvalidEvent:
    """Tell broken JSON from a wrong field: a wrong field may stand before the place where the JSON breaks."""
    broken = _broken_json(raw)
    if broken is not None:
        return InvalidEvent(UNDECODABLE, f"record: expected UTF-8 JSON, got {broken}")
    try:
        parsed = msgspec.json.decode(raw)
    except msgspec.DecodeError:  # well-formed, with a number that no double holds
        return InvalidEvent(INVALID_FIELD, f"record: {error}")
    if not isinstance(parsed, dict):
        return _invalid("record", "a JSON object", parsed)
    message = str(error)
    if message.startswith("Object missing required field `"):
        return InvalidEvent(INVALID_FIELD, f"{message.split('`')[1]}: expected a value, got nothing")
    expected, _, path = message.partition(" - at `$.")
    field = path.rstrip("`")
    return _invalid(field or "record", expected.partition(", got ")[0].removeprefix("Expected "), _at(parsed, field))


def _broken_json(raw: bytes) -> str | None:
    """Say what is wrong with the JSON, whatever its fields; None if it is well-formed."""
    try:
        raw.decode()
        msgspec.json.decode(raw, type=msgspec.Raw)
    except UnicodeDecodeError as error:
        return f"byte {error.start} that is not UTF-8"
    except RecursionError:
        return "too deep a nesting"
    except msgspec.DecodeError as error:
        return str(error)
    return None


def _at(parsed: Any, field: str) -> Any:
    for name in field.split("."):
        parsed = parsed.get(name) if isinstance(parsed, dict) else None
    return parsed


def _invalid(field: str, expected: str, got: Any) -> InvalidEvent:
    shown = "nothing" if got is None else f"{type(got).__name__} {got!r}"
    if len(shown) > 100:
        shown = shown[:100] + "…"
    return InvalidEvent(INVALID_FIELD, f"{field}: expected {expected.replace('`', '')}, got {shown}")

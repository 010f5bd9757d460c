"""The two shapes an event may come in, a web site's and the platform's own, and all that is wrong with what is none.

Pure. A web site's becomes the platform's here, under the bounds of ``tidemark.events``.
"""

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from ingestion.reasons import FieldError, Rejected
from tidemark.decoding import is_event_id
from tidemark.events import (
    CONVERSION,
    INVALID_FIELD,
    MAX_SITE_LENGTH,
    PAGE_VIEW,
    SESSION_END,
    SESSION_START,
    UNDECODABLE,
    ConversionData,
    Event,
    EventId,
    EventType,
    Money,
    PageViewData,
    SessionData,
    SessionId,
    Timestamp,
    Url,
    UserId,
)
from tidemark.times import parse_time

#: ISO 8601 (UTC without an offset), or ms since the epoch.
Time = Annotated[str, Meta(min_length=1, max_length=64)] | Timestamp
Name = Annotated[str, Meta(max_length=128)]
Site = Annotated[str, Meta(min_length=1, max_length=MAX_SITE_LENGTH)]

_TYPES = {name.lower(): name for name in (PAGE_VIEW, SESSION_START, SESSION_END, CONVERSION)} | {"pageview": PAGE_VIEW}
_UUID_FORM = "a UUID in its 36-character form"
_TIME_FORM = "ISO 8601, such as 2026-11-22T08:30:00Z, or ms since the epoch"


class SiteEvent(Struct, gc=False):
    """One thing that happened on a web site, as a page or a back end tells it.

    ``timestamp`` is when it happened and ``sent_at`` when it was sent, both on the sender's clock. A ``page_view``
    needs ``path`` or ``url``. ``user_agent`` and ``ip_address`` are the visitor's if a back end sends for one. What is
    absent is filled in from the request, as far as it tells; unknown fields are ignored.
    """

    site_id: Site
    event_type: EventType
    timestamp: Time
    sent_at: Time | None = None
    event_id: EventId | None = None
    user_id: UserId | None = None
    session_id: SessionId | None = None
    path: Url | None = None
    url: Url | None = None
    title: str | None = None
    referrer: str | None = None
    page_load_time: float | None = None
    value: Money | None = None
    currency: Name | None = None
    order_id: Name | None = None
    user_agent: str | None = None
    ip_address: Name | None = None
    country: Name | None = None
    city: Name | None = None
    device_type: Name | None = None
    browser: Name | None = None
    os: Name | None = None


class _AnySite(Struct, gc=False):
    """What an event that cannot be used may still say of its site, in either shape."""

    site_id: Any = None
    own: Any = msgspec.field(default=None, name="siteId")


_decode_any_site = msgspec.json.Decoder(_AnySite).decode
_decode_site = msgspec.json.Decoder(SiteEvent).decode
_decode_own = msgspec.json.Decoder(Event).decode


def read(raw: bytes) -> tuple[Event, int | None]:
    """Return the event, and when it was sent (ms, the sender's clock) if it says so.

    The ids it lacks are empty: the caller fills them in before anybody else sees it. An event with ``eventType`` and
    without ``event_type`` is read as the platform's own. Raises Rejected with UNDECODABLE or INVALID_FIELD.
    """
    try:
        if not raw.isascii():
            raw.decode()  # msgspec does not look into the strings it skips
        sent = _decode_site(raw)
    except msgspec.ValidationError as error:
        if b'"eventType"' in raw and b'"event_type"' not in raw:
            return _read_own(raw), None
        raise _why_not(raw, SiteEvent, error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _why_not(raw, SiteEvent, error) from None
    return _checked(_converted(sent)), None if sent.sent_at is None else _ms(sent.sent_at, "sent_at")


def _read_own(raw: bytes) -> Event:
    try:
        return _checked(_decode_own(raw))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _why_not(raw, Event, error) from None


def from_words(words: dict[str, str]) -> tuple[Event, int | None]:
    """Do what ``read`` does for the fields of a query, all of them text. Raises Rejected with INVALID_FIELD."""
    try:
        sent = msgspec.convert(words, SiteEvent, strict=False)
    except msgspec.ValidationError as error:
        raise _with_wrong_fields(words, SiteEvent, error, strict=False) from None
    return _checked(_converted(sent)), None if sent.sent_at is None else _ms(sent.sent_at, "sent_at")


def site_named(raw: bytes) -> str | None:
    """Return the site that an event names which could not be read, None if it names none."""
    try:
        said = _decode_any_site(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return as_site(said.own if said.site_id is None else said.site_id)


def as_site(value: Any) -> str | None:
    """Return the value if it can be a site's name, else None."""
    return value if isinstance(value, str) and 0 < len(value) <= MAX_SITE_LENGTH else None


def _converted(sent: SiteEvent) -> Event:
    url = sent.path or sent.url
    page = None
    if url is not None or sent.title is not None or sent.referrer is not None or sent.page_load_time is not None:
        page = PageViewData(url, sent.title, sent.referrer, sent.page_load_time)
    conversion = None
    if sent.value is not None or sent.currency is not None or sent.order_id is not None:
        conversion = ConversionData(sent.value, sent.currency, sent.order_id)
    known = (sent.user_agent, sent.ip_address, sent.country, sent.city, sent.device_type, sent.browser, sent.os)
    return Event(
        sent.event_id or "",
        _ms(sent.timestamp, "timestamp"),
        _TYPES.get(sent.event_type.lower(), sent.event_type),
        sent.session_id or "",
        sent.site_id,
        sent.user_id,
        page,
        SessionData(*known) if any(known) else None,
        conversion,
    )


def _ms(time: str | int, field: str) -> int:
    if isinstance(time, int):
        return time
    try:
        ms = parse_time(time)
    except ValueError:
        ms = -1
    if ms < 0:
        raise _wrong(FieldError(field, _TIME_FORM, _shown(time)))
    return ms


def _checked(event: Event) -> Event:
    """Check what the fields' types do not say."""
    if event.event_type == PAGE_VIEW and (event.page_view_data is None or event.page_view_data.url is None):
        raise _wrong(FieldError("path", "the path or url of the page that was viewed", "nothing"))
    if event.event_id and not is_event_id(event.event_id):
        raise _wrong(FieldError("event_id", _UUID_FORM, _shown(event.event_id)))
    return event


def _why_not(raw: bytes, shape: type[Struct], error: Exception) -> Rejected:
    """Tell broken JSON from wrong fields, and name all of these."""
    try:
        raw.decode()
        msgspec.json.decode(raw, type=msgspec.Raw)  # well-formed?
        parsed = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as broken:
        why = "too deep a nesting" if isinstance(broken, RecursionError) else str(broken)
        return Rejected(UNDECODABLE, f"Not JSON: {why}", (FieldError("body", "one event in JSON, UTF-8", why),))
    if not isinstance(parsed, dict):
        return _wrong(FieldError("body", "a JSON object", _shown(parsed)))
    return _with_wrong_fields(parsed, shape, error, strict=True)


def _with_wrong_fields(parsed: dict[str, Any], shape: type[Struct], error: Exception, *, strict: bool) -> Rejected:
    errors = list(_wrong_fields(parsed, shape, strict=strict))
    # A field that stands twice may be wrong the first time only.
    return _wrong(*errors) if errors else _wrong(FieldError("body", str(error), "something else"))


def _wrong_fields(parsed: dict[str, Any], shape: type[Struct], *, strict: bool) -> Iterator[FieldError]:
    for field in msgspec.structs.fields(shape):
        value = parsed.get(field.encode_name)
        if value is None:
            if field.required:
                yield FieldError(field.encode_name, "a value", "nothing")
            continue
        try:
            msgspec.convert(value, field.type, strict=strict)
        except msgspec.ValidationError as error:
            expected, _, at = str(error).partition(" - at `$")
            inner = at.rstrip("`")
            yield FieldError(
                field.encode_name + inner,
                expected.partition(", got ")[0].removeprefix("Expected ").replace("`", ""),
                _shown(_at(value, inner)),
            )


def _at(value: Any, path: str) -> Any:
    for name in path.split(".")[1:]:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _wrong(*errors: FieldError) -> Rejected:
    missing = [error.field for error in errors if error.got == "nothing"]
    wrong = [error.field for error in errors if error.got != "nothing"]
    parts = [f"Missing required fields: {', '.join(missing)}"] if missing else []
    parts += [f"Invalid fields: {', '.join(wrong)}"] if wrong else []
    return Rejected(INVALID_FIELD, "; ".join(parts), errors)


def _shown(value: Any) -> str:
    shown = "nothing" if value is None else f"{type(value).__name__} {value!r}"
    return shown if len(shown) <= 100 else shown[:100] + "…"

"""What a record of the log is worth, by the letter of docs/numbers.md: an event, or the reason why it is none.

Written with Python's own json and plain checks, so that tidemark.events can be judged by it.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

PANE_MS = 5_000
AHEAD_MS = 5 * 60_000
_UUID = re.compile("-".join(f"[0-9a-fA-F]{{{digits}}}" for digits in (8, 4, 4, 4, 12)))


#: Descriptions count by their first characters: country, device and browser; and a referrer, which is a url.
NAME_LENGTH = 64
URL_LENGTH = 2_000


@dataclass(frozen=True)
class LogRecord:
    """One record of the events topic; ``append_time`` in ms. A ``tick`` has no value."""

    partition: int
    offset: int
    append_time: int
    value: bytes | None
    tick: bool = False


@dataclass(frozen=True)
class Seen:
    """One valid event, as far as any number depends on it."""

    partition: int
    time: int
    event_id: str
    event_type: str
    site: str
    visitor: str
    session_id: str
    url: str | None
    micros: int
    country: str | None
    device: str | None
    browser: str | None
    referrer: str | None


class _WrongFieldError(Exception):
    """A field is not what it has to be."""


def read(record: LogRecord) -> Seen | str:
    """Return the record's event, or the reason why it is none."""
    try:
        document = _strict_json(record.value)
    except (ValueError, RecursionError):
        return "UNDECODABLE"
    try:
        event = _event(record.partition, document)
    except _WrongFieldError:
        return "INVALID_FIELD"
    return "FUTURE_TIMESTAMP" if event.time > record.append_time + AHEAD_MS else event


def site_told(record: LogRecord) -> str:
    """Return the site a record says it is of, be it an event or not; "default" where no site can be read."""
    try:
        document = _strict_json(record.value)
    except (ValueError, RecursionError):
        return "default"
    site = document.get("siteId") if isinstance(document, dict) else None
    return site if isinstance(site, str) and 1 <= len(site) <= 64 else "default"


def _strict_json(value: bytes | None) -> Any:
    """Parse UTF-8 JSON; raise ValueError where Python's own parser is more lenient than the standard."""
    if value is None:
        raise ValueError("no value and no tick")
    document = json.loads(
        value.decode("utf-8"),
        parse_constant=_refuse,
        parse_int=lambda digits: int(Decimal(digits)),  # int() refuses more than 4300 digits
        object_pairs_hook=_object,
    )
    _check_text(document)
    return document


def _refuse(literal: str) -> None:
    raise ValueError(f"{literal} is no JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    for pair in pairs:
        _check_text(list(pair))
    return dict(pairs)


def _check_text(parsed: Any) -> None:
    """Raise ValueError for half a surrogate pair. Objects have been looked through when they were built."""
    if isinstance(parsed, str):
        parsed.encode("utf-8")
    if isinstance(parsed, list):
        for item in parsed:
            _check_text(item)


def _event(partition: int, document: Any) -> Seen:
    fields = _an_object(document)
    event_id = _needed(_text(fields, "eventId", 36, 36))
    if not _UUID.fullmatch(event_id):
        raise _WrongFieldError
    event_type = _needed(_text(fields, "eventType", 1, 64))
    session_id = _needed(_text(fields, "sessionId", 1, 128))
    user_id = _text(fields, "userId", 1, 128)
    page = _part(fields, "pageViewData", ("title", "referrer"))
    url = _text(page, "url", 1, 2000)
    _number(page, "pageLoadTime")
    person = _part(fields, "sessionData", ("userAgent", "ipAddress", "country", "city", "deviceType", "browser", "os"))
    value = _number(_part(fields, "conversionData", ("currency", "orderId")), "value") or 0.0
    if value < 0 or (event_type == "PAGE_VIEW" and url is None):
        raise _WrongFieldError
    return Seen(
        partition=partition,
        time=_time(fields),
        event_id=event_id.lower(),
        event_type=event_type,
        site=_text(fields, "siteId", 0, 64) or "default",
        visitor=user_id or session_id,
        session_id=session_id,
        url=url,
        micros=_micros(value),
        country=_cut(person.get("country"), NAME_LENGTH),
        device=_cut(person.get("deviceType"), NAME_LENGTH),
        browser=_cut(person.get("browser"), NAME_LENGTH),
        referrer=_cut(page.get("referrer"), URL_LENGTH),
    )


def _cut(text: str | None, length: int) -> str | None:
    """An empty description counts as none; a long one by its beginning."""
    return text[:length] if text else None


def _an_object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _WrongFieldError
    return value


def _part(fields: Mapping[str, Any], name: str, texts: Sequence[str]) -> Mapping[str, Any]:
    part = {} if fields.get(name) is None else _an_object(fields[name])
    for text in texts:
        _text(part, text, 0, math.inf)
    return part


def _needed(value: str | None) -> str:
    if value is None:
        raise _WrongFieldError
    return value


def _text(fields: Mapping[str, Any], name: str, shortest: float, longest: float) -> str | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not shortest <= len(value) <= longest:
        raise _WrongFieldError
    return value


def _number(fields: Mapping[str, Any], name: str) -> float | None:
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _WrongFieldError
    try:
        number = float(value)
    except OverflowError:
        raise _WrongFieldError from None
    if not math.isfinite(number):
        raise _WrongFieldError
    return number


def _time(fields: Mapping[str, Any]) -> int:
    value = fields.get("timestamp")
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _WrongFieldError
    return value


def _micros(value: float) -> int:
    """Return 10⁻⁶ units, rounded in floats; beyond 10³⁰² a float holds no product, and the integer is exact anyway."""
    product = value * 1_000_000
    return round(product) if math.isfinite(product) else int(value) * 1_000_000


def pane_end(time: int) -> int:
    """Return the end of the pane that holds ``time``."""
    return (time // PANE_MS + 1) * PANE_MS

"""From a record's bytes to an event, or to the reason why it is none."""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from tidemark.events import (
    DEFAULT_SITE,
    INVALID_FIELD,
    MAX_SITE_LENGTH,
    PAGE_VIEW,
    UNDECODABLE,
    AnySite,
    Event,
    InvalidEvent,
)

_UUID_FORM: Final = "a UUID in its 36-character form"

_HEX: Final = "[0-9a-fA-F]"
_fullmatch_uuid = re.compile("-".join(f"{_HEX}{{{digits}}}" for digits in (8, 4, 4, 4, 12))).fullmatch

_decode = msgspec.json.Decoder(Event).decode
_decode_site = msgspec.json.Decoder(AnySite).decode


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


def site_of(raw: bytes) -> str:
    """Return the site of a record that is JSON but no event: its ``siteId`` if it can be one, else the default."""
    try:
        site = _decode_site(raw).site_id
    except (msgspec.DecodeError, RecursionError):
        return DEFAULT_SITE
    return site if isinstance(site, str) and 0 < len(site) <= MAX_SITE_LENGTH else DEFAULT_SITE


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


def is_event_id(text: str) -> bool:
    """Say whether ``pack_ids`` takes this id; for one alone that is the faster way to ask."""
    return _fullmatch_uuid(text) is not None


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

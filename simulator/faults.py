"""What goes wrong on the way: shares of late, doubled and bad records, and each kind of bad record with its reason."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import msgspec

from tidemark.events import FUTURE_TIMESTAMP, INVALID_FIELD, PAGE_VIEW, UNDECODABLE

#: A late event is held back so long, far beyond any lateness; a duplicate follows its original within this time (ms).
LATE_BY_MS = (10_000, 60_000)
DUPLICATE_WITHIN_MS = 30_000
#: No broker's clock is anywhere near it: 1 January 2100.
_FAR_FUTURE_MS = 4_102_444_800_000
_SHARE = re.compile(r"(?P<number>\d+(\.\d+)?|\.\d+)\s*(?P<percent>%?)")


@dataclass(frozen=True)
class Faults:
    """Shares (0..1) of the events that are sent late, sent twice, or accompanied by a bad record.

    ``disorder_ms``: each other event is sent 0 to so many ms after its event time.
    """

    late: float = 0.0
    duplicates: float = 0.0
    bad: float = 0.0
    disorder_ms: int = 0


def parse_share(text: str) -> float:
    """Return 0..1 from "2%", "2 %" or "0.02". Raises ValueError for anything else, a bare 1 or more included."""
    match = _SHARE.fullmatch(text.strip())
    if match is not None:
        share = float(match["number"]) / (100 if match["percent"] else 1)
        if share < 1 or (share == 1 and match["percent"]):
            return share
    raise ValueError(f'expected a share of the events such as "2%" or "0.02" (all: "100%"), got {text!r}')


def corrupt(kind: str, event: bytes, rng: Random) -> bytes:
    """Return a bad record of this kind (one of BAD_KINDS), made from a good event's JSON."""
    return _CORRUPTIONS[kind](event, rng)


def _not_utf8(event: bytes, rng: Random) -> bytes:
    return event.replace(b'"sessionData":{"userAgent":"', b'"sessionData":{"userAgent":"\xff\xfe', 1)


def _cut_short(event: bytes, rng: Random) -> bytes:
    return event[: rng.randrange(1, len(event))]


def _binary(event: bytes, rng: Random) -> bytes:
    return b"\x00\x00\x00\x00\x2a" + rng.randbytes(rng.randrange(100, 600))


def _not_an_object(event: bytes, rng: Random) -> bytes:
    return b"[" + event + b"]"


def _wrong_type(event: bytes, rng: Random) -> bytes:
    field, value = rng.choice(
        [("timestamp", "yesterday"), ("sessionId", 7), ("eventType", []), ("sessionData", "none")]
    )
    return _changed(event, {field: value})


def _missing_field(event: bytes, rng: Random) -> bytes:
    return _changed(event, {rng.choice(["eventId", "timestamp", "eventType", "sessionId"]): None})


def _missing_url(event: bytes, rng: Random) -> bytes:
    return _changed(event, {"eventType": PAGE_VIEW, "pageViewData": {"title": "A page without an address"}})


def _invalid_uuid(event: bytes, rng: Random) -> bytes:
    return _changed(
        event, {"eventId": rng.choice(["12345", "not-a-uuid-but-thirty-six-characters", "x" * 36, "-" * 36])}
    )


def _oversized_field(event: bytes, rng: Random) -> bytes:
    return _changed(
        event,
        rng.choice([{"pageViewData": {"url": "/" + "a" * 2_000}}, {"sessionId": "s" * 129}, {"siteId": "x" * 65}]),
    )


def _negative_value(event: bytes, rng: Random) -> bytes:
    return _changed(event, {"conversionData": {"value": -rng.randrange(1, 10_000) / 100, "currency": "EUR"}})


def _future_timestamp(event: bytes, rng: Random) -> bytes:
    return _changed(event, {"timestamp": _FAR_FUTURE_MS + rng.randrange(1_000_000)})


def _changed(event: bytes, fields: dict[str, Any]) -> bytes:
    """Give the event other fields; None takes a field out."""
    merged = msgspec.json.decode(event) | fields
    return msgspec.json.encode({name: value for name, value in merged.items() if value is not None})


#: Each kind of bad record with the reason for which it must be refused.
BAD_KINDS = {
    "not-utf8": UNDECODABLE,
    "cut-short": UNDECODABLE,
    "binary": UNDECODABLE,
    "not-an-object": INVALID_FIELD,
    "wrong-type": INVALID_FIELD,
    "missing-field": INVALID_FIELD,
    "missing-url": INVALID_FIELD,
    "invalid-uuid": INVALID_FIELD,
    "oversized-field": INVALID_FIELD,
    "negative-value": INVALID_FIELD,
    "future-timestamp": FUTURE_TIMESTAMP,
}
_CORRUPTIONS: dict[str, Callable[[bytes, Random], bytes]] = {
    "not-utf8": _not_utf8,
    "cut-short": _cut_short,
    "binary": _binary,
    "not-an-object": _not_an_object,
    "wrong-type": _wrong_type,
    "missing-field": _missing_field,
    "missing-url": _missing_url,
    "invalid-uuid": _invalid_uuid,
    "oversized-field": _oversized_field,
    "negative-value": _negative_value,
    "future-timestamp": _future_timestamp,
}

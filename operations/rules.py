"""Which dead letters' records may be sent again, and why the others may not. Pure: the clock comes in."""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from operations.letters import Place
from tidemark.counts import decode_counts
from tidemark.decoding import decode_event
from tidemark.events import FUTURE_TIMESTAMP, LATE, MAX_AHEAD_MS, InvalidEvent
from tidemark.results import DeadLetter, decode_alert, decode_metric, decode_session
from tidemark.topics import ALERTS, DOOR_COUNTS, EVENTS, METRICS, SESSIONS

#: docs/numbers.md: an event is late once its pane of so many ms is closed.
PANE_MS = 5_000

_DECODE: dict[str, Callable[[bytes], object]] = {
    METRICS.name: decode_metric,
    SESSIONS.name: decode_session,
    ALERTS.name: decode_alert,
    DOOR_COUNTS.name: decode_counts,
}


def refusal(place: Place, letter: DeadLetter, *, now: int, lateness_ms: int) -> str | None:
    """Say why a record cannot be sent again to where it was read, None if it can; ``now`` in ms.

    An event must be valid, not too far ahead, and its window open by the clock: the watermark of a partition in which
    something happens, or whose worker runs, is no further back. A result must be what its topic holds.
    """
    if place.topic == EVENTS.name:
        return _event_refusal(letter, now, lateness_ms)
    if place.topic not in _DECODE:
        return f"only events and results can be sent again, nothing of {place.topic}"
    try:
        letter.record.decode()  # msgspec does not look into the strings it skips
        _DECODE[place.topic](letter.record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return f"{letter.reason}: still no record of {place.topic}: {error}"
    return None


def _event_refusal(letter: DeadLetter, now: int, lateness_ms: int) -> str | None:
    if letter.reason == LATE:
        return f"{LATE}: its window is closed for good, so it would be late again ({letter.text})"
    try:
        event, _ = decode_event(letter.record)
    except InvalidEvent as why:
        return f"{why.reason}: {why.text}"
    if event.timestamp > now + MAX_AHEAD_MS:
        since = iso(event.timestamp - MAX_AHEAD_MS)
        return f"{FUTURE_TIMESTAMP}: still too far ahead; it can be sent again from {since} on"
    closed = event.timestamp - event.timestamp % PANE_MS + PANE_MS + lateness_ms
    if closed <= now:
        return f"{LATE}: its window has closed at {iso(closed)}, so it would be late now"
    return None


def iso(ms: int) -> str:
    """Return a time in UTC to the ms; one beyond the year 9999 as it is."""
    try:
        return datetime.fromtimestamp(ms / 1_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return f"{ms} ms"

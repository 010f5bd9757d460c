"""The records of a source partition: which are ticks, which are valid events, and why the others are none."""

from collections.abc import Sequence
from typing import Protocol

from tidemark.events import (
    FUTURE_TIMESTAMP,
    MAX_AHEAD_MS,
    UNDECODABLE,
    Event,
    InvalidEvent,
    decode_event,
)
from tidemark.topics import TICK_HEADER


class Record(Protocol):
    """What is needed of a consumed record; ``timestamp`` is its append time (ms, the broker's clock)."""

    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def timestamp(self) -> int: ...  # noqa: D102
    @property
    def key(self) -> bytes | None: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...  # noqa: D102


def is_tick(record: Record) -> bool:
    """Say whether a record is a tick (punctuation): no key, no value, the tick header."""
    return record.value is None and record.key is None and any(name == TICK_HEADER for name, _ in record.headers)


def valid_event(record: Record) -> tuple[Event, bytes]:
    """Return the record's event and its packed id. Raises InvalidEvent with the reason why it has none."""
    if record.value is None:
        raise InvalidEvent(UNDECODABLE, "record: expected UTF-8 JSON, got nothing")
    event, packed_id = decode_event(record.value)
    ahead = event.timestamp - record.timestamp
    if ahead > MAX_AHEAD_MS:
        raise InvalidEvent(
            FUTURE_TIMESTAMP,
            f"timestamp: expected at most {MAX_AHEAD_MS} ms after the record's append time, got {ahead} ms",
        )
    return event, packed_id


def late_text(event: Event, pane_end: int, watermark: int) -> str:
    """Say by how much an event was late."""
    return f"timestamp: its window closed at {pane_end}, the watermark was {watermark} ({event.timestamp} came late)"

"""The records of a source partition: which are ticks, which are valid events, and why the others are none."""

from collections.abc import Sequence
from typing import Protocol

from tidemark.events import (
    FUTURE_TIMESTAMP,
    MAX_AHEAD_MS,
    UNDECODABLE,
    Event,
    InvalidEvent,
    decode_fields,
    invalid_id,
    pack_ids,
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


def read(records: Sequence[Record]) -> tuple[list[Event | InvalidEvent | None], bytes]:
    """Return what each record holds, None for a tick, and the packed ids of the events among them.

    Ids are in lower case afterwards. Whether an event is too far ahead of its append time is not looked at.
    """
    held = [_read(record) for record in records]
    events = [event for event in held if type(event) is Event]
    try:
        packed = pack_ids([event.event_id for event in events])
    except ValueError:
        return _without_invalid_ids(held)
    _lower_ids(events)
    return held, packed


def _read(record: Record) -> Event | InvalidEvent | None:
    value = record.value
    if value is None:
        return None if is_tick(record) else InvalidEvent(UNDECODABLE, "record: expected UTF-8 JSON, got nothing")
    try:
        return decode_fields(value)
    except InvalidEvent as why:
        return why


def _without_invalid_ids(
    held: list[Event | InvalidEvent | None],
) -> tuple[list[Event | InvalidEvent | None], bytes]:
    packed = []
    for number, event in enumerate(held):
        if isinstance(event, Event):
            try:
                packed.append(pack_ids([event.event_id]))
            except ValueError:
                held[number] = invalid_id(event.event_id)
    _lower_ids([event for event in held if type(event) is Event])
    return held, b"".join(packed)


def _lower_ids(events: Sequence[Event]) -> None:
    for event in events:
        if not event.event_id.islower():
            event.event_id = event.event_id.lower()


def too_far_ahead(event: Event, record: Record) -> InvalidEvent:
    """Return why an event that is more than 5 min ahead of its record's append time is none."""
    ahead = event.timestamp - record.timestamp
    return InvalidEvent(
        FUTURE_TIMESTAMP,
        f"timestamp: expected at most {MAX_AHEAD_MS} ms after the record's append time, got {ahead} ms",
    )


def late_text(event: Event, pane_end: int, watermark: int) -> str:
    """Say by how much an event was late."""
    return f"timestamp: its window closed at {pane_end}, the watermark was {watermark} ({event.timestamp} came late)"

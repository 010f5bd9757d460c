"""The records of a source partition: which are ticks, which are valid events, and why the others are none."""

from collections.abc import Sequence
from typing import Protocol

from streams.windows.held import Held, held
from tidemark.decoding import decode_fields, invalid_id, pack_ids, site_of
from tidemark.events import DEFAULT_SITE, FUTURE_TIMESTAMP, MAX_AHEAD_MS, UNDECODABLE, Event, InvalidEvent
from tidemark.topics import GROWN_FROM_HEADER, TICK_HEADER


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


def is_grown(record: Record) -> bool:
    """Say whether a record is the first of a log that goes on from another one, whose state is in the checkpoints."""
    return is_tick(record) and any(name == GROWN_FROM_HEADER for name, _ in record.headers)


#: An event with its place: site, visitor, session id.
Placed = tuple[Held, str, str, str]


def read(records: Sequence[Record]) -> tuple[list[Placed | InvalidEvent | None], bytes]:
    """Return what each record holds, None for a tick, and the packed ids of the events among them."""
    contents = [_read(record) for record in records]
    ids = [content[0].event_id for content in contents if isinstance(content, tuple)]
    try:
        return contents, pack_ids(ids)
    except ValueError:
        return _without_invalid_ids(contents)


def _read(record: Record) -> Placed | InvalidEvent | None:
    value = record.value
    if value is None:
        return None if is_tick(record) else InvalidEvent(UNDECODABLE, "record: expected UTF-8 JSON, got nothing")
    try:
        event = decode_fields(value)
    except InvalidEvent as why:
        return why
    if event.timestamp > record.timestamp + MAX_AHEAD_MS:
        return _too_far_ahead(event, record.timestamp)
    session_id = event.session_id
    return held(event), event.site_id or DEFAULT_SITE, event.user_id or session_id, session_id


def _without_invalid_ids(
    contents: list[Placed | InvalidEvent | None],
) -> tuple[list[Placed | InvalidEvent | None], bytes]:
    packed = []
    for number, content in enumerate(contents):
        if isinstance(content, tuple):
            event_id = content[0].event_id
            try:
                packed.append(pack_ids([event_id]))
            except ValueError:
                contents[number] = invalid_id(event_id)
    return contents, b"".join(packed)


def _too_far_ahead(event: Event, append_time: int) -> InvalidEvent:
    """Return why an event that is more than 5 min ahead of its record's append time is none."""
    try:
        pack_ids([event.event_id])
    except ValueError:
        return invalid_id(event.event_id)  # what is wrong with the event itself comes first
    ahead = event.timestamp - append_time
    return InvalidEvent(
        FUTURE_TIMESTAMP,
        f"timestamp: expected at most {MAX_AHEAD_MS} ms after the record's append time, got {ahead} ms",
    )


def site_of_invalid(record: Record, why: InvalidEvent) -> str:
    """Return the site that a record which is no event counts for; of what is not JSON nothing can be read."""
    value = record.value
    return DEFAULT_SITE if value is None or why.reason == UNDECODABLE else site_of(value)


def late_text(time: int, pane_end: int, watermark: int) -> str:
    """Say by how much an event was late."""
    return f"timestamp: its window closed at {pane_end}, the watermark was {watermark} ({time} came late)"

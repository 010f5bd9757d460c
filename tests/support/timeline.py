"""Events drawn on a time axis, so that a window test shows at a glance what happens when.

One line a visitor, ``[site:]visitor[/session]`` and then one character a step of time; blanks and ``|`` take no time::

    alice       P...a|..C.E
    shop:bob/2  .S...|P

P is a page view of ``/``, a small letter one of ``/<letter>``, S SESSION_START, E SESSION_END, C CONVERSION worth 1, a
digit one worth that much, * the custom event ``scroll``, a dot nothing. A line that begins with # is a remark.
"""

from collections.abc import Iterable

from tests.support.reference_events import LogRecord
from tidemark.events import ConversionData, Event, PageViewData, encode_event

_TYPES = {"S": "SESSION_START", "E": "SESSION_END", "*": "scroll", "C": "CONVERSION", "P": "PAGE_VIEW"}


def timeline(drawing: str, *, step_ms: int = 1_000, start_ms: int = 0) -> list[Event]:
    """Return the drawing's events in order of time, then of lines; their ids count up in that order.

    The first character of each line stands at ``start_ms``. ``userId`` is the visitor; the session, unless given, has
    the visitor's name. Raises ValueError for a character that means nothing.
    """
    marks: list[tuple[int, str, str]] = []
    for line in drawing.splitlines():
        label, _, steps = line.strip().partition(" ")
        if label and not label.startswith("#"):
            steps = steps.replace(" ", "").replace("|", "")
            marks += [(start_ms + at * step_ms, label, mark) for at, mark in enumerate(steps) if mark != "."]
    marks.sort(key=lambda mark: mark[0])
    return [_event(number, *mark) for number, mark in enumerate(marks)]


def _event(number: int, time: int, label: str, mark: str) -> Event:
    site, _, who = label.rpartition(":")
    visitor, _, session = who.partition("/")
    event = Event(
        event_id=event_id(number),
        timestamp=time,
        event_type="PAGE_VIEW" if mark.islower() else "CONVERSION" if mark.isdigit() else _TYPES.get(mark, ""),
        session_id=session or visitor,
        site_id=site or None,
        user_id=visitor,
    )
    if not event.event_type:
        raise ValueError(f"timeline: expected one of PSEC*, a small letter, a digit or a dot, got {mark!r}")
    if event.event_type == "PAGE_VIEW":
        event.page_view_data = PageViewData(url="/" if mark == "P" else f"/{mark}")
    if event.event_type == "CONVERSION":
        event.conversion_data = ConversionData(value=1.0 if mark == "C" else float(mark))
    return event


def event_id(number: int) -> str:
    """Return the ``number``-th event id; a higher number sorts behind a lower one."""
    return f"00000000-0000-4000-8000-{number:012x}"


def log_of(events: Iterable[Event], *, partition: int = 0, held_up_ms: int = 0) -> list[LogRecord]:
    """Return the events as one partition's log, in their order; each is appended ``held_up_ms`` after its time."""
    return [
        LogRecord(partition, offset, event.timestamp + held_up_ms, encode_event(event))
        for offset, event in enumerate(events)
    ]


def then_tick(log: list[LogRecord], append_time: int) -> list[LogRecord]:
    """Return one partition's log with a tick at its end."""
    last = log[-1]
    return [*log, LogRecord(last.partition, last.offset + 1, append_time, None, tick=True)]

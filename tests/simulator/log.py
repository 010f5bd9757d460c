"""A manifest's figures worked out again from the topic's records alone."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from tests.support.kafka_log import LogRecord
from tidemark.decoding import decode_event
from tidemark.events import FUTURE_TIMESTAMP, MAX_AHEAD_MS, Event, InvalidEvent


def figures_of(log: Iterable[LogRecord]) -> dict[str, Any]:
    """Return what a manifest should say of these records, but for the kinds of the bad ones and the late ones."""
    events: dict[str, Event] = {}
    reasons = Counter[str]()
    records = duplicates = 0
    for record in log:
        records += 1
        judged = _judge(record)
        if isinstance(judged, str):
            reasons[judged] += 1
        elif judged.event_id in events:
            duplicates += 1
        else:
            events[judged.event_id] = judged
    sites = defaultdict[str, list[Event]](list)
    for event in events.values():
        sites[event.site].append(event)
    times = [event.timestamp for event in events.values()]
    return {
        "recordsAcknowledged": records,
        "distinctEventIds": len(events),
        **_counts(list(events.values())),
        "duplicates": duplicates,
        "badByReason": dict(reasons),
        "sites": {site: _counts(of) for site, of in sites.items()},
        "firstEventTime": min(times),
        "lastEventTime": max(times),
    }


def figures_in(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest's figures in the same form."""
    names = (
        "recordsAcknowledged",
        "distinctEventIds",
        "events",
        "visits",
        "conversions",
        "revenueMicros",
        "duplicates",
    )
    figures = {name: manifest[name] for name in (*names, "sites", "firstEventTime", "lastEventTime")}
    return figures | {"badByReason": manifest["bad"]["byReason"]}


def _judge(record: LogRecord) -> Event | str:
    try:
        event, _ = decode_event(record.value or b"")
    except InvalidEvent as error:
        return error.reason
    return FUTURE_TIMESTAMP if event.timestamp > record.append_time + MAX_AHEAD_MS else event


def _counts(events: list[Event]) -> dict[str, Any]:
    types = Counter(event.event_type for event in events)
    return {
        "events": dict(types),
        "visits": len({(event.site, event.visitor, event.session_id) for event in events}),
        "conversions": types["CONVERSION"],
        "revenueMicros": sum(event.revenue_micros for event in events),
    }

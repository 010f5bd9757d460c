"""What InfluxDB must hold after a run, and what it does hold: points as tuples, each with how often it is there."""

from collections import Counter
from typing import Any

from tests.sinks.store import Row, rows
from tests.support.exactness import Observed
from tidemark.results import (
    EVENTS_BY_OUTCOME,
    GEOGRAPHIC_DISTRIBUTION,
    METRICS,
    POPULAR_CONTENT,
    RATES,
    TUMBLING_METRICS,
    MetricUpdate,
)
from tidemark.settings import Settings

NS_PER_MS = 1_000_000
MEASUREMENTS = (*METRICS, "sessions", "alerts")

Point = tuple[Any, ...]


def to_be_stored(seen: Observed, measurement: str) -> Counter[Point]:
    """Return the points that the results on the topics ask for."""
    if measurement == "sessions":
        return Counter((visit.site_id, visit.visit_id, visit.end_time) for visit in seen.sessions.values())
    if measurement == "alerts":
        return Counter((alert.site_id, alert.alert_id, alert.window_start) for alert in seen.alerts.values())
    finals = (final for final in seen.finals.values() if final.metric == measurement)
    return Counter(point for final in finals for point in _points_of(final))


def _points_of(final: MetricUpdate) -> list[Point]:
    site, time = final.site_id, final.window_end * NS_PER_MS
    kind = "real_time" if final.metric in TUMBLING_METRICS else "business"
    entries = final.dimensions or []
    if final.metric == POPULAR_CONTENT:
        return [(site, time, kind, str(rank), entry.key, entry.value) for rank, entry in enumerate(entries, 1)]
    if final.metric == GEOGRAPHIC_DISTRIBUTION:
        return [(site, time, kind, entry.key, entry.value) for entry in entries]
    if final.metric == EVENTS_BY_OUTCOME:
        return [(site, time, "pipeline", entry.key, entry.value) for entry in entries]
    value = round(final.value * 100, 4) if final.metric in RATES else final.value
    return [(site, time, kind, value, final.count)]


def in_influxdb(settings: Settings, measurement: str) -> Counter[Point]:
    """Return the points of a measurement as the real server gives them back."""
    return Counter(_stored(measurement, row) for row in rows(settings, measurement))


def _stored(measurement: str, row: Row) -> Point:
    match measurement:
        case "sessions":
            return row["site"], row["visit_id"], row["ns"] // NS_PER_MS
        case "alerts":
            return row["site"], row["alert_id"], row["window_start"]
        case "popular_content":
            return row["site"], row["ns"], row["metric"], row["rank"], row["url"], row["views"]
        case "geographic_distribution":
            return row["site"], row["ns"], row["metric"], row["country"], row["visitors"]
        case "events_by_outcome":
            return row["site"], row["ns"], row["metric"], row["outcome"], row["events"]
        case _:
            return row["site"], row["ns"], row["metric"], row["value"], row["count"]

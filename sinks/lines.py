"""From a result to InfluxDB line protocol: pure text in, pure text out; ``influxdb.py`` writes what it returns.

Tags are what the design names and nothing else, because each combination of tags is a series that InfluxDB keeps in
memory: device, browser and country of a visit are fields. The path of a visit is left out: InfluxDB cannot look into
a list, and 50 urls a point would be most of the bucket; it stays in the topic, and the entry and exit page are fields.
"""

import re
from functools import lru_cache
from hashlib import blake2b

from tidemark.counts import EVENTS_AT_THE_DOOR, DoorCounts
from tidemark.results import (
    EVENTS_BY_OUTCOME,
    GEOGRAPHIC_DISTRIBUTION,
    METRICS,
    POPULAR_CONTENT,
    RATES,
    TUMBLING_METRICS,
    Alert,
    MetricUpdate,
    SessionSummary,
)
from tidemark.tags import kept_in_tag

NS_PER_MS = 1_000_000
#: How many series the visits of a site are spread over, so that two visits of one nanosecond both stay.
SLOTS = 64

_KINDS = {metric: "real_time" if metric in TUMBLING_METRICS else "business" for metric in METRICS}
_PIPELINE = "pipeline"
_KINDS |= {EVENTS_BY_OUTCOME: _PIPELINE}
_SEPARATORS = re.compile("[,= ]")


class InvalidResultError(Exception):
    """A decoded result that can be no point; the text names the field, what was expected and what came."""


def escape_tag(value: str) -> str:
    """Escape a tag's value so that no value can end its tag or its line, and no two values become one.

    Commas, equals signs and spaces read back as they were, the rest as ``kept_in_tag`` keeps it.
    """
    return _SEPARATORS.sub(r"\\\g<0>", kept_in_tag(value))


def quote_field(value: str) -> str:
    """Quote a string field; every string, line breaks included, reads back as it was."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def metric_lines(update: MetricUpdate) -> list[str]:
    """Return the points of a final, at its windowEnd; an early result has none. Rates are in percent.

    Raises InvalidResultError for a metric that is not one of METRICS.
    """
    metric = update.metric
    kind = _KINDS.get(metric)
    if kind is None:
        raise InvalidResultError(f"metric: expected one of {', '.join(METRICS)}, got {metric[:100]!r}")
    if not update.final:
        return []
    site = _tag("site", update.site_id)
    time = update.window_end * NS_PER_MS
    entries = update.dimensions or []
    if metric == POPULAR_CONTENT:
        return [
            f"{metric},metric={kind},rank={rank}{site} url={quote_field(entry.key)},views={entry.value}i {time}"
            for rank, entry in enumerate(entries, 1)
        ]
    if metric == GEOGRAPHIC_DISTRIBUTION:
        return [
            f"{metric}{_tag('country', entry.key)},metric={kind}{site} visitors={entry.value}i {time}"
            for entry in entries
        ]
    if metric == EVENTS_BY_OUTCOME:
        return [
            f"{metric},metric={kind}{_tag('outcome', entry.key)}{site} events={entry.value}i {time}"
            for entry in entries
        ]
    # Rounded like every value, so that 0.07 is 7.0 and not 7.000000000000001.
    value = round(update.value * 100, 4) if metric in RATES else update.value
    return [f"{metric},metric={kind}{site} value={value!r},count={update.count}i {time}"]


def session_line(visit: SessionSummary, *, session_id_tag: bool) -> str:
    """Return a visit's point: at endTime + hash(visitId) mod 10⁶ ns, in slot (another hash) mod 64.

    ``session_id`` is a field; with ``session_id_tag`` it is a tag instead.
    """
    nanosecond, slot = _hashes(visit.visit_id)
    tags = _tag("session_id", visit.session_id) if session_id_tag else ""
    tags += f"{_tag('site', visit.site_id)},slot={slot % SLOTS}"
    fields = _strings(
        visit_id=visit.visit_id,
        visitor=visit.visitor,
        session_id=None if session_id_tag else visit.session_id,
        behaviour=visit.behaviour,
        entry_page=visit.entry_page,
        exit_page=visit.exit_page,
        device_type=visit.device_type,
        browser=visit.browser,
        country=visit.country,
        referrer=visit.referrer,
    )
    numbers = (
        f"start_time={visit.start_time}i,end_time={visit.end_time}i,duration_seconds={visit.duration_seconds!r},"
        f"events={visit.events}i,page_views={visit.page_views}i,revenue={visit.revenue!r},"
        f"funnel_step={visit.funnel_step}i,bounced={visit.bounced},converted={visit.converted},"
        f"abandoned={visit.abandoned}"
    )
    return f"sessions{tags} {fields},{numbers} {visit.end_time * NS_PER_MS + nanosecond % NS_PER_MS}"


def alert_line(alert: Alert) -> str:
    """Return an alert's point: at windowStart + hash(alertId) mod the window's length in ns.

    Raises InvalidResultError for a window that is empty.
    """
    length = (alert.window_end - alert.window_start) * NS_PER_MS
    if length <= 0:
        raise InvalidResultError(
            f"windowEnd: expected more than windowStart {alert.window_start}, got {alert.window_end}"
        )
    nanosecond, _ = _hashes(alert.alert_id)
    fields = _strings(
        alert_id=alert.alert_id,
        alert_type=alert.alert_type,
        severity=alert.severity,
        title=alert.title,
        description=alert.description,
        user_id=alert.user_id,
    )
    numbers = f"window_start={alert.window_start}i,window_end={alert.window_end}i"
    time = alert.window_start * NS_PER_MS + nanosecond % length
    return f"alerts{_tag('site', alert.site_id)} {fields},{numbers} {time}"


def door_lines(counts: DoorCounts) -> list[str]:
    """Return a point for each outcome, at ``time_ns``; the site's tag is left out when the site was not known."""
    site = _tag("site", counts.site_id)
    return [
        f"{EVENTS_AT_THE_DOOR},metric={_PIPELINE}{_tag('outcome', outcome)}{site} events={events}i {counts.time_ns}"
        for outcome, events in counts.events.items()
    ]


# Sites and countries come again and again.
@lru_cache(maxsize=4_096)
def _tag(name: str, value: str) -> str:
    # InfluxDB refuses an empty tag value: to it a tag that is missing is one that is empty.
    return f",{name}={escape_tag(value)}" if value else ""


def _strings(**fields: str | None) -> str:
    return ",".join(f"{name}={quote_field(value)}" for name, value in fields.items() if value is not None)


def _hashes(identity: str) -> tuple[int, int]:
    """Return two independent 64-bit hashes: BLAKE2b's halves, the same in every process and release."""
    digest = blake2b(identity.encode(), digest_size=16).digest()
    return int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")

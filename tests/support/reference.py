"""The slow, obvious reading of docs/numbers.md: from a whole log of events to every result there has to be.

Nothing here comes from streams/ or from tidemark.events: both are judged by it. It sees the whole log at once, sorts it
and loops; numbers are exact until the last step.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain

from tests.support.reference_events import LogRecord, Seen, pane_end, read, site_told
from tests.support.reference_visits import (
    DEFAULT_FUNNEL,
    Visit,
    as_float,
    bounces,
    over_at,
    split_visits,
    summary,
)
from tidemark.results import Alert, Dimension, MetricUpdate, SessionSummary

__all__ = ["DEFAULT_FUNNEL", "Expected", "LogRecord", "reference"]

MEMORY_MS = 30 * 60_000
DEDUPE_MS = 10 * 60_000
OUTCOMES = ("accepted", "duplicate", "late", "undecodable", "invalid_field", "future_timestamp")
#: Window type → (length, step) in ms.
WINDOWS = {"TUMBLING_5S": (5_000, 5_000), "SLIDING_60S": (60_000, 10_000)}


@dataclass
class Expected:
    """All results of a log. ``finals`` by (site, metric, window start) with emitted_at 0; an alert's text is free."""

    finals: dict[tuple[str, str, int], MetricUpdate] = field(default_factory=dict)
    sessions: dict[str, SessionSummary] = field(default_factory=dict)
    alerts: dict[str, Alert] = field(default_factory=dict)
    dead: dict[tuple[int, int], str] = field(default_factory=dict)
    accepted: int = 0
    duplicates: int = 0


@dataclass
class Judged:
    """One partition's log after every record has been judged; ``progress`` is (offset, watermark) after each record."""

    accepted: list[Seen] = field(default_factory=list)
    dead: dict[tuple[int, int], str] = field(default_factory=dict)
    duplicates: int = 0
    progress: list[tuple[int, int]] = field(default_factory=list)
    #: (site, start of the window it is counted in, what became of it) of each record that was not accepted.
    rejected: list[tuple[str, int, str]] = field(default_factory=list)

    def reject(self, record: LogRecord, outcome: str) -> None:
        """Count a record in the window of its append time, or in the first one that is open yet."""
        start = record.append_time // 5_000 * 5_000
        if self.closed(start + 5_000):
            start = self.progress[-1][1] // 5_000 * 5_000
        self.rejected.append((site_told(record), start, outcome))

    def closed(self, end: int) -> bool:
        return bool(self.progress) and self.progress[-1][1] >= end

    def closing_offset(self, end: int) -> int:
        return self.progress[bisect_left(self.progress, end, key=lambda step: step[1])][0]


def reference(
    log: Iterable[LogRecord],
    *,
    partitions: int = 12,
    lateness_ms: int = 2_000,
    funnel: Sequence[str] = DEFAULT_FUNNEL,
) -> Expected:
    """Return every final, visit, alert and dead letter that docs/numbers.md asks for, given the whole log.

    The records may come in any order; each partition's are judged by offset. Partitions are 0 to ``partitions`` − 1.
    Where two partitions know a visit by one id (an event id in both), the higher one's is kept.
    """
    logs: list[list[LogRecord]] = [[] for _ in range(partitions)]
    for record in log:
        logs[record.partition].append(record)
    expected = Expected()
    judged = [judge(sorted(records, key=lambda record: record.offset), lateness_ms) for records in logs]
    rows: list[tuple[Seen, Visit]] = []
    for part in judged:
        expected.dead |= part.dead
        expected.accepted += len(part.accepted)
        expected.duplicates += part.duplicates
        visits = split_visits(part.accepted)
        rows += [(event, visit) for visit in visits for event in visit.events]
        ended = (summary(visit, funnel) for visit in visits if part.closed(over_at(visit)))
        expected.sessions |= {each.visit_id: each for each in ended}
        expected.alerts |= {alert.alert_id: alert for alert in bounces(part.accepted) if part.closed(alert.window_end)}
    for site in {event.site for event, _ in rows}:
        finals = site_finals(site, [row for row in rows if row[0].site == site], judged)
        expected.finals |= {(site, final.metric, final.window_start): final for final in finals}
    expected.finals |= {
        (final.site_id, final.metric, final.window_start): final for final in outcome_finals(judged, expected.finals)
    }
    return expected


# ---- 1 to 4: each record is judged in the order of the log


def judge(records: Iterable[LogRecord], lateness_ms: int) -> Judged:
    """Judge one partition's records: dead letter, duplicate or accepted; the watermark advances after each."""
    judged = Judged()
    watermark: int | None = None
    accepted_times: dict[str, list[int]] = defaultdict(list)
    for record in records:
        clock = record.append_time
        if not record.tick:
            event = read(record)
            if isinstance(event, str):
                judged.dead[record.partition, record.offset] = event
                judged.reject(record, event.lower())
                continue
            if any(watermark is not None and watermark < time + DEDUPE_MS for time in accepted_times[event.event_id]):
                judged.duplicates += 1
                judged.reject(record, "duplicate")
            elif watermark is not None and pane_end(event.time) <= watermark:
                judged.dead[record.partition, record.offset] = "LATE"
                judged.reject(record, "late")
            else:
                judged.accepted.append(event)
                accepted_times[event.event_id].append(event.time)
            clock = min(event.time, record.append_time)
        watermark = clock - lateness_ms if watermark is None else max(watermark, clock - lateness_ms)
        judged.progress.append((record.offset, watermark))
    return judged


# ---- 5: the windows of one site, over all partitions

Rows = Sequence[tuple[Seen, Visit]]
Number = tuple[Fraction | int, int, list[Dimension] | None]


def site_finals(site: str, rows: Rows, judged: Sequence[Judged]) -> list[MetricUpdate]:
    """Return the finals of one site's windows that every partition's watermark has reached the end of."""
    if not all(part.progress for part in judged):
        return []
    reached = min(part.progress[-1][1] for part in judged)
    rows = sorted(rows, key=lambda row: row[0].time)
    times = [event.time for event, _ in rows]
    finals = []
    for window_type, (length, step) in WINDOWS.items():
        for start in _starts(times, length, step):
            end = start + length
            if end > reached:
                continue
            revision = sum(part.closing_offset(end) for part in judged)
            inside = rows[bisect_left(times, start) : bisect_left(times, end)]
            for metric, define in METRICS[window_type].items():
                value, count, dimensions = define(inside, end)
                finals.append(
                    MetricUpdate(
                        site_id=site,
                        metric=metric,
                        window_type=window_type,
                        window_start=start,
                        window_end=end,
                        value=rounded(value),
                        count=count,
                        final=True,
                        revision=revision,
                        emitted_at=0,
                        dimensions=dimensions,
                    )
                )
    return finals


def outcome_finals(judged: Sequence[Judged], others: Iterable[tuple[str, str, int]]) -> list[MetricUpdate]:
    """Return, of each site and window in which something came of a record, or that has another final, what it was."""
    fates = [(event.site, event.time // 5_000 * 5_000, "accepted") for part in judged for event in part.accepted]
    counts: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    for site, start, outcome in chain(fates, *(part.rejected for part in judged)):
        if all(part.closed(start + 5_000) for part in judged):
            counts[site, start][outcome] += 1
    for site, metric, start in others:
        if metric == "active_users":
            counts.setdefault((site, start), Counter())
    return [_outcome_final(site, start, found, judged) for (site, start), found in counts.items()]


def _outcome_final(site: str, start: int, counts: Counter[str], judged: Sequence[Judged]) -> MetricUpdate:
    return MetricUpdate(
        site_id=site,
        metric="events_by_outcome",
        window_type="TUMBLING_5S",
        window_start=start,
        window_end=start + 5_000,
        value=float(counts.total()),
        count=len(counts),
        final=True,
        revision=sum(part.closing_offset(start + 5_000) for part in judged),
        emitted_at=0,
        dimensions=[Dimension(outcome, counts[outcome]) for outcome in OUTCOMES if counts[outcome]],
    )


def _starts(times: Iterable[int], length: int, step: int) -> list[int]:
    """Return the windows' starts with an event before their end and less than 30 minutes before their start."""
    starts: set[int] = set()
    for time in set(times):
        first = ((time - length) // step + 1) * step
        starts.update(range(first, time + MEMORY_MS, step))
    return sorted(starts)


def rounded(value: Fraction | int) -> float:
    """Round half-even to 10⁻⁶."""
    return as_float(Fraction(round(Fraction(value) * 10**6), 10**6))


def _ratio(numerator: int, denominator: int, divisor: int = 1) -> Number:
    return (Fraction(numerator, denominator * divisor) if denominator else 0), denominator, None


def _visits(rows: Rows) -> list[Visit]:
    return list({id(visit): visit for _, visit in rows}.values())


def _visitors(rows: Rows) -> set[tuple[int, str]]:
    return {(event.partition, event.visitor) for event, _ in rows}


def _page_views_per_second(rows: Rows, end: int) -> Number:
    views = sum(event.event_type == "PAGE_VIEW" for event, _ in rows)
    return Fraction(views, 5), views, None


def _active_users(rows: Rows, end: int) -> Number:
    visitors = len(_visitors(rows))
    return visitors, visitors, None


def _bounce_rate(rows: Rows, end: int) -> Number:
    so_far = [
        sum(event.event_type == "PAGE_VIEW" and event.time < end for event in visit.events) for visit in _visits(rows)
    ]
    return _ratio(sum(views == 1 for views in so_far), sum(views >= 1 for views in so_far))


def _average_session_duration(rows: Rows, end: int) -> Number:
    visits = _visits(rows)
    lasted = [max(event.time for event in visit.events if event.time < end) - visit.events[0].time for visit in visits]
    return _ratio(sum(lasted), len(visits), 1000)


def _conversion_rate(rows: Rows, end: int) -> Number:
    converted = _visits([row for row in rows if row[0].event_type == "CONVERSION"])
    return _ratio(len(converted), len(_visits(rows)))


def _revenue_per_user(rows: Rows, end: int) -> Number:
    revenue = sum(event.micros for event, _ in rows if event.event_type == "CONVERSION")
    return _ratio(revenue, len(_visitors(rows)), 10**6)


def _popular_content(rows: Rows, end: int) -> Number:
    views = Counter(event.url for event, _ in rows if event.event_type == "PAGE_VIEW" and event.url is not None)
    return _list(views, 10)


def _geographic_distribution(rows: Rows, end: int) -> Number:
    pairs = {(event.partition, event.visitor, event.country) for event, _ in rows}
    return _list(Counter(country for _, _, country in pairs if country is not None), 250)


def _list(counts: Counter[str], longest: int) -> Number:
    entries = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:longest]
    return sum(count for _, count in entries), len(entries), [Dimension(key, count) for key, count in entries]


METRICS: dict[str, dict[str, Callable[[Rows, int], Number]]] = {
    "TUMBLING_5S": {
        "page_views_per_second": _page_views_per_second,
        "active_users": _active_users,
        "bounce_rate": _bounce_rate,
        "average_session_duration": _average_session_duration,
    },
    "SLIDING_60S": {
        "conversion_rate": _conversion_rate,
        "revenue_per_user": _revenue_per_user,
        "popular_content": _popular_content,
        "geographic_distribution": _geographic_distribution,
    },
}

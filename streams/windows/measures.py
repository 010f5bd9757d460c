"""What the sums of a window mean: the metrics of one site."""

import heapq
from collections.abc import Iterable, Sequence

from streams.windows import PANE_MS
from streams.windows.exact import ratio
from streams.windows.partials import Counts, PanePart, SlidingPart
from tidemark.events import MICROS
from tidemark.results import (
    ACTIVE_USERS,
    AVERAGE_SESSION_DURATION,
    BOUNCE_RATE,
    CONVERSION_RATE,
    EVENTS_BY_OUTCOME,
    GEOGRAPHIC_DISTRIBUTION,
    OUTCOMES,
    PAGE_VIEWS_PER_SECOND,
    POPULAR_CONTENT,
    REVENUE_PER_USER,
    Dimension,
)

TOP_URLS = 10
#: More countries than there are; so that made-up ones cannot outgrow a record.
TOP_COUNTRIES = 250


class Measure:
    """One metric's value for one window; see MetricUpdate."""

    def __init__(self, metric: str, value: float, count: int, dimensions: list[Dimension] | None = None) -> None:
        self.metric = metric
        self.value = value
        self.count = count
        self.dimensions = dimensions

    def equals(self, other: "Measure") -> bool:
        """Say whether another measure of the metric tells the same."""
        return self.count == other.count and self.value == other.value and self.dimensions == other.dimensions


def tumbling_measures(parts: Sequence[PanePart]) -> Iterable[Measure]:
    """Return the metrics of a 5 s window: page views a second, active users, bounce rate, mean visit duration (s)."""
    page_views = visitors = visits = with_page_view = bounced = duration_ms = 0
    for part in parts:
        page_views += part.page_views
        visitors += part.visitors
        visits += part.visits
        with_page_view += part.visits_with_page_view
        bounced += part.bounced
        duration_ms += part.duration_ms
    return (
        Measure(PAGE_VIEWS_PER_SECOND, ratio(page_views * 1000, PANE_MS), page_views),
        Measure(ACTIVE_USERS, float(visitors), visitors),
        Measure(BOUNCE_RATE, ratio(bounced, with_page_view), with_page_view),
        Measure(AVERAGE_SESSION_DURATION, ratio(duration_ms, 1000 * visits), visits),
    )


def outcome_measure(counts: Counts) -> Measure:
    """Return what became of the events that a 5 s window counts: each outcome that there was, in a fixed order."""
    entries = [Dimension(outcome, counts[outcome]) for outcome in OUTCOMES if outcome in counts]
    return Measure(EVENTS_BY_OUTCOME, float(sum(counts.values())), len(entries), entries)


def sliding_measures(parts: Sequence[SlidingPart], urls: Counts, countries: Counts) -> Iterable[Measure]:
    """Return the metrics of a 60 s window: conversion rate, revenue a user, top urls, visitors by country."""
    visitors = visits = converting = revenue_micros = 0
    for part in parts:
        visitors += part.visitors
        visits += part.visits
        converting += part.converting
        revenue_micros += part.revenue_micros
    return (
        Measure(CONVERSION_RATE, ratio(converting, visits), visits),
        Measure(REVENUE_PER_USER, ratio(revenue_micros, MICROS * visitors), visitors),
        _top(POPULAR_CONTENT, urls, TOP_URLS),
        _top(GEOGRAPHIC_DISTRIBUTION, countries, TOP_COUNTRIES),
    )


def _top(metric: str, counts: Counts, length: int) -> Measure:
    """List the largest counts, ties by key; the value is the sum of what is listed."""
    entries: Iterable[tuple[str, int]] = counts.items()
    if len(counts) > length:
        # Looking at the numbers alone first leaves few entries to be ordered by their keys too.
        least = heapq.nlargest(length, counts.values())[-1]
        entries = [entry for entry in entries if entry[1] >= least]
    top = heapq.nsmallest(length, entries, key=lambda entry: (-entry[1], entry[0]))
    return Measure(metric, float(sum(n for _, n in top)), len(top), [Dimension(key, n) for key, n in top])

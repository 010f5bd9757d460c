"""What the sums of a window mean: the four tumbling and the four sliding metrics of one site."""

import heapq
from collections.abc import Iterable, Sequence

from msgspec import Struct

from streams.windows import PANE_MS
from streams.windows.exact import ratio
from streams.windows.partials import Counts, PanePart, SlidingPart
from tidemark.events import MICROS
from tidemark.results import (
    ACTIVE_USERS,
    AVERAGE_SESSION_DURATION,
    BOUNCE_RATE,
    CONVERSION_RATE,
    GEOGRAPHIC_DISTRIBUTION,
    PAGE_VIEWS_PER_SECOND,
    POPULAR_CONTENT,
    REVENUE_PER_USER,
    Dimension,
)

TOP_URLS = 10
#: More countries than there are; so that made-up ones cannot outgrow a record.
TOP_COUNTRIES = 250


class Measure(Struct, gc=False):
    """One metric's value for one window; see MetricUpdate."""

    metric: str
    value: float
    count: int
    dimensions: list[Dimension] | None = None


def tumbling_measures(parts: Sequence[PanePart]) -> Iterable[Measure]:
    """Return the metrics of a 5 s window: page views a second, active users, bounce rate, mean visit duration (s)."""
    page_views = sum(part.page_views for part in parts)
    visitors = sum(part.visitors for part in parts)
    visits = sum(part.visits for part in parts)
    with_page_view = sum(part.visits_with_page_view for part in parts)
    bounced = sum(part.bounced for part in parts)
    duration_ms = sum(part.duration_ms for part in parts)
    return (
        Measure(PAGE_VIEWS_PER_SECOND, ratio(page_views * 1000, PANE_MS), page_views),
        Measure(ACTIVE_USERS, float(visitors), visitors),
        Measure(BOUNCE_RATE, ratio(bounced, with_page_view), with_page_view),
        Measure(AVERAGE_SESSION_DURATION, ratio(duration_ms, 1000 * visits), visits),
    )


def sliding_measures(parts: Sequence[SlidingPart], urls: Counts, countries: Counts) -> Iterable[Measure]:
    """Return the metrics of a 60 s window: conversion rate, revenue a user, top urls, visitors by country."""
    visitors = sum(part.visitors for part in parts)
    visits = sum(part.visits for part in parts)
    converting = sum(part.converting for part in parts)
    revenue_micros = sum(part.revenue_micros for part in parts)
    return (
        Measure(CONVERSION_RATE, ratio(converting, visits), visits),
        Measure(REVENUE_PER_USER, ratio(revenue_micros, MICROS * visitors), visitors),
        _top(POPULAR_CONTENT, urls, TOP_URLS),
        _top(GEOGRAPHIC_DISTRIBUTION, countries, TOP_COUNTRIES),
    )


def _top(metric: str, counts: Counts, length: int) -> Measure:
    """List the largest counts, ties by key; the value is the sum of what is listed."""
    top = heapq.nsmallest(length, counts.items(), key=lambda entry: (-entry[1], entry[0]))
    return Measure(metric, float(sum(n for _, n in top)), len(top), [Dimension(key, n) for key, n in top])

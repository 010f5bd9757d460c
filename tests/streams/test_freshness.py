"""How old is what a stage tells: the oldest news waits until it is told, the newest event's time goes with it."""

import time

from prometheus_client import CollectorRegistry, Histogram

from streams.freshness import Newest, Waiting
from tidemark.topics import NEWEST_EVENT_HEADER


def test_the_oldest_news_is_measured_once_when_it_is_told() -> None:
    registry = CollectorRegistry()
    waiting = Waiting(Histogram("latency", "", registry=registry))
    now = time.time_ns() // 1_000_000
    waiting.told(0)
    waiting.came(0, now - 5_000)
    waiting.came(0, now - 1_000)
    waiting.came(1, now - 60_000)
    waiting.forget(1)
    for partition in (0, 0, 1):
        waiting.told(partition)
    assert registry.get_sample_value("latency_count") == 1
    assert 5.0 <= (registry.get_sample_value("latency_sum") or 0) < 60.0


def test_a_time_that_is_ahead_of_this_clock_is_none_of_waiting() -> None:
    registry = CollectorRegistry()
    waiting = Waiting(Histogram("latency", "", registry=registry))
    waiting.came(0, time.time_ns() // 1_000_000 + 60_000)
    waiting.told(0)
    assert registry.get_sample_value("latency_sum") == 0.0


def test_the_newest_event_in_what_is_told_goes_with_it_once() -> None:
    newest = Newest()
    newest.came(0, 2_000)
    newest.came(0, 1_000)
    newest.came(1, 3_000)
    newest.came(2, 4_000)
    assert newest.headers() is None
    newest.told(0)
    newest.told(1)
    assert newest.headers() == [(NEWEST_EVENT_HEADER, b"3000")]
    newest.forget(2)
    newest.told(2)
    assert newest.headers() is None

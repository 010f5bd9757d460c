"""Results as the streams send them, dated now, and how they get into their topics."""

import time
from collections.abc import Iterable
from itertools import count
from typing import Any
from uuid import uuid4

from confluent_kafka import Producer

from tidemark.kafka import producer_config
from tidemark.results import HIGH_BOUNCE_RATE, MEDIUM, METRICS, Alert, Dimension, MetricUpdate, SessionSummary, encode
from tidemark.settings import Settings
from tidemark.topics import Topic

#: The end of a window a minute ago, ms: InfluxDB drops what is older than its retention.
NOW = int(time.time()) // 60 * 60_000


_ago = count(1)


def final(metric: str, **changes: Any) -> MetricUpdate:
    fields: dict[str, Any] = {
        "site_id": "shop",
        "metric": metric,
        "window_type": METRICS.get(metric, "TUMBLING_5S"),
        "window_start": NOW - 5_000,
        "window_end": NOW,
        "value": 0.25,
        "count": 8,
        "final": True,
        "revision": 7,
        "emitted_at": NOW + 2_000,
    }
    return MetricUpdate(**fields | changes)


def ranking(metric: str, *entries: tuple[str, int], **changes: Any) -> MetricUpdate:
    dimensions = [Dimension(key, value) for key, value in entries]
    return final(metric, value=float(sum(n for _, n in entries)), count=len(entries), dimensions=dimensions, **changes)


def visit(**changes: Any) -> SessionSummary:
    fields: dict[str, Any] = {
        "site_id": "shop",
        "visit_id": uuid4().hex,
        "visitor": "ann",
        "session_id": "s-1",
        "start_time": NOW - 90_500,
        "end_time": NOW - 500,
        "duration_seconds": 90.0,
        "events": 4,
        "page_views": 3,
        "path": ["/", "/products", "/cart"],
        "bounced": False,
        "converted": True,
        "revenue": 19.99,
        "funnel_step": 3,
        "abandoned": True,
        "behaviour": "buy",
        "entry_page": "/",
        "exit_page": "/cart",
    }
    return SessionSummary(**fields | changes)


def visits(number: int) -> list[SessionSummary]:
    """Return visits of which no two end in the same ms: of 12,000 that did, one would overwrite another by chance."""
    return [visit(end_time=NOW - next(_ago)) for _ in range(number)]


def alert(**changes: Any) -> Alert:
    fields: dict[str, Any] = {
        "alert_id": uuid4().hex,
        "alert_type": HIGH_BOUNCE_RATE,
        "severity": MEDIUM,
        "title": "High bounce rate",
        "description": 'One page view in 5 minutes, "/"',
        "site_id": "shop",
        "user_id": "ann",
        "window_start": NOW - 300_000,
        "window_end": NOW,
        "timestamp": NOW,
    }
    return Alert(**fields | changes)


def send(settings: Settings, topic: Topic, results: Iterable[MetricUpdate | SessionSummary | Alert | bytes]) -> None:
    """Send results, or bytes as they are, and wait until the broker has them."""
    producer = Producer(producer_config(settings, linger_ms=5))
    for result in results:
        value = result if isinstance(result, bytes) else encode(result)
        producer.produce(settings.topic(topic.name), key=uuid4().bytes, value=value)
    assert producer.flush(30) == 0

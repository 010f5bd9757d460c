"""Updates, visits and alerts for the gateway's tests, made with few words, and a producer for the real topics."""

from collections.abc import Iterable

from confluent_kafka import KafkaError, Message, Producer

from tidemark.kafka import producer_config
from tidemark.results import (
    HIGH_BOUNCE_RATE,
    MEDIUM,
    METRICS,
    TUMBLING_5S,
    Alert,
    Dimension,
    MetricUpdate,
    SessionSummary,
    encode,
)
from tidemark.settings import Settings
from tidemark.topics import ALERTS, SESSIONS
from tidemark.topics import METRICS as METRICS_TOPIC


def update(
    metric: str,
    end: int,
    value: float = 0.0,
    *,
    revision: int = 1,
    final: bool = False,
    site: str = "default",
    dimensions: Iterable[tuple[str, int]] | None = None,
) -> MetricUpdate:
    """Make an update of the window that ends at ``end`` (ms)."""
    length = 5_000 if METRICS.get(metric) == TUMBLING_5S else 60_000
    return MetricUpdate(
        site_id=site,
        metric=metric,
        window_type=METRICS.get(metric, "UNKNOWN"),
        window_start=end - length,
        window_end=end,
        value=value,
        count=1,
        final=final,
        revision=revision,
        emitted_at=end,
        dimensions=None if dimensions is None else [Dimension(key, number) for key, number in dimensions],
    )


def alert(name: str, site: str = "default") -> Alert:
    """Make an alert with this id."""
    return Alert(
        alert_id=name,
        alert_type=HIGH_BOUNCE_RATE,
        severity=MEDIUM,
        title="High bounce rate",
        description=f"Visitor {name} left after one page",
        site_id=site,
        user_id=name,
        window_start=0,
        window_end=300_000,
        timestamp=300_000,
    )


def visit(name: str, end: int, step: int = 1, *, site: str = "default") -> SessionSummary:
    """Make a visit with this id that ended at ``end`` (ms) and reached so many steps of the funnel."""
    return SessionSummary(
        site_id=site,
        visit_id=name,
        visitor=f"visitor of {name}",
        session_id=f"session of {name}",
        start_time=end - 12_500,
        end_time=end,
        duration_seconds=12.5,
        events=13,
        page_views=12,
        path=[f"/{page}" for page in range(12)],
        bounced=False,
        converted=False,
        revenue=0.0,
        funnel_step=step,
        abandoned=step > 1,
        behaviour="engage",
        entry_page="/0",
        exit_page="/11",
        country="Norway",
    )


class Results:
    """Puts results into the real topics, as the streams do."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._refused: list[KafkaError] = []
        self._producer = Producer(producer_config(settings, linger_ms=0) | {"on_delivery": self._note})

    def send(self, *results: MetricUpdate | SessionSummary | Alert) -> None:
        """Send results; returns when the broker has them."""
        for result in results:
            if isinstance(result, MetricUpdate):
                topic, key = self._settings.topic(METRICS_TOPIC.name), result.key()
                partition = result.partition(METRICS_TOPIC.partitions)
                self._producer.produce(topic, encode(result), key, partition=partition)
            else:
                topic = (ALERTS if isinstance(result, Alert) else SESSIONS).name
                self._producer.produce(self._settings.topic(topic), encode(result), result.key())
        self._flush()

    def send_raw(self, topic: str, value: bytes) -> None:
        """Send any bytes."""
        self._producer.produce(self._settings.topic(topic), value, b"any")
        self._flush()

    def _note(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._refused.append(error)

    def _flush(self) -> None:
        assert self._producer.flush(30) == 0
        assert not self._refused

"""Early results of the default site as stream workers send them, but so that one can tell them apart: they count up."""

import time
from collections.abc import Callable

from confluent_kafka import KafkaError, Message, Producer

from tidemark.kafka import producer_config
from tidemark.results import (
    EVENTS_BY_OUTCOME,
    LISTS,
    METRICS,
    PAGE_VIEWS_PER_SECOND,
    TUMBLING_5S,
    Dimension,
    MetricUpdate,
    encode,
)
from tidemark.settings import Settings
from tidemark.topics import METRICS as METRICS_TOPIC

#: As long as lists get.
ENTRIES = 10
#: The metrics that come early, the one that counts last.
_METRICS = sorted(METRICS.keys() - {EVENTS_BY_OUTCOME}, key=lambda metric: metric == PAGE_VIEWS_PER_SECOND)


class Updates:
    """Writes all early results of the open windows at a time; the n-th time the page views a second are n.

    ``appended``: when (ms since the epoch) the broker appended the n-th page views; its append time is what the topic
    must be kept with.
    """

    def __init__(self, settings: Settings) -> None:
        self._producer = Producer(producer_config(settings, linger_ms=0))
        self._topic = settings.topic(METRICS_TOPIC.name)
        self.appended: dict[int, int] = {}
        self.newest = 0

    def write_for(self, seconds: float, interval_s: float) -> None:
        """Write at fixed times until so long has passed; at the end all is on the broker."""
        began = time.monotonic()
        for turn in range(1, round(seconds / interval_s) + 1):
            self.write()
            while (ahead := began + turn * interval_s - time.monotonic()) > 0:
                self._producer.poll(min(ahead, 0.01))
        self._producer.flush()

    def write(self) -> None:
        """Write once, without waiting for the broker."""
        self.newest += 1
        now = time.time_ns() // 1_000_000
        for metric in _METRICS:
            update = _update(metric, self.newest, now)
            self._producer.produce(
                self._topic,
                encode(update),
                update.key(),
                update.partition(METRICS_TOPIC.partitions),
                self._noting(self.newest) if metric == PAGE_VIEWS_PER_SECOND else None,
            )

    def _noting(self, number: int) -> Callable[[KafkaError | None, Message], None]:
        def note(error: KafkaError | None, message: Message) -> None:
            if error is None:
                self.appended[number] = message.timestamp()[1]

        return note


def _update(metric: str, number: int, now: int) -> MetricUpdate:
    length = 5_000 if METRICS[metric] == TUMBLING_5S else 60_000
    start = now - now % length
    entries = [Dimension(f"/an/address/{rank}", number + ENTRIES - rank) for rank in range(ENTRIES)]
    return MetricUpdate(
        site_id="default",
        metric=metric,
        window_type=METRICS[metric],
        window_start=start,
        window_end=start + length,
        value=float(number),
        count=number,
        final=False,
        revision=number,
        emitted_at=now,
        dimensions=entries if metric in LISTS else None,
    )

"""From the Kafka client's statistics (librdkafka's ``stats_cb``) to how far behind the end of its logs a reader is."""

from typing import Literal

import msgspec
from msgspec import Struct

from monitoring.metrics import LAG

#: What counts as dealt with: what is committed, or what was handed over.
DealtWith = Literal["committed", "handed over"]
_READING = "active"


class _Partition(Struct):
    partition: int
    fetch_state: str
    consumer_lag: int
    consumer_lag_stored: int


class _Topic(Struct):
    partitions: dict[str, _Partition]


class _Statistics(Struct):
    topics: dict[str, _Topic]


_decode = msgspec.json.Decoder(_Statistics).decode


def tell_lag(stage: str, statistics: str, dealt_with: DealtWith) -> None:
    """Set the lag of each partition that is read; a partition of which nothing was dealt with yet has none."""
    for name, topic in _decode(statistics).topics.items():
        for each in topic.partitions.values():
            lag = each.consumer_lag if dealt_with == "committed" else each.consumer_lag_stored
            if each.fetch_state == _READING and lag >= 0:
                LAG.labels(stage, name, each.partition).set(lag)
            elif each.fetch_state != _READING:
                LAG.remove(stage, name, each.partition)

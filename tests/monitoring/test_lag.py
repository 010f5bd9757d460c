"""The lag of a reader, from what the Kafka client says of itself."""

import json
from typing import Any

from prometheus_client import REGISTRY

from monitoring.lag import DealtWith, tell_lag


def partition(number: int, **known: Any) -> dict[str, Any]:
    return {"partition": number, "fetch_state": "active", "consumer_lag": -1, "consumer_lag_stored": -1} | known


def tell(*partitions: dict[str, Any], dealt_with: DealtWith = "committed") -> list[float | None]:
    """What is told of the partitions."""
    topic = {"partitions": {str(each["partition"]): each for each in partitions}, "age": 1}
    tell_lag("a-stage", json.dumps({"topics": {"t": topic}, "brokers": {}}), dealt_with)
    return [
        REGISTRY.get_sample_value(
            "analytics_pipeline_lag_records", {"stage": "a-stage", "topic": "t", "partition": str(each["partition"])}
        )
        for each in partitions
    ]


def test_it_is_what_is_not_committed_or_not_handed_over() -> None:
    behind = partition(0, consumer_lag=7, consumer_lag_stored=2)
    assert tell(behind) == [7]
    assert tell(behind, dealt_with="handed over") == [2]


def test_a_partition_that_is_not_read_has_none() -> None:
    assert tell(partition(1), partition(2, consumer_lag=3)) == [None, 3]
    assert tell(partition(2, consumer_lag=3, fetch_state="stopped")) == [None]

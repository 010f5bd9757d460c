"""From the Kafka client's statistics to whether the feed reaches its topics. Pure."""

import msgspec
from msgspec import Struct

_REACHED = ("UP", "REAUTH")


class _Partition(Struct):
    partition: int
    leader: int
    fetch_state: str


class _Topic(Struct):
    partitions: dict[str, _Partition]


class _Broker(Struct):
    nodeid: int
    state: str


class _Statistics(Struct):
    brokers: dict[str, _Broker]
    topics: dict[str, _Topic]


_decode = msgspec.json.Decoder(_Statistics).decode


def trouble_in(statistics: str) -> str | None:
    """Say what keeps the assigned partitions from being read; None if they all are.

    ``statistics``: what librdkafka hands to stats_cb.
    """
    known = _decode(statistics)
    leaders = {p.leader for topic in known.topics.values() for p in topic.partitions.values() if p.partition >= 0}
    states = {broker.nodeid: broker.state for broker in known.brokers.values()}
    away = sorted(leader for leader in leaders if states.get(leader) not in _REACHED)
    if not leaders:
        return "no partition is read yet"
    return f"no connection to the broker of some partitions: {', '.join(map(str, away))}" if away else None

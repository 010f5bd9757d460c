"""How far a contender is, asked of the broker alone, so that all are measured alike."""

import re
from collections.abc import Callable
from typing import TypeVar
from urllib.request import urlopen

from confluent_kafka import Consumer, ConsumerGroupState, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from deploy.local.offsets import end_offsets
from tidemark.kafka import client_config
from tidemark.settings import Settings
from tidemark.topics import EVENTS, PARTIALS

T = TypeVar("T")

_HANDLED = "analytics_pipeline_events_total{"
_POSITION = re.compile(
    r'analytics_pipeline_position\{partition="(?P<partition>\d+)",topic="(?P<topic>[^"]+)"\} (?P<offset>.+)'
)

REQUEST_SECONDS = 30.0
#: A broker that has just started does not know yet who looks after a group.
_NOT_YET = frozenset(
    {
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.GROUP_ID_NOT_FOUND,
    }
)


class Progress:
    """A group's way through the events that are in the log when this is made."""

    def __init__(self, settings: Settings, group: str) -> None:
        self._group = group
        self._partials = settings.topic(PARTIALS.name)
        self._events = settings.topic(EVENTS.name)
        self._ends = {place[1]: end for place, end in end_offsets(settings, [EVENTS]).items()}
        # Ticks go on coming when all is read, and what they bring is never all committed.
        self._ends_between: list[TopicPartition] | None = None
        self._admin = AdminClient(client_config(settings))
        self._consumer = Consumer(client_config(settings) | {"group.id": group, "enable.auto.commit": False})

    def close(self) -> None:
        """Close the client."""
        self._consumer.close()

    def has_partitions(self) -> bool:
        """Say whether the group's members have got their partitions."""
        return _known(self._is_stable, False)

    def events(self) -> int:
        """Return how many records of the events the group has committed; all partitions begin at offset 0."""
        return _known(self._committed_events, 0)

    def total(self) -> int:
        """Return how many records the log holds, ticks included."""
        return sum(self._ends.values())

    def is_done(self) -> bool:
        """Say whether the group has committed the events, and all that was between its stages when it first had."""
        if self.events() < sum(self._ends.values()):
            return False
        if self._ends_between is None:
            self._ends_between = _known(self._find_ends_between, None)
        return _known(self._has_no_lag_between, False)

    def _is_stable(self) -> bool:
        found = self._admin.describe_consumer_groups([self._group], request_timeout=REQUEST_SECONDS)
        return bool(found[self._group].result().state == ConsumerGroupState.STABLE)

    def _committed_events(self) -> int:
        committed = self._committed([TopicPartition(self._events, partition) for partition in self._ends])
        return sum(min(each.offset, self._ends[each.partition]) for each in committed)

    def _find_ends_between(self) -> list[TopicPartition]:
        places = [
            TopicPartition(topic, partition)
            for topic in self._between()
            for partition in self._consumer.list_topics(topic, REQUEST_SECONDS).topics[topic].partitions
        ]
        ends = [self._consumer.get_watermark_offsets(place, REQUEST_SECONDS)[1] for place in places]
        return [TopicPartition(place.topic, place.partition, end) for place, end in zip(places, ends, strict=True)]

    def _has_no_lag_between(self) -> bool:
        ends = self._ends_between
        if not ends:
            return ends is not None
        committed = self._committed([TopicPartition(end.topic, end.partition) for end in ends])
        return all(each.offset >= end.offset for each, end in zip(committed, ends, strict=True))

    def _committed(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """Return what the group has committed; 0 where it has not."""
        found = self._consumer.committed(partitions, REQUEST_SECONDS)
        return [TopicPartition(each.topic, each.partition, max(0, each.offset)) for each in found]

    def _between(self) -> list[str]:
        """Return Tidemark's partials, and what Quix Streams and Kafka Streams write to group events anew."""
        topics = self._consumer.list_topics(timeout=REQUEST_SECONDS).topics
        grouped = (f"repartition__{self._group}-", f"{self._group}-")
        return [
            name
            for name in topics
            if name == self._partials
            or name.startswith(grouped[0])
            or (name.startswith(grouped[1]) and name.endswith("-repartition"))
        ]


def counted_by_worker(port: int) -> int:
    """Return how many records Tidemark's worker says it has dealt with, ticks aside; 0 before it listens.

    It commits with its checkpoints, every 10 s: too seldom to tell how fast it is.
    """
    wanted = [line for line in _metrics(port) if line.startswith(_HANDLED) and 'stage="streams"' in line]
    return int(sum(float(line.rpartition(" ")[2]) for line in wanted))


def positions_of_worker(port: int) -> dict[tuple[str, int], int]:
    """Return where the worker's states stand by topic and partition, as it says; nothing before it listens."""
    found = (_POSITION.match(line) for line in _metrics(port))
    return {(each["topic"], int(each["partition"])): int(float(each["offset"])) for each in found if each}


def _metrics(port: int) -> list[str]:
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as reply:
            return bytes(reply.read()).decode().splitlines()
    except OSError:
        return []


def _known(ask: Callable[[], T], otherwise: T) -> T:
    """Return the answer, or what holds while the broker cannot know."""
    try:
        return ask()
    except KafkaException as error:
        if error.args[0].code() in _NOT_YET:
            return otherwise
        raise

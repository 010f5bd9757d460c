"""What is in a topic, and how far a consumer group has read it: for tests that look at the real broker."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

import stamina
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from tidemark.kafka import client_config
from tidemark.settings import Settings
from tidemark.topics import TICK_HEADER, Topic

REQUEST_SECONDS = 10.0
#: A broker that has just started, or made a topic, does not know yet who leads what.
_NOT_YET = frozenset(
    {
        KafkaError.NOT_COORDINATOR,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.LEADER_NOT_AVAILABLE,
    }
)


def _not_yet(error: Exception) -> bool:
    return isinstance(error, KafkaException) and error.args[0].code() in _NOT_YET


_retry = stamina.retry(on=_not_yet, timeout=20.0, attempts=None, wait_max=0.5)


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One record of a topic; ``append_time`` in ms since the epoch."""

    partition: int
    offset: int
    append_time: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]

    @property
    def tick(self) -> bool:
        """A tick counts as no event: null key, null value and its header."""
        return self.key is None and self.value is None and TICK_HEADER in self.headers


def read_log(settings: Settings, topic: Topic, deadline_s: float = 30.0) -> list[LogRecord]:
    """Return every record of a topic up to its present end, ticks too, by partition and offset.

    Raises TimeoutError when the end is not reached in time.
    """
    deadline = time.monotonic() + deadline_s
    records: list[LogRecord] = []
    with _consumer(settings, f"read-log-{uuid4()}") as consumer:
        partitions = _partitions(consumer, settings.topic(topic.name))
        consumer.assign([TopicPartition(one.topic, one.partition, OFFSET_BEGINNING) for one in partitions])
        unfinished = {one.partition for one in partitions}
        while unfinished:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{topic.name}: partitions {sorted(unfinished)} not read to the end")
            for message in consumer.consume(1_000, 0.1):
                error = message.error()
                if error is None:
                    records.append(_record(message))
                elif error.code() == KafkaError._PARTITION_EOF:
                    unfinished.discard(message.partition() or 0)
                else:
                    raise KafkaException(error)
    return sorted(records, key=lambda record: (record.partition, record.offset))


def lag(settings: Settings, group: str, topics: Iterable[Topic]) -> dict[tuple[str, int], int]:
    """Return how many offsets each partition's end is ahead of what the group has committed, where it is."""
    with _consumer(settings, settings.topic(group)) as consumer:
        return _lag(consumer, [settings.topic(topic.name) for topic in topics])


def wait_for_lag_zero(settings: Settings, group: str, topics: Iterable[Topic], deadline_s: float = 30.0) -> None:
    """Return when the group has committed the present end of each topic, one after the other: ticks never end.

    Raises TimeoutError, with each partition's lag, when it has not in time (for each topic).
    """
    for topic in topics:
        wait_until_committed(settings, group, ends(settings, [topic]), deadline_s)


def ends(settings: Settings, topics: Iterable[Topic]) -> dict[tuple[str, int], int]:
    """Return the present end of each partition of these topics, by its topic's name on the broker."""
    with _consumer(settings, f"ends-{uuid4()}") as consumer:
        return {
            (one.topic, one.partition): _end(consumer, one)
            for topic in topics
            for one in _partitions(consumer, settings.topic(topic.name))
        }


@_retry
def leader(settings: Settings, topic: Topic, partition: int) -> int:
    """Return the id of the broker that leads a partition."""
    name = settings.topic(topic.name)
    with _consumer(settings, f"leader-{uuid4()}") as consumer:
        return int(consumer.list_topics(name, REQUEST_SECONDS).topics[name].partitions[partition].leader)


@_retry
def out_of_sync(settings: Settings) -> list[str]:
    """Return the partitions, of Kafka's own topics too, some of whose copies are away or not up to date."""
    with _consumer(settings, f"in-sync-{uuid4()}") as consumer:
        topics = consumer.list_topics(timeout=REQUEST_SECONDS).topics.values()
    return [
        f"{topic.topic}-{number}"
        for topic in topics
        for number, partition in topic.partitions.items()
        if len(partition.isrs) < len(partition.replicas)
    ]


def lag_behind(settings: Settings, group: str, places: dict[tuple[str, int], int]) -> dict[tuple[str, int], int]:
    """Return how many offsets a group's commits are behind these places, where they are."""
    with _consumer(settings, settings.topic(group)) as consumer:
        committed = _committed(consumer, [TopicPartition(*place) for place in places])
    behind = {place: end - max(0, committed[place]) for place, end in places.items()}
    return {place: count for place, count in behind.items() if count > 0}


def wait_until_committed(settings: Settings, group: str, places: dict[tuple[str, int], int], deadline_s: float) -> None:
    """Return when the group has committed up to these places, whatever has come since.

    Raises TimeoutError, with how far it is behind, when it has not in time.
    """
    deadline = time.monotonic() + deadline_s
    while behind := lag_behind(settings, group, places):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{group} is behind after {deadline_s} s: {behind}")
        time.sleep(0.1)


@_retry
def _end(consumer: Consumer, one: TopicPartition) -> int:
    _, high = consumer.get_watermark_offsets(one, REQUEST_SECONDS)
    return int(high)


@_retry
def _committed(consumer: Consumer, places: list[TopicPartition]) -> dict[tuple[str, int], int]:
    return {(one.topic, one.partition): one.offset for one in consumer.committed(places, REQUEST_SECONDS)}


@_retry
def _lag(consumer: Consumer, topics: list[str]) -> dict[tuple[str, int], int]:
    behind = {}
    for committed in consumer.committed(
        [one for topic in topics for one in _partitions(consumer, topic)], REQUEST_SECONDS
    ):
        low, high = consumer.get_watermark_offsets(committed, REQUEST_SECONDS)
        behind[committed.topic, committed.partition] = high - max(low, committed.offset)
    return {place: count for place, count in behind.items() if count > 0}


@contextmanager
def _consumer(settings: Settings, group: str) -> Iterator[Consumer]:
    config = client_config(settings) | {
        "group.id": group,
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "error",
    }
    consumer = Consumer(config)
    try:
        yield consumer
    finally:
        consumer.close()


@_retry
def _partitions(consumer: Consumer, topic: str) -> list[TopicPartition]:
    found = consumer.list_topics(topic, REQUEST_SECONDS).topics[topic]
    if found.error is not None:
        raise KafkaException(found.error)
    return [TopicPartition(topic, partition) for partition in found.partitions]


def _record(message: Message) -> LogRecord:
    return LogRecord(
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        append_time=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers={name: _bytes(value) for name, value in dict(message.headers() or {}).items()},
    )


def _bytes(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""

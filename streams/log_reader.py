"""Reads logs beside Faust, with a connection of its own: where they begin and end, and everything that is in them."""

import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from tidemark.kafka import client_config
from tidemark.rights import LOG_READER_GROUP
from tidemark.settings import Settings
from tidemark.topics import Topic

#: The broker may take so long for an answer, and for the next records of a log.
ANSWER_SECONDS = 10.0
SILENCE_SECONDS = 60.0
AGAIN_SECONDS = 0.2

#: The answers while a log has no leader, or another than the client knows of: a broker was killed or has come back, and
#: may not know of every partition yet.
LEADER_MOVES = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError._TRANSPORT,
        KafkaError._TIMED_OUT,
        KafkaError._UNKNOWN_PARTITION,
    }
)

#: A broker that is away, and a topic that is not there, in librdkafka's words.
_AWAY = frozenset({KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT, KafkaError._RESOLVE})
_MISSING = frozenset({KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART})

#: A topic's name on the broker and a partition.
Place = tuple[str, int]


def places_of(settings: Settings, topic: Topic) -> list[Place]:
    """Return all partitions of a topic, in order."""
    return [(settings.topic(topic.name), partition) for partition in range(settings.partitions(topic))]


class LogRecord(NamedTuple):
    """A record of a log; ``timestamp`` is its append time (ms)."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


def record_of(message: Message) -> LogRecord:
    """Return what a message holds."""
    return LogRecord(
        message.offset() or 0,
        message.timestamp()[1],
        message.key(),
        message.value(),
        message.headers() or (),  # type: ignore[arg-type]
    )


class LogReader:
    """Its calls block: they are for a thread, one at a time.

    A log whose leader moves, or whose broker is away, is asked for its bounds again for ``patience_seconds``.
    """

    def __init__(self, settings: Settings, patience_seconds: float = 0.0) -> None:
        self._patience_seconds = patience_seconds
        self._consumer = Consumer(
            client_config(settings)
            | {
                "group.id": settings.topic(LOG_READER_GROUP),  # needed, but never joined
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                # The broker says at once that there is no more, and a full queue is looked at again at once.
                "fetch.wait.max.ms": 10,
                "fetch.queue.backoff.ms": 10,
            }
        )

    def bounds(self, places: Iterable[Place]) -> dict[Place, tuple[int, int]]:
        """Return the offset of each log's first record, and that behind its last record or transaction marker.

        Raises KafkaException.
        """
        deadline = time.monotonic() + self._patience_seconds
        return {place: self._bounds_of(place, deadline) for place in places}

    def _bounds_of(self, place: Place, deadline: float) -> tuple[int, int]:
        while True:
            try:
                return self._consumer.get_watermark_offsets(TopicPartition(*place), ANSWER_SECONDS)
            except KafkaException as error:
                if error.args[0].code() not in LEADER_MOVES or time.monotonic() > deadline:
                    raise
                time.sleep(AGAIN_SECONDS)

    def offset_at(self, place: Place, time_ms: int) -> int:
        """Return the offset of a log's first record that was appended at that time or later; its end if none was."""
        [found] = self._consumer.offsets_for_times([TopicPartition(*place, time_ms)], ANSWER_SECONDS)
        return found.offset if found.offset >= 0 else self.bounds([place])[place][1]

    def read(self, places: Sequence[Place], starts: Mapping[Place, int] | None = None) -> Generator[Message]:
        """Yield the committed records of these logs up to their ends, from their beginnings or from these offsets.

        Raises TimeoutError when none come any more.
        """
        heard = time.monotonic()
        unfinished = set(places)
        first = starts or dict.fromkeys(places, OFFSET_BEGINNING)
        self._consumer.assign([TopicPartition(*place, first[place]) for place in places])
        try:
            while unfinished:
                messages = self._consumer.consume(1_000, 0.01)
                if messages:
                    heard = time.monotonic()
                elif time.monotonic() > heard + SILENCE_SECONDS:
                    raise TimeoutError(f"nothing for {SILENCE_SECONDS} s, not at the end: {sorted(unfinished)}")
                for message in messages:
                    error = message.error()
                    if error is None:
                        yield message
                    elif error.code() == KafkaError._PARTITION_EOF:
                        unfinished.discard((message.topic() or "", message.partition() or 0))
                    elif not error.retriable():
                        raise KafkaException(error)
        finally:
            self._consumer.unassign()

    def newest(self, places: Sequence[Place]) -> dict[int, dict[bytes, bytes]]:
        """Return the newest value of each key in these logs of one topic, by partition; a null value ends a key.

        Raises KafkaException and TimeoutError.
        """
        found: dict[int, dict[bytes, bytes]] = {partition: {} for _, partition in places}
        for message in self.read(places):
            key, value = message.key() or b"", message.value()
            if value is None:
                found[message.partition() or 0].pop(key, None)
            else:
                found[message.partition() or 0][key] = value
        return found

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()


def groups(bounds: Mapping[Place, tuple[int, int]], most: int) -> Iterator[list[Place]]:
    """Yield the logs in groups of at most so many records together; a larger log comes alone."""
    group: list[Place] = []
    count = 0
    for place, (start, end) in bounds.items():
        if group and count + end - start > most:
            yield group
            group, count = [], 0
        group.append(place)
        count += end - start
    if group:
        yield group


def why(error: Exception, servers: str) -> str:
    """Say for people why reading failed."""
    cause = error.args[0] if isinstance(error, KafkaException) else None
    if isinstance(cause, KafkaError) and cause.code() in _AWAY:
        return f"the broker at {servers} does not answer"
    if isinstance(cause, KafkaError) and cause.code() in _MISSING:
        return f"a topic is missing on the broker at {servers}: {cause.str()}"
    return str(error)

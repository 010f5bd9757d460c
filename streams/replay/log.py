"""The events topic beside the workers: all partitions in parallel, from their first records to their present ends."""

import time
from collections.abc import Collection, Iterator

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from streams.log_reader import ANSWER_SECONDS, SILENCE_SECONDS, LogRecord, record_of
from tidemark.kafka import client_config
from tidemark.rights import REPLAY_GROUP
from tidemark.settings import Settings
from tidemark.topics import EVENTS

#: Records handed over at a time, at most, and the seconds they are waited for.
TOGETHER = 5_000
WAIT_SECONDS = 0.1
#: What is fetched of a partition before it is asked for (KB).
AHEAD_KB = 4_096


class EventsLog:
    """Reads without a group, commits nothing. ``starts`` and ``ends`` are the partitions' bounds at the beginning."""

    def __init__(self, settings: Settings) -> None:
        self._topic = settings.topic(EVENTS.name)
        self._consumer = Consumer(
            client_config(settings)
            | {
                "group.id": settings.topic(REPLAY_GROUP),  # needed, but never joined
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                # What retention deletes meanwhile must not be passed over in silence.
                "auto.offset.reset": "error",
                "queued.max.messages.kbytes": AHEAD_KB,
                "fetch.queue.backoff.ms": 10,
            }
        )
        bounds = {partition: self._bounds(partition) for partition in range(settings.event_partitions)}
        self.starts = {partition: start for partition, (start, _) in bounds.items()}
        self.ends = {partition: end for partition, (_, end) in bounds.items()}
        #: Where reading stands, and what is still to be read.
        self.positions = dict(self.starts)
        self.unfinished = {partition for partition, (start, end) in bounds.items() if start < end}
        #: Who waits for others.
        self.held_back: set[int] = set()

    def batches(self) -> Iterator[tuple[int, list[LogRecord]]]:
        """Yield records of one partition after another, each in order, until all are finished.

        Raises KafkaException, and TimeoutError when no more come.
        """
        heard = time.monotonic()
        self._consumer.assign([TopicPartition(self._topic, each, OFFSET_BEGINNING) for each in self.unfinished])
        while self.unfinished:
            messages = self._consumer.consume(TOGETHER, WAIT_SECONDS)
            if messages:
                heard = time.monotonic()
            elif time.monotonic() > heard + SILENCE_SECONDS:
                raise TimeoutError(f"nothing for {SILENCE_SECONDS} s, not at the end: {sorted(self.unfinished)}")
            yield from self._by_partition(messages)

    def hold_back(self, partitions: Collection[int]) -> None:
        """Let these partitions wait from now on, and no others."""
        wanted = self.unfinished.intersection(partitions)
        paused, resumed = wanted - self.held_back, (self.held_back - wanted) & self.unfinished
        if paused:
            self._consumer.pause(self._places(paused))
        if resumed:
            self._consumer.resume(self._places(resumed))
        self.held_back = wanted

    def finish(self, partition: int) -> None:
        """Read no more of a partition."""
        if partition in self.unfinished:
            self.unfinished.discard(partition)
            self._consumer.pause(self._places([partition]))

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()

    def _by_partition(self, messages: list[Message]) -> Iterator[tuple[int, list[LogRecord]]]:
        batches: dict[int, list[LogRecord]] = {}
        at_end = set()
        for message in messages:
            partition, error = message.partition() or 0, message.error()
            if error is None:
                batches.setdefault(partition, []).append(record_of(message))
            elif error.code() == KafkaError._PARTITION_EOF:
                at_end.add(partition)
            elif not error.retriable():
                raise KafkaException(error)
        for partition, records in batches.items():
            # A partition that goes on after a pause may give a record twice.
            new = [record for record in records if record.offset >= self.positions[partition]]
            if new and partition in self.unfinished:
                self.positions[partition] = new[-1].offset + 1
                yield partition, new
        for partition in batches.keys() | at_end:
            if partition in at_end or self.positions[partition] >= self.ends[partition]:
                self.finish(partition)

    def _bounds(self, partition: int) -> tuple[int, int]:
        bounds: tuple[int, int] = self._consumer.get_watermark_offsets(
            TopicPartition(self._topic, partition), ANSWER_SECONDS
        )
        return bounds

    def _places(self, partitions: Collection[int]) -> list[TopicPartition]:
        return [TopicPartition(self._topic, partition) for partition in partitions]

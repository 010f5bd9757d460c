"""The loop of a sink: records from Kafka → batch → store, and an offset is committed after its points are written."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import stamina
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaError, KafkaException, Message, TopicPartition

from monitoring.metrics import DEAD_LETTERS, ERRORS, EVENTS, LATENCY, SINK_RETRIES
from sinks.background import BackgroundWriter
from sinks.batch import Batch, Point, Record, Rejected, UnavailableError
from sinks.dead_letters import DeadLetters
from sinks.decode import Decode
from tidemark.access import is_refusal
from tidemark.logs import get_logger

READ_RECORDS = 500
READ_SECONDS = 0.1

_retry_for_ever = stamina.RetryingCaller(attempts=None, timeout=None, wait_initial=0.2, wait_max=2.0, wait_jitter=0.2)
_log = get_logger("sinks.consumer")


class SinkConsumer:
    """Reads topics and writes their points; at least once, and a point written twice is the same point.

    Some batches are written while the next is read. While the store is away it holds these, reads no more, and stays in
    its group. What a rebalance or a stop finds unwritten gets one more try, then it is left to whoever reads these
    partitions next.
    """

    def __init__(
        self,
        consumer: Consumer,
        decode: Decode,
        batch: Batch,
        write: Callable[[list[Point]], list[Rejected]],
        dead_letters: DeadLetters,
        stop: threading.Event,
        stage: str,
    ) -> None:
        self._consumer = consumer
        self._decode = decode
        self._writer = BackgroundWriter(write)
        self._dead_letters = dead_letters
        self._stop = stop
        self._batch = batch
        self._stage = stage
        self._accepted, self._passed_over = EVENTS.labels(stage, "accepted"), EVENTS.labels(stage, "passed_over")
        self._latency = LATENCY.labels(stage)
        self._assignment: set[tuple[str, int]] = set()
        self._waiting = False

    def run(self, topics: list[str]) -> None:
        """Run until ``stop`` is set, then write what is held and leave the group.

        Raises KafkaException when the consumer cannot go on, a right is missing or a dead letter was not delivered.
        """
        self._consumer.subscribe(topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)
        try:
            while not self._stop.is_set():
                messages = self._consumer.consume(READ_RECORDS, READ_SECONDS)
                for message in messages:
                    self._take(message)
                self._note_time(messages)
                self._write_on()
            self._write_or_leave()
        finally:
            self._drop()
            self._consumer.close()
            self._writer.close()

    def _take(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            self._report(error)
            return
        topic, partition, offset, value = message.topic(), message.partition(), message.offset(), message.value()
        # A read that was under way when its partition was revoked may still return records.
        if topic is None or partition is None or offset is None or (topic, partition) not in self._assignment:
            return
        record = Record(topic, partition, offset, message.key(), value or b"")
        decoded = [] if value is None else self._decode(record)
        if isinstance(decoded, Rejected):
            self._batch.reject(decoded, time.monotonic())
            return
        self._batch.add(record, decoded, time.monotonic())
        (self._accepted if decoded else self._passed_over).inc()

    def _note_time(self, messages: list[Message]) -> None:
        """Note the first one's time for all of them: they came together."""
        if messages:
            kind, time_ms = messages[0].timestamp()
            if kind != TIMESTAMP_NOT_AVAILABLE:  # as an error's
                self._batch.came(time_ms)

    def _write_on(self) -> None:
        """Commit what is written, and begin the next batch when it is full."""
        while self._writer.done() or (self._writer.is_busy() and self._batch.full(time.monotonic())):
            self._finish_for_ever()
        if self._batch.full(time.monotonic()):
            self._writer.begin(self._batch)

    def _finish_for_ever(self) -> None:
        try:
            _retry_for_ever(self._worth_a_retry, self._try_again)
        except UnavailableError as error:
            self._leave(error)
        finally:
            if self._waiting:
                self._waiting = False
                self._consumer.resume(self._consumer.assignment())

    def _worth_a_retry(self, error: Exception) -> bool:
        if not isinstance(error, UnavailableError):
            return False
        ERRORS.labels(self._stage, "unavailable").inc()
        if not self._waiting:
            self._waiting = True
            self._consumer.pause(self._consumer.assignment())
        if self._stop.is_set():
            return False
        SINK_RETRIES.inc()
        return True

    def _try_again(self) -> None:
        if not self._waiting:
            self._finish()
            return
        # A consumer that does not poll is thrown out of its group; paused, it gets no records but serves rebalances.
        if (message := self._consumer.poll(0)) is not None:
            self._take(message)
        self._write()

    def _write_or_leave(self) -> None:
        try:
            self._write()
        except UnavailableError as error:
            self._leave(error)

    def _write(self) -> None:
        """Write all that is held."""
        self._writer.begin(self._batch)
        while self._writer.is_at_work():
            self._finish()

    def _finish(self) -> None:
        written = self._writer.finish(self._batch)
        self._dead_letters.send(written.rejected)
        for reason, count in Counter(one.reason.lower() for one in written.rejected).items():
            EVENTS.labels(self._stage, reason).inc(count)
            DEAD_LETTERS.labels(self._stage, reason).inc(count)
        if written.points and written.oldest_ms is not None:
            self._latency.observe(max(0.0, time.time() - written.oldest_ms / 1000))
        written.written(time.monotonic())
        self._commit(written)

    def _commit(self, written: Batch) -> None:
        """Commit; what fails is tried again with the next batch, unless the partition is somebody else's by then."""
        offsets = [TopicPartition(*place, offset) for place, offset in written.offsets.items()]
        if not offsets:
            return
        try:
            committed = self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            self._writer.next_after(self._batch).give_back(written)
            self._report(error.args[0])
            return
        written.offsets.clear()
        for partition in committed:
            if partition.error is not None:
                written.offsets[partition.topic, partition.partition] = partition.offset
                self._report(partition.error)
        self._writer.next_after(self._batch).give_back(written)

    def _leave(self, error: UnavailableError) -> None:
        if self._batch.points:
            _log.warning(
                "points left unwritten, they will be read again", points=len(self._batch.points), error=str(error)
            )
        self._batch.clear()

    def _report(self, error: KafkaError) -> None:
        if error.fatal() or is_refusal(error):
            raise KafkaException(error)
        ERRORS.labels(self._stage, error.name()).inc()
        _log.warning("kafka error", error=error.str())

    def _assigned(self, _consumer: Any, partitions: list[TopicPartition]) -> None:
        self._assignment = {(partition.topic, partition.partition) for partition in partitions}
        _log.info("partitions assigned", partitions=len(partitions))

    def _revoked(self, _consumer: Any, partitions: list[TopicPartition]) -> None:
        if not self._waiting:
            self._write_or_leave()
        self._forget(partitions)
        _log.info("partitions revoked", partitions=len(partitions))

    def _lost(self, _consumer: Any, partitions: list[TopicPartition]) -> None:
        self._forget(partitions)
        _log.warning("partitions lost", partitions=len(partitions))

    def _forget(self, partitions: list[TopicPartition]) -> None:
        self._drop()
        self._assignment = set()
        if self._waiting:
            # A partition that is given away paused comes back paused.
            self._consumer.resume(partitions)

    def _drop(self) -> None:
        self._writer.drop()
        self._batch.clear()

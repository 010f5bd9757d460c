"""Records that InfluxDB cannot keep, from a sink to the topic of dead letters."""

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from sinks.batch import Rejected
from tidemark.results import DeadLetter, encode
from tidemark.topics import MAX_EVENT_BYTES

MAX_TEXT = 500
FLUSH_SECONDS = 30.0


class DeadLetters:
    """Sends dead letters with the key they were read with."""

    def __init__(self, producer: Producer, topic: str) -> None:
        self._producer = producer
        self._topic = topic

    def send(self, rejected: list[Rejected]) -> None:
        """Send them and wait until the broker has them all.

        Raises KafkaException when it has not after 30 s: then nothing may be committed, and the process should end.
        """
        if not rejected:
            return
        failures: list[KafkaError] = []

        def delivered(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                failures.append(error)

        for one in rejected:
            self._producer.produce(self._topic, key=one.record.key, value=_letter(one), on_delivery=delivered)
        if self._producer.flush(FLUSH_SECONDS):
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        if failures:
            raise KafkaException(failures[0])


def _letter(rejected: Rejected) -> bytes:
    record = rejected.record
    letter = DeadLetter(
        reason=rejected.reason,
        text=rejected.text[:MAX_TEXT],
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        # A record that was compressed may be larger than its topic's limit; its dead letter must fit all the same.
        record=record.value[:MAX_EVENT_BYTES],
    )
    return encode(letter)

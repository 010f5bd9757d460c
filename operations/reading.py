"""The topic of dead letters from a moment to its present end."""

import time
from collections.abc import Iterator, Mapping

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from operations.letters import Copy, Place
from tidemark.logs import get_logger
from tidemark.results import decode_dead_letter
from tidemark.topics import REDRIVEN_TO_HEADER

log = get_logger("operations.reading")

REQUEST_SECONDS = 10.0
#: Reading ends with an error when nothing has come for so long.
SILENCE_SECONDS = 30.0
_AT_ONCE, _POLL_SECONDS = 1_000, 0.1


def read_copies(consumer: Consumer, topic: str, names: Mapping[str, str], since: int | None) -> Iterator[Copy]:
    """Yield the letters written since (ms, inclusive; None: all there are), each partition's in its order.

    ``names`` gives the topics' names without prefix: sinks write them with it. A record that is no letter is logged and
    passed over. Raises KafkaException when the topic is missing or the broker does not answer.
    """
    for message in _messages(consumer, topic, since):
        written = message.timestamp()[1]
        if since is not None and written < since:
            continue
        try:
            letter = decode_dead_letter(message.value() or b"")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            log.warning("no dead letter", partition=message.partition(), offset=message.offset(), error=str(error))
            continue
        place = Place(names.get(letter.topic, letter.topic), letter.partition, letter.offset)
        yield Copy(place, letter, written, message.key(), _redriven_to(message))


def _messages(consumer: Consumer, topic: str, since: int | None) -> Iterator[Message]:
    starts = _starts(consumer, topic, since)
    consumer.assign(starts)
    unfinished = {start.partition for start in starts}
    heard = time.monotonic()
    while unfinished:
        messages = consumer.consume(_AT_ONCE, _POLL_SECONDS)
        if messages:
            heard = time.monotonic()
        elif time.monotonic() - heard > SILENCE_SECONDS:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        for message in messages:
            error = message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:
                unfinished.discard(message.partition() or 0)
            else:
                raise KafkaException(error)


def _starts(consumer: Consumer, topic: str, since: int | None) -> list[TopicPartition]:
    found = consumer.list_topics(topic, REQUEST_SECONDS).topics[topic]
    if found.error is not None:
        raise KafkaException(found.error)
    if since is None:
        return [TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in found.partitions]
    wanted = [TopicPartition(topic, partition, since) for partition in found.partitions]
    return consumer.offsets_for_times(wanted, REQUEST_SECONDS)


def _redriven_to(message: Message) -> str | None:
    value = dict(message.headers() or {}).get(REDRIVEN_TO_HEADER)
    return value.decode(errors="replace") if isinstance(value, bytes) else value

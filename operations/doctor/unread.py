"""Where the next record is that a reader would get: behind an offset there may be transactions' markers alone."""

import time
from collections.abc import Mapping
from contextlib import closing

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from operations.doctor.brokers import ANSWER_SECONDS
from operations.doctor.offsets import Place
from tidemark.kafka import client_config
from tidemark.rights import OPERATIONS_GROUP
from tidemark.settings import Settings

_POLL_SECONDS = 0.1


def next_records(settings: Settings, starts: Mapping[Place, int]) -> dict[Place, int]:
    """Return the offset of each log's first committed record from an offset on; nothing of a log that has none.

    One that is not known within ANSWER_SECONDS is taken to be at the offset itself. Raises KafkaException.
    """
    config = {
        # The client asks for a name; nothing is committed under it.
        "group.id": settings.topic(OPERATIONS_GROUP),
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
    }
    with closing(Consumer(client_config(settings) | config)) as consumer:
        consumer.assign([TopicPartition(*place, offset) for place, offset in starts.items()])
        return _next_records(consumer, starts)


def _next_records(consumer: Consumer, starts: Mapping[Place, int]) -> dict[Place, int]:
    found, unknown = dict(starts), set(starts)
    deadline = time.monotonic() + ANSWER_SECONDS
    while unknown and time.monotonic() < deadline:
        message = consumer.poll(_POLL_SECONDS)
        if message is None or (place := (message.topic() or "", message.partition() or 0)) not in unknown:
            continue
        error = message.error()
        if error is None:
            found[place] = message.offset() or 0
        elif error.code() == KafkaError._PARTITION_EOF:
            del found[place]
        else:
            raise KafkaException(error)
        unknown.discard(place)
    return found

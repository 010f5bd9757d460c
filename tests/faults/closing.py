"""Closes all windows at once, half an hour early: ticks from the future, which only a test can append."""

import time
from functools import partial

from confluent_kafka import Message, Producer

from tests.support import wait
from tests.support.topic_settings import set_of_topic
from tidemark.kafka import client_config
from tidemark.settings import Settings
from tidemark.topics import EVENTS, TICK_HEADER

#: After so long (ms) every visit is over by its gap, and every window closed. The broker takes up to an hour.
AHEAD_MS = 45 * 60_000


def close_all(settings: Settings) -> None:
    """Append a tick from the future to each partition of the events topic.

    The topic takes the producer's timestamps from now on: for the streams and the reference they are append times.
    """
    set_of_topic(settings, EVENTS, "message.timestamp.type", "CreateTime")
    producer = Producer(client_config(settings) | {"acks": "all"})
    ahead_ms = time.time_ns() // 1_000_000 + AHEAD_MS
    wait.until(partial(_ticked, producer, settings, ahead_ms), 20.0, "the topic does not take a producer's timestamps")


def _ticked(producer: Producer, settings: Settings, ahead_ms: int) -> bool:
    """Append the ticks; say whether the broker has let them have their time, which it may not know of at once."""
    times: list[int] = []

    def delivered(error: object, message: Message) -> None:
        assert error is None, error
        times.append(message.timestamp()[1])

    for partition in range(EVENTS.partitions):
        producer.produce(
            settings.topic(EVENTS.name),
            partition=partition,
            timestamp=ahead_ms,
            headers=[(TICK_HEADER, b"")],
            on_delivery=delivered,
        )
    producer.flush(20)
    return times == [ahead_ms] * EVENTS.partitions

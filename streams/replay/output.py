"""Where replayed results go: lines of JSON, or records of a topic that is none of the platform's."""

from collections.abc import Callable
from typing import BinaryIO, Protocol

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streams.log_reader import ANSWER_SECONDS
from streams.replay.asked import TOPICS, Replayed, line_of
from tidemark import topics
from tidemark.kafka import producer_config
from tidemark.results import encode
from tidemark.settings import Settings

#: The header that says which topic of the platform a record would be on.
TOPIC_HEADER = "tidemark-topic"
QUEUE_FULL_SECONDS = 0.1


class TopicRefused(Exception):
    """Replayed results do not go to this topic; the text says why."""


class Output(Protocol):
    """Takes one result after another."""

    def write(self, result: Replayed) -> None:
        """Take a result; it is written at once, or soon."""

    def close(self) -> None:
        """Write what is left. Raises KafkaException if something could not be written."""


class Lines:
    """Lines of JSON, ``{"topic": …, "value": …}``."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, result: Replayed) -> None:
        """Write a line."""
        self._file.write(line_of(result) + b"\n")

    def close(self) -> None:
        """Leave nothing in the buffer; the file is its opener's."""
        self._file.flush()


class Records:
    """Records with the key and value of the platform's, and a header that names its topic."""

    def __init__(self, settings: Settings, topic: str) -> None:
        """Raise TopicRefused when the topic is the platform's, or does not exist."""
        own = {name for each in topics.ALL for name in (each.name, settings.topic(each.name))}
        if topic in own or topic.startswith("__"):
            raise TopicRefused(f"expected a topic of your own, got {topic!r}, which is the platform's or the broker's")
        self._topic = topic
        self._producer = Producer(producer_config(settings, linger_ms=5))
        if self._producer.list_topics(topic, ANSWER_SECONDS).topics[topic].error is not None:
            raise TopicRefused(f"expected a topic that exists, got {topic!r}")
        self._failed: KafkaError | None = None

    def write(self, result: Replayed) -> None:
        """Send a record; waits while the producer's queue is full."""
        headers: list[tuple[str, str | bytes | None]] = [(TOPIC_HEADER, TOPICS[type(result)].name)]
        self._retried(
            lambda: self._producer.produce(
                self._topic, key=result.key(), value=encode(result), headers=headers, on_delivery=self._delivered
            )
        )

    def close(self) -> None:
        """Wait until all records are acknowledged. Raises KafkaException if one never will be."""
        self._producer.flush()
        if self._failed is not None:
            raise KafkaException(self._failed)

    def _retried(self, produce: Callable[[], None]) -> None:
        while True:
            try:
                produce()
            except BufferError:
                self._producer.poll(QUEUE_FULL_SECONDS)
            else:
                self._producer.poll(0)
                return

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        self._failed = error or self._failed

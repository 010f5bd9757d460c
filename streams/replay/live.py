"""What is still on the live result topics, from their first records to their ends; only reads."""

import time
from collections.abc import Iterator
from typing import NamedTuple

from streams.log_reader import LogReader, places_of
from streams.replay.asked import TOPICS
from tidemark.settings import Settings

_RETENTION_MS = {topic.name: topic.retention_ms for topic in TOPICS.values()}


class LiveRecord(NamedTuple):
    """A record of a result topic. ``is_new``: it came after the replay began, perhaps by events the replay has not."""

    topic: str
    place: str
    value: bytes
    is_new: bool


class LiveTopics:
    """To be made before the log's ends are asked for: then all that is live and not new can be replayed.

    ``deleted_before`` is, by topic, the time (ms) before which retention has deleted results; 0 if all are there.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._reader = LogReader(settings)
        self._bounds = {topic.name: self._reader.bounds(places_of(self._settings, topic)) for topic in TOPICS.values()}
        self.deleted_before = dict.fromkeys(self._bounds, 0)

    def read(self, topic: str) -> Iterator[LiveRecord]:
        """Yield a topic's records. Raises KafkaException and TimeoutError."""
        bounds = self._bounds[topic]
        # Results are sent after their time: what was sent before a first record that is left, may be deleted.
        headless = {place for place, (start, _) in bounds.items() if start > 0}
        for message in self._reader.read(list(bounds)):
            name, partition, offset = message.topic() or "", message.partition() or 0, message.offset() or 0
            if (name, partition) in headless:
                headless.discard((name, partition))
                self._note_deleted(topic, message.timestamp()[1])
            is_new = offset >= bounds[name, partition][1]
            yield LiveRecord(topic, f"{name}-{partition}@{offset}", message.value() or b"", is_new)
        if headless:
            self._note_deleted(topic, time.time_ns() // 1_000_000 - (_RETENTION_MS[topic] or 0))

    def _note_deleted(self, topic: str, before_ms: int) -> None:
        self.deleted_before[topic] = max(self.deleted_before[topic], before_ms)

    def close(self) -> None:
        """Close the connection."""
        self._reader.close()

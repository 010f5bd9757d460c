"""Appends ticks to the events topic; a tick that cannot go out at once must not go out at all."""

from collections.abc import Mapping
from time import monotonic_ns

from confluent_kafka import KafkaError, Message, Producer

from streams.ticks import Ticks
from tidemark.kafka import client_config
from tidemark.settings import Settings
from tidemark.topics import EVENTS, TICK_HEADER

#: A tick still waiting after this is dropped: the broker is away, and events may be waiting for it too.
TICK_TIMEOUT_MS = 1_000


class Ticker:
    """Sends the ticks that are due; learns the broker's clock from what is read."""

    def __init__(self, settings: Settings) -> None:
        self._ticks = Ticks(lateness_ms=settings.lateness_ms, pause_ms=settings.tick_pause_ms)
        self._topic = settings.topic(EVENTS.name)
        self._producer = Producer(
            client_config(settings, self._lost) | {"acks": "all", "linger.ms": 0, "message.timeout.ms": TICK_TIMEOUT_MS}
        )

    def observe(self, append_time: int) -> None:
        """Learn from the append time of a record that was just read."""
        self._ticks.clock.observe(append_time, _now())

    def tick(self, watermarks: Mapping[int, int]) -> None:
        """Send a tick to each of these caught-up partitions that needs one."""
        self._producer.poll(0)
        for partition, watermark in watermarks.items():
            if self._ticks.is_due(partition, watermark, _now()):
                self._producer.produce(
                    self._topic, partition=partition, headers=[(TICK_HEADER, b"")], on_delivery=self._delivered
                )

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._lost(error)

    def _lost(self, _: KafkaError) -> None:
        self._ticks.broker_lost(_now())


def _now() -> int:
    return monotonic_ns() // 1_000_000

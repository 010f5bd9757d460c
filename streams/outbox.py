"""The worker's own producer: results to their topics in large steps, and the moment from which they are safe."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, Message, Producer

from tidemark.logs import get_logger

if TYPE_CHECKING:
    from monitoring.spans import Sending

log = get_logger("streams.outbox")

#: How often delivery reports are looked at while somebody waits for them.
POLL_SECONDS = 0.002
QUEUE_FULL_SECONDS = 0.1

#: What is sent: topic, key, value, partition (−1: the key decides), and its span if it belongs to a trace.
Sent = tuple[str, bytes | None, bytes, int, "Sending | None"]
Headers = list[tuple[str, str | bytes | None]]

Delivered = Callable[[KafkaError | None, Message], None]


class DeliveryFailed(Exception):
    """A result was not acknowledged in the producer's delivery time: it may be lost, so the process must end."""


class Outbox:
    """Sends records; ``settled`` returns when all that were sent before it are acknowledged by the broker."""

    def __init__(self, producer: Producer, topic_name: Callable[[str], str]) -> None:
        self._producer = producer
        self._topic_name = topic_name
        self._unacknowledged = [0]
        self._failed: KafkaError | None = None
        self._settling = asyncio.Lock()

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes,
        partition: int = -1,
        sending: "Sending | None" = None,
        headers: Headers | None = None,
    ) -> None:
        """Send a record; without a partition the key decides. Blocks while the producer's queue is full."""
        count = self._unacknowledged
        count[0] += 1

        def delivered(error: KafkaError | None, _: Message) -> None:
            count[0] -= 1
            if error is not None:
                self._failed = error

        self._produce(topic, key, value, partition, sending, headers, delivered)

    def offer(
        self,
        topic: str,
        key: bytes | None,
        value: bytes,
        partition: int,
        sending: "Sending | None" = None,
        headers: Headers | None = None,
    ) -> None:
        """Send a record that may be lost: nobody waits for it, and it is no failure if it never arrives."""
        self._produce(topic, key, value, partition, sending, headers, None)

    def _produce(
        self,
        topic: str,
        key: bytes | None,
        value: bytes,
        partition: int,
        sending: "Sending | None",
        headers: Headers | None,
        delivered: Delivered | None,
    ) -> None:
        if sending is not None:
            headers, delivered = [*(headers or ()), sending.header], sending.reporting(delivered)
        while True:
            try:
                self._producer.produce(
                    self._topic_name(topic),
                    value=value,
                    key=key,
                    partition=partition,
                    headers=headers,
                    on_delivery=delivered,
                )
            except BufferError:
                self._producer.poll(QUEUE_FULL_SECONDS)
                self._raise_if_failed()
            else:
                return

    async def settled(self) -> None:
        """Wait until everything sent so far is acknowledged. Raises DeliveryFailed if something never will be."""
        async with self._settling:
            count, self._unacknowledged = self._unacknowledged, [0]
            self._producer.poll(0)
            while count[0]:
                await asyncio.sleep(POLL_SECONDS)
                self._producer.poll(0)
            self._raise_if_failed()

    def close(self, timeout_seconds: float) -> bool:
        """Hand over what is left, at most so long; say whether everything ever sent is acknowledged."""
        left = self._producer.flush(timeout_seconds)
        if left:
            log.warning("results not acknowledged at the end", count=left)
        return not left and self._failed is None

    def _raise_if_failed(self) -> None:
        if self._failed is not None:
            raise DeliveryFailed(self._failed.str())

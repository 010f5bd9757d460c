"""The outbox says what is safe; nothing waits for an early result, which may be lost."""

import asyncio
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer

from deploy.local.addresses import free_ports
from streams.outbox import Outbox


@pytest.fixture
def producer() -> Iterator[Producer]:
    """Its broker is away."""
    producer = Producer({"bootstrap.servers": f"127.0.0.1:{free_ports()}", "log_level": 0})
    yield producer
    producer.purge()


def is_settled(outbox: Outbox) -> bool:
    async def settle() -> None:
        async with asyncio.timeout(0.5):
            await outbox.settled()

    try:
        asyncio.run(settle())
    except TimeoutError:
        return False
    return True


def test_a_record_that_is_sent_is_waited_for(producer: Producer) -> None:
    outbox = Outbox(producer, str)
    outbox.send("finals", b"key", b"value", 0)
    assert not is_settled(outbox)


def test_a_record_that_is_offered_is_not_waited_for(producer: Producer) -> None:
    outbox = Outbox(producer, str)
    outbox.offer("early", b"key", b"value", 0)
    assert is_settled(outbox)

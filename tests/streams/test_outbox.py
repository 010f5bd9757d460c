"""The outbox says what is safe; nothing waits for an early result, which may be lost."""

import asyncio
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer
from prometheus_client import REGISTRY

from deploy.local.addresses import free_ports
from streams.app import build_app
from streams.outbox import Outbox
from tests.support import wait
from tidemark.settings import Settings


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


def test_what_a_broker_that_is_away_does_to_a_worker_is_counted() -> None:
    _, outbox = build_app(Settings(kafka_bootstrap_servers=f"127.0.0.1:{free_ports()}"))
    labels = {"stage": "streams", "reason": "_ALL_BROKERS_DOWN"}

    def counted() -> bool:
        assert is_settled(outbox)  # which is when a worker hears of errors
        return bool(REGISTRY.get_sample_value("analytics_pipeline_errors_total", labels))

    wait.until(counted, 10.0, lambda: "no error was counted")

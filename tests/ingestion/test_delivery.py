"""The delivery with a producer that a test may stop: what is safe, and in which order it reaches the log."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException
from prometheus_client import REGISTRY

from ingestion import delivery as delivery_module
from ingestion.delivery import Delivery, Way
from ingestion.records import Record
from ingestion.spool import Segment, Spool
from tests.websocket_gateway.talking import eventually


class Kafka:
    """A broker with one log, and its producers. ``silent``: takes records and acknowledges nothing."""

    def __init__(self) -> None:
        self.log: list[bytes] = []
        #: The headers that each record was sent with.
        self.headers: dict[bytes, list[object]] = {}
        self.away = self.silent = False
        #: Records of which nothing is heard, not even when they are purged; ``lose`` says that they have failed.
        self.stuck: list[tuple[bytes, Callable[..., None]]] | None = None
        self.producers: list[Producer] = []

    def connect(self, on_error: Callable[[KafkaError], None]) -> Any:
        self.producers.append(Producer(self, on_error))
        return self.producers[-1]

    @property
    def taken(self) -> list[bytes]:
        """What the producers hold that is not acknowledged."""
        return [value for producer in self.producers for value, _ in producer.pending]

    def lose(self) -> None:
        """Report that what was stuck has failed."""
        stuck, self.stuck = self.stuck or [], None
        for value, report in stuck:
            report(KafkaError(KafkaError._PURGE_INFLIGHT), SimpleNamespace(value=lambda value=value: value))


class Producer:
    """What the delivery uses of confluent-kafka's."""

    def __init__(self, kafka: Kafka, on_error: Callable[[KafkaError], None]) -> None:
        self.kafka = kafka
        self.on_error = on_error
        self.errors: list[KafkaError] = []
        self.pending: list[tuple[bytes, Callable[..., None]]] = []
        self.room = 10_000

    def produce(
        self,
        topic: str,
        value: bytes,
        key: bytes,
        _: int,
        report: Callable[..., None],
        headers: Sequence[object] = (),
    ) -> None:
        if len(self.pending) >= self.room:
            raise BufferError("Local: Queue full")
        self.pending.append((value, report))
        self.kafka.headers.setdefault(value, []).append(list(headers))

    def poll(self, _: float) -> None:
        while self.errors:
            self.on_error(self.errors.pop())
        if not (self.kafka.away or self.kafka.silent):
            self._report(None)

    def purge(self) -> None:
        if self.kafka.stuck is not None:
            self.kafka.stuck += self.pending
            self.pending = []
        self.kafka.log += [value for value, _ in self.pending] if self.kafka.silent else []
        self._report(KafkaError(KafkaError._PURGE_INFLIGHT))

    def _report(self, error: KafkaError | None) -> None:
        pending, self.pending = self.pending, []
        for value, report in pending:
            if error is None:
                self.kafka.log.append(value)
            report(error, SimpleNamespace(value=lambda value=value: value))

    def list_topics(self, topic: str, _: float) -> Any:
        if self.kafka.away:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        return SimpleNamespace(topics={topic: SimpleNamespace(error=None)})


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_module, "_RETRY_S", 0.01)


def record(number: int) -> Record:
    return "events", b"k", b"%d" % number


async def send(delivery: Delivery, *numbers: int) -> list[bool]:
    return await delivery.deliver([record(number) for number in numbers])


@asynccontextmanager
async def running(
    kafka: Kafka, folder: Path, limit: int = 1_000_000, patience_s: float = 0.05
) -> AsyncIterator[Delivery]:
    spool = Spool(folder, limit)
    spool.open()
    delivery = Delivery(cast(Any, kafka.connect), "", spool, ("events",), patience_s)
    work = asyncio.create_task(delivery.run())
    try:
        yield delivery
    finally:
        work.cancel()
        await asyncio.wait([work])
        spool.close()


def scenario(test: Callable[[Kafka, Path], Coroutine[Any, Any, None]], folder: Path) -> None:
    asyncio.run(test(Kafka(), folder))


def numbers(kafka: Kafka) -> list[int]:
    return [int(value) for value in kafka.log]


def errors(reason: str) -> float:
    """Return how many failures of the door have been counted with this reason."""
    labels = {"stage": "ingestion", "reason": reason}
    return REGISTRY.get_sample_value("analytics_pipeline_errors_total", labels) or 0.0


def left(folder: Path) -> list[Path]:
    """Return the files that the spool still has."""
    return list(folder.iterdir())


def test_a_trace_goes_with_its_records_and_ends_where_they_go_to_disk(tmp_path: Path) -> None:
    reported: list[KafkaError | None] = []

    def reporting(report: Callable[..., None]) -> Callable[..., None]:
        def told(error: KafkaError | None, message: Any) -> None:
            reported.append(error)
            report(error, message)

        return told

    sending = cast(Any, SimpleNamespace(header=("traceparent", "a trace"), reporting=reporting))

    async def test(kafka: Kafka, folder: Path) -> None:
        async with running(kafka, folder) as delivery:
            assert await delivery.deliver([record(0), record(1)], sending) == [True, True]
            assert reported == [None, None]
            kafka.away = True
            assert await send(delivery, 2) == [True]
            assert await delivery.deliver([record(3)], sending) == [True]
            kafka.away = False
            await eventually(lambda: numbers(kafka) == [0, 1, 2, 3])
        carried = [sending.header]
        assert kafka.headers == {b"0": [carried], b"1": [carried], b"2": [[], []], b"3": [[]]}
        assert len(reported) == 2

    scenario(test, tmp_path)


@pytest.mark.parametrize("size", [1, 40])
def test_what_comes_during_an_outage_reaches_the_log_in_order_before_what_comes_later(
    size: int, tmp_path: Path
) -> None:
    async def test(kafka: Kafka, folder: Path) -> None:
        async with running(kafka, folder) as delivery:
            assert await send(delivery, 0) == [True]
            before = errors("kafka_away")
            kafka.away = True
            for first in range(1, 401, size):
                assert all(await send(delivery, *range(first, first + size)))
            assert numbers(kafka) == [0]
            assert delivery.way is Way.SPOOL
            assert errors("kafka_away") == before + 1
            kafka.away = False
            tasks = []
            for number in range(401, 600):
                tasks.append(asyncio.create_task(send(delivery, number)))
                await asyncio.sleep(0.001)
            assert all(safe for one in await asyncio.gather(*tasks) for safe in one)
            await eventually(lambda: delivery.way is Way.KAFKA)
            assert numbers(kafka) == list(range(600))
            assert delivery.spooled_bytes == 0

    scenario(test, tmp_path)


def test_events_that_keep_coming_to_a_slow_disk_do_not_keep_it_from_turning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fdatasync", lambda _: time.sleep(0.01))

    async def test(kafka: Kafka, folder: Path) -> None:
        kafka.away = True
        sent = 0
        tasks = []
        async with running(kafka, folder) as delivery:
            await send(delivery, sent)
            kafka.away = False
            while delivery.way is Way.SPOOL and sent < 3_000:
                sent += 1
                tasks.append(asyncio.create_task(send(delivery, sent)))
                await asyncio.sleep(0.001)
            assert delivery.way is Way.KAFKA
            assert delivery.spooled_bytes == 0
            await asyncio.gather(*tasks)
            assert numbers(kafka) == list(range(sent + 1))

    scenario(test, tmp_path)


def test_a_long_outage_is_sent_segment_by_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestion.spool.SEGMENT_BYTES", 500)
    monkeypatch.setattr(delivery_module, "_TURN_BYTES", 300)
    monkeypatch.setattr(delivery_module, "_CHUNK", 7)

    async def test(kafka: Kafka, folder: Path) -> None:
        kafka.away = True
        async with running(kafka, folder) as delivery:
            for number in range(300):
                await send(delivery, number)
            kafka.away = False
            await eventually(lambda: delivery.way is Way.KAFKA)
            assert numbers(kafka) == list(range(300))

    scenario(test, tmp_path)


def test_a_kafka_that_does_not_answer_is_away_and_its_records_may_come_twice(tmp_path: Path) -> None:
    async def test(kafka: Kafka, folder: Path) -> None:
        kafka.silent = True
        async with running(kafka, folder) as delivery:
            assert await send(delivery, 1, 2) == [True, True]
            kafka.silent = False
            await eventually(lambda: delivery.way is Way.KAFKA)
            assert set(numbers(kafka)) == {1, 2}

    scenario(test, tmp_path)


def test_with_no_room_anywhere_nothing_is_safe(tmp_path: Path) -> None:
    async def test(kafka: Kafka, folder: Path) -> None:
        kafka.away = True
        async with running(kafka, folder, limit=100) as delivery:
            before = errors("spool_full")
            safe = [(await send(delivery, number))[0] for number in range(20)]
            assert 0 < sum(safe) < 20
            assert errors("spool_full") == before + safe.count(False)
            kafka.away = False
            await eventually(lambda: delivery.way is Way.KAFKA)
            assert numbers(kafka) == [number for number in range(20) if safe[number]]
            assert await send(delivery, 20) == [True]

    scenario(test, tmp_path)


def test_what_the_producer_has_no_room_for_goes_to_disk(tmp_path: Path) -> None:
    async def test(kafka: Kafka, folder: Path) -> None:
        async with running(kafka, folder) as delivery:
            kafka.producers[0].room = 3
            assert await send(delivery, *range(5)) == [True] * 5
            await eventually(lambda: delivery.way is Way.KAFKA)
            assert numbers(kafka) == list(range(5))

    scenario(test, tmp_path)


def test_a_producer_that_has_failed_for_good_is_replaced(tmp_path: Path) -> None:
    async def test(kafka: Kafka, folder: Path) -> None:
        async with running(kafka, folder) as delivery:
            kafka.producers[0].errors.append(KafkaError(KafkaError._FATAL, "fenced", True))
            await eventually(lambda: len(kafka.producers) == 2 and delivery.way is Way.KAFKA)
            assert await send(delivery, 1) == [True]
            assert kafka.producers[0].pending == []

    scenario(test, tmp_path)


def test_without_any_broker_nobody_waits_for_the_patience_to_end(tmp_path: Path) -> None:
    async def test(kafka: Kafka, folder: Path) -> None:
        async with running(kafka, folder) as delivery:
            kafka.away = True
            kafka.producers[0].errors.append(KafkaError(KafkaError._ALL_BROKERS_DOWN))
            await eventually(lambda: delivery.way is Way.SPOOL)
            assert await send(delivery, 1) == [True]
            assert kafka.producers[0].pending == []
            assert delivery.spooled_bytes > 0

    scenario(test, tmp_path)


def test_what_an_earlier_run_has_left_is_sent_first(tmp_path: Path) -> None:
    async def test(kafka: Kafka, folder: Path) -> None:
        kafka.away = True
        async with running(kafka, folder) as delivery:
            await send(delivery, 1, 2)
        kafka.away = False
        async with running(kafka, folder) as delivery:
            assert await send(delivery, 3) == [True]
            await eventually(lambda: delivery.way is Way.KAFKA)
            assert numbers(kafka) == [1, 2, 3]

    scenario(test, tmp_path)


async def lose_all_brokers(kafka: Kafka, delivery: Delivery) -> None:
    """Have the delivery go to the spool, and stay there."""
    kafka.away = True
    kafka.producers[0].errors.append(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    await eventually(lambda: delivery.way is Way.SPOOL)


async def come_back_silent(kafka: Kafka) -> None:
    """Have Kafka take what is left in the spool, so that the turn waits for its acknowledgement."""
    kafka.silent, kafka.away = True, False
    await eventually(lambda: bool(kafka.taken))


def test_what_comes_during_the_turn_goes_to_kafka_behind_the_spool_and_not_through_it(tmp_path: Path) -> None:
    async def test(kafka: Kafka, folder: Path) -> None:
        async with running(kafka, folder, patience_s=5.0) as delivery:
            await lose_all_brokers(kafka, delivery)
            await send(delivery, *range(10))
            await come_back_silent(kafka)
            before = delivery.spooled_bytes
            coming = [asyncio.create_task(send(delivery, number)) for number in range(10, 20)]
            await asyncio.sleep(0.05)
            assert not any(task.done() for task in coming)
            assert delivery.spooled_bytes == before
            kafka.silent = False
            assert await asyncio.gather(*coming) == [[True]] * 10
            assert numbers(kafka) == list(range(20))
            assert (delivery.way, delivery.spooled_bytes, left(folder)) == (Way.KAFKA, 0, [])

    scenario(test, tmp_path)


def test_when_the_turn_fails_what_has_waited_for_it_follows_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def purge_and_come_back(producer: Producer) -> None:
        purge(producer)
        producer.kafka.silent = False

    async def test(kafka: Kafka, folder: Path) -> None:
        async with running(kafka, folder, patience_s=0.2) as delivery:
            await lose_all_brokers(kafka, delivery)
            await send(delivery, *range(10))
            await come_back_silent(kafka)
            monkeypatch.setattr(Producer, "purge", purge_and_come_back)
            coming = [asyncio.create_task(send(delivery, number)) for number in range(10, 20)]
            assert await asyncio.gather(*coming) == [[True]] * 10
            await eventually(lambda: delivery.way is Way.KAFKA)
            # Whether the broker had the first ten before nobody knows.
            assert numbers(kafka) == [*range(10), *range(20)]
            assert left(folder) == []

    purge = Producer.purge
    scenario(test, tmp_path)


@pytest.mark.parametrize("at_the_last_moment", [False, True])
def test_what_comes_to_the_spool_during_the_turn_is_sent_before_the_door_turns(
    at_the_last_moment: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request of before the outage learns only now that Kafka has not taken its record."""

    async def test(kafka: Kafka, folder: Path) -> None:
        async def lose_when_empty(spool: Spool) -> Segment | None:
            segment = await oldest(spool)
            if segment is None and kafka.stuck:
                kafka.lose()
                await eventually(lambda: spool.size > 0)
            return segment

        async with running(kafka, folder, patience_s=5.0) as delivery:
            kafka.silent, kafka.stuck = True, []
            early = asyncio.create_task(send(delivery, 1))
            await eventually(lambda: bool(kafka.taken))
            await lose_all_brokers(kafka, delivery)
            await send(delivery, 2)
            await come_back_silent(kafka)
            if at_the_last_moment:
                monkeypatch.setattr(Spool, "oldest", lose_when_empty)
            else:
                kafka.lose()
                assert await early == [True]
            coming = asyncio.create_task(send(delivery, 3))
            await asyncio.sleep(0)
            kafka.silent = False
            assert [*await early, *await coming] == [True, True]
            assert numbers(kafka) == [2, 1, 3]
            assert (delivery.way, delivery.spooled_bytes, left(folder)) == (Way.KAFKA, 0, [])

    oldest = Spool.oldest
    scenario(test, tmp_path)

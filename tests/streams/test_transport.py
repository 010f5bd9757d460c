"""The batch transport against the pinned Faust: what it replaces is still there, and it commits only what is acked."""

import asyncio
import inspect
import time
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer  # type: ignore[import-untyped]
from aiokafka.consumer import fetcher  # type: ignore[import-untyped]
from faust.transport.drivers.aiokafka import Consumer
from faust.types import TP

from streams.transport import FETCH_SECONDS, BatchConsumer, BatchTransport, PacedFetcher, RawRecords

EVENTS_0 = TP("events", 0)


@pytest.fixture
def consumer() -> BatchConsumer:
    """A consumer's bookkeeping without its connection."""
    made = object.__new__(BatchConsumer)
    made._handed_out = BatchConsumer.new_bookkeeping()
    made._acked = {EVENTS_0: []}
    made._acked_index = {EVENTS_0: set()}
    return made


def hand_out(consumer: BatchConsumer, *last_offsets: int) -> None:
    consumer._handed_out[EVENTS_0].extend(last_offsets)


def ack(consumer: BatchConsumer, *last_offsets: int) -> None:
    consumer._acked[EVENTS_0].extend(last_offsets)
    consumer._acked_index[EVENTS_0].update(last_offsets)


def test_the_libraries_whose_private_methods_are_replaced_are_the_pinned_ones() -> None:
    assert (version("faust-streaming"), version("aiokafka"), version("mode-streaming")) == ("0.15.3", "0.14.0", "0.7.1")


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("getmany", ["self", "timeout"]),
        ("_wait_next_records", ["self", "timeout"]),
        ("_add_gap", ["self", "tp", "offset_from", "offset_to"]),
        ("_new_offset", ["self", "tp"]),
        ("perform_seek", ["self"]),
        ("on_partitions_revoked", ["self", "revoked"]),
        ("assignment", ["self"]),
        ("close", ["self"]),
        ("on_stop", ["self"]),
        ("_new_consumer_thread", ["self"]),
    ],
)
def test_faust_still_has_what_is_replaced(name: str, parameters: list[str]) -> None:
    assert list(inspect.signature(getattr(Consumer, name)).parameters) == parameters
    assert list(inspect.signature(getattr(BatchConsumer, name)).parameters) == parameters


def test_aiokafka_still_makes_its_records_where_that_is_replaced() -> None:
    for made in (fetcher.PartitionRecords, RawRecords):
        assert list(inspect.signature(made._consumer_record).parameters) == ["self", "tp", "record"]
    assert "PartitionRecords(" in inspect.getsource(fetcher.Fetcher._proc_fetch_request)


def test_aiokafka_still_makes_its_fetcher_where_that_is_replaced() -> None:
    for made in (fetcher.Fetcher, PacedFetcher):
        parameters = list(inspect.signature(made._proc_fetch_request).parameters)
        assert parameters == ["self", "assignment", "node_id", "request"]
    assert "= Fetcher(" in inspect.getsource(AIOKafkaConsumer.start)


def test_a_broker_is_asked_again_only_after_a_while_and_the_records_are_there_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario() -> None:
        async def answered(*_: Any) -> bool:
            return True

        monkeypatch.setattr(fetcher.Fetcher, "_proc_fetch_request", answered)
        asked = object.__new__(PacedFetcher)
        waiter = asyncio.get_running_loop().create_future()
        asked._fetch_waiters = {waiter}
        began = time.monotonic()
        request = asyncio.create_task(asked._proc_fetch_request(None, 1, None))
        await waiter
        assert not request.done()
        assert await request
        assert time.monotonic() - began >= FETCH_SECONDS

    asyncio.run(scenario())


def test_batches_commit_in_order(consumer: BatchConsumer) -> None:
    hand_out(consumer, 9, 19, 29)
    ack(consumer, 9, 19)
    assert consumer._new_offset(EVENTS_0) == 20
    ack(consumer, 29)
    assert consumer._new_offset(EVENTS_0) == 30
    assert consumer._new_offset(EVENTS_0) is None


def test_nothing_is_committed_past_a_batch_that_is_not_acked(consumer: BatchConsumer) -> None:
    hand_out(consumer, 9, 19, 29)
    ack(consumer, 19, 29)
    assert consumer._new_offset(EVENTS_0) is None
    ack(consumer, 9)
    assert consumer._new_offset(EVENTS_0) == 30


def test_a_stale_batch_does_not_block_commits_after_a_seek(consumer: BatchConsumer) -> None:
    hand_out(consumer, 9)
    consumer._forget(EVENTS_0)
    hand_out(consumer, 4)
    consumer._acked = {EVENTS_0: []}
    consumer._acked_index = {EVENTS_0: set()}
    ack(consumer, 4)
    assert consumer._new_offset(EVENTS_0) == 5


def test_a_batch_carries_its_records_and_its_last_offset(consumer: BatchConsumer) -> None:
    app: Any = SimpleNamespace(consumer_generation_id=3)
    consumer.app = app
    records = [SimpleNamespace(offset=n, timestamp=1_000 + n, timestamp_type=1) for n in (5, 6, 8)]
    batch = consumer._to_batch(EVENTS_0, records)
    assert (batch.tp, batch.offset, batch.timestamp, batch.generation_id) == (EVENTS_0, 8, 1.008, 3)
    assert list(batch.value or []) == records


def test_the_transport_makes_batch_consumers() -> None:
    assert BatchTransport.Consumer is BatchConsumer

"""A checkpoint on the real broker: one transaction each, one owner, large values whole, nothing half-written read."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from streams.entries import PART_BYTES
from streams.state import Checkpoint, CheckpointReader, Fenced
from streams.windows.checkpoint import Changes
from tests.conftest import OwnStack
from tidemark.settings import Settings

PARTITION = 7


@pytest.fixture
def reader(settings: Settings) -> Iterator[CheckpointReader]:
    made = CheckpointReader(settings)
    yield made
    made.close()


@asynccontextmanager
async def owned(settings: Settings) -> AsyncIterator[Checkpoint]:
    """Take the checkpoint over, as a worker that was given the partition does."""
    checkpoint = Checkpoint(settings, settings.topic("owner-7"), PARTITION)
    await checkpoint.take_over()
    try:
        yield checkpoint
    finally:
        await checkpoint.close()


def test_a_new_owner_reads_what_the_last_one_committed(settings: Settings, reader: CheckpointReader) -> None:
    large = bytes(range(256)) * (PART_BYTES // 100)

    async def scenario() -> None:
        async with owned(settings) as first:
            assert await first.read(reader) == {}
            await first.commit([(b"meta", b"1"), (b"large", large), (b"over", large), (b"empty", b"")])
            await first.commit([(b"meta", b"2"), (b"over", None)])
        async with owned(settings) as second:
            assert await second.read(reader) == {b"meta": b"2", b"large": large, b"empty": b""}
            await second.commit([(b"large", b"small"), (b"empty", None)])
        async with owned(settings) as third:
            assert await third.read(reader) == {b"meta": b"2", b"large": b"small"}
            await third.commit([(b"large", None), (b"meta", None)])
        async with owned(settings) as fourth:
            assert await fourth.read(reader) == {}

    asyncio.run(scenario())


def test_who_was_thought_dead_cannot_write_any_more(settings: Settings, reader: CheckpointReader) -> None:
    async def scenario() -> None:
        async with owned(settings) as zombie:
            await zombie.commit([(b"meta", b"1")])
            async with owned(settings) as owner:
                assert await owner.read(reader) == {b"meta": b"1"}
                with pytest.raises(Fenced):
                    await zombie.commit([(b"meta", b"zombie")])
                await owner.commit([(b"meta", b"2")])
                with pytest.raises(Fenced):
                    await zombie.commit([(b"meta", b"zombie")])
            async with owned(settings) as last:
                assert await last.read(reader) == {b"meta": b"2"}

    asyncio.run(scenario())


def test_what_was_not_committed_is_not_read(settings: Settings, reader: CheckpointReader) -> None:
    async def scenario() -> None:
        async with owned(settings) as killed:
            await killed.commit([(b"meta", b"1")])
            assert killed._producer is not None
            await killed._producer.begin_transaction()
            await killed._write(killed._producer, [(b"meta", b"half")])
            await killed._producer.flush()
            async with owned(settings) as owner:
                assert await owner.read(reader) == {b"meta": b"1"}

    asyncio.run(scenario())


def test_one_knows_whether_somebody_else_has_written(settings: Settings, reader: CheckpointReader) -> None:
    async def scenario() -> None:
        async with owned(settings) as mine:
            assert not await mine.is_untouched(reader)  # not read yet
            await mine.read(reader)
            assert await mine.is_untouched(reader)
            for meta in (b"1", b"2"):
                await mine.commit([(b"meta", meta)])
                await mine.take_over()
                assert await mine.is_untouched(reader)
            async with owned(settings) as other:
                await other.read(reader)
            await mine.take_over()
            assert await mine.is_untouched(reader)
            async with owned(settings) as other:
                await other.commit([(b"meta", b"3")])
            await mine.take_over()
            assert not await mine.is_untouched(reader)
            assert await mine.read(reader) == {b"meta": b"3"}

    asyncio.run(scenario())


def test_many_entries_come_back(settings: Settings, reader: CheckpointReader) -> None:
    changes: Changes = [(f"key-{number}".encode(), bytes(150)) for number in range(20_000)]

    async def scenario() -> None:
        async with owned(settings) as first:
            assert await first.commit(changes) > 20_000 * 150
        async with owned(settings) as second:
            assert await second.read(reader) == dict(changes)

    asyncio.run(scenario())


def test_a_broker_that_comes_back_gets_the_commit(own_stack: OwnStack) -> None:
    async def scenario() -> None:
        async with owned(own_stack.settings) as checkpoint:
            await checkpoint.commit([(b"meta", b"1")])
            own_stack.kafka[0].kill()
            commit = asyncio.create_task(checkpoint.commit([(b"meta", b"2"), (b"large", bytes(1_000_000))]))
            await asyncio.sleep(0.5)
            assert not commit.done()
            await asyncio.to_thread(own_stack.kafka[0].start)
            await commit
            await checkpoint.commit([(b"meta", b"3")])
        reader = CheckpointReader(own_stack.settings)
        async with owned(own_stack.settings) as other:
            assert await other.read(reader) == {b"meta": b"3", b"large": bytes(1_000_000)}
        reader.close()

    asyncio.run(scenario())

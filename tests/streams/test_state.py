"""A checkpoint on the real broker: one transaction each, one owner, large values whole, nothing half-written read."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from streams.checkpoints import Checkpoints
from streams.entries import PART_BYTES
from streams.log_reader import LogReader, groups
from streams.state import Fenced
from streams.windows.checkpoint import Changes
from tests.conftest import OwnStack
from tidemark.settings import Settings

PARTITION = 7


@pytest.fixture
def reader(settings: Settings) -> Iterator[LogReader]:
    made = LogReader(settings)
    yield made
    made.close()


class Owner:
    """A worker's checkpoints, of which it has one partition."""

    def __init__(self, settings: Settings, reader: LogReader) -> None:
        self.checkpoints = Checkpoints(settings, "group", reader)

    async def take_over(self) -> None:
        await self.checkpoints.take_over([PARTITION])

    async def read(self) -> dict[bytes, bytes]:
        [(partition, entries)] = [read async for read in self.checkpoints.read([PARTITION])]
        assert partition == PARTITION
        return entries

    async def commit(self, *changes: tuple[bytes, bytes | None]) -> None:
        await self.checkpoints.commit(PARTITION, list(changes))

    async def is_untouched(self) -> bool:
        return await self.checkpoints.untouched([PARTITION]) == {PARTITION}


@asynccontextmanager
async def owned(settings: Settings, reader: LogReader) -> AsyncIterator[Owner]:
    """Take the checkpoint over, as a worker that was given the partition does."""
    owner = Owner(settings, reader)
    await owner.take_over()
    try:
        yield owner
    finally:
        await owner.checkpoints.close()


def test_a_new_owner_reads_what_the_last_one_committed(settings: Settings, reader: LogReader) -> None:
    large = bytes(range(256)) * (PART_BYTES // 100)

    async def scenario() -> None:
        async with owned(settings, reader) as first:
            assert await first.read() == {}
            await first.commit((b"meta", b"1"), (b"large", large), (b"over", large), (b"empty", b""))
            await first.commit((b"meta", b"2"), (b"over", None))
        async with owned(settings, reader) as second:
            assert await second.read() == {b"meta": b"2", b"large": large, b"empty": b""}
            await second.commit((b"large", b"small"), (b"empty", None))
        async with owned(settings, reader) as third:
            assert await third.read() == {b"meta": b"2", b"large": b"small"}
            await third.commit((b"large", None), (b"meta", None))
        async with owned(settings, reader) as fourth:
            assert await fourth.read() == {}

    asyncio.run(scenario())


def test_who_was_thought_dead_cannot_write_any_more(settings: Settings, reader: LogReader) -> None:
    async def scenario() -> None:
        async with owned(settings, reader) as zombie:
            await zombie.commit((b"meta", b"1"))
            async with owned(settings, reader) as owner:
                assert await owner.read() == {b"meta": b"1"}
                with pytest.raises(Fenced):
                    await zombie.commit((b"meta", b"zombie"))
                await owner.commit((b"meta", b"2"))
                with pytest.raises(Fenced):
                    await zombie.commit((b"meta", b"zombie"))
            async with owned(settings, reader) as last:
                assert await last.read() == {b"meta": b"2"}

    asyncio.run(scenario())


def test_what_was_not_committed_is_not_read(settings: Settings, reader: LogReader) -> None:
    async def scenario() -> None:
        async with owned(settings, reader) as killed:
            await killed.commit((b"meta", b"1"))
            checkpoint = killed.checkpoints._owned[PARTITION]
            assert checkpoint._producer is not None
            await checkpoint._producer.begin_transaction()
            await checkpoint._write(checkpoint._producer, [(b"meta", b"half")])
            await checkpoint._producer.flush()
            async with owned(settings, reader) as owner:
                assert await owner.read() == {b"meta": b"1"}

    asyncio.run(scenario())


def test_one_knows_whether_somebody_else_has_written(settings: Settings, reader: LogReader) -> None:
    async def scenario() -> None:
        async with owned(settings, reader) as mine:
            assert not await mine.is_untouched()  # not read yet
            await mine.read()
            assert await mine.is_untouched()
            for meta in (b"1", b"2"):
                await mine.commit((b"meta", meta))
                await mine.take_over()
                assert await mine.is_untouched()
            async with owned(settings, reader) as other:
                await other.read()
            await mine.take_over()
            assert await mine.is_untouched()
            async with owned(settings, reader) as other:
                await other.commit((b"meta", b"3"))
            await mine.take_over()
            assert not await mine.is_untouched()
            assert await mine.read() == {b"meta": b"3"}

    asyncio.run(scenario())


def test_many_entries_come_back(settings: Settings, reader: LogReader) -> None:
    changes: Changes = [(f"key-{number}".encode(), bytes(150)) for number in range(20_000)]

    async def scenario() -> None:
        async with owned(settings, reader) as first:
            await first.commit(*changes)
        async with owned(settings, reader) as second:
            assert await second.read() == dict(changes)

    asyncio.run(scenario())


def test_a_broker_that_comes_back_gets_the_commit(own_stack: OwnStack) -> None:
    reader = LogReader(own_stack.settings)

    async def scenario() -> None:
        async with owned(own_stack.settings, reader) as owner:
            await owner.commit((b"meta", b"1"))
            own_stack.kafka[0].kill()
            commit = asyncio.create_task(owner.commit((b"meta", b"2"), (b"large", bytes(1_000_000))))
            await asyncio.to_thread(own_stack.kafka[0].start)
            await commit
            await owner.commit((b"meta", b"3"))
        async with owned(own_stack.settings, reader) as other:
            assert await other.read() == {b"meta": b"3", b"large": bytes(1_000_000)}

    asyncio.run(scenario())
    reader.close()


def test_small_logs_are_read_together_and_large_ones_alone() -> None:
    bounds = {("log", number): (100, 100 + size) for number, size in enumerate([0, 5, 5, 1, 11, 9, 1, 1])}
    assert [[number for _, number in group] for group in groups(bounds, 10)] == [[0, 1, 2], [3], [4], [5, 6], [7]]
    assert list(groups({}, 10)) == []

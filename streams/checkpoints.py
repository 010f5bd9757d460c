"""The checkpoints of the states a worker owns: taken over and read when partitions come, written while they stay."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable

from monitoring import metrics
from streams.entries import Folded
from streams.log_reader import LogReader, Place, groups
from streams.state import Checkpoint, Fenced
from streams.windows.checkpoint import Changes
from tidemark.settings import Settings
from tidemark.topics import CHECKPOINTS

#: So many records are read together at most: many small checkpoints at once, large ones one after the other.
TOGETHER = 10_000


class Checkpoints:
    """By their partition of ``stream-checkpoints``. All calls come from one event loop, one call at a time a state."""

    def __init__(self, settings: Settings, group: str, reader: LogReader) -> None:
        self._settings = settings
        self._topic = settings.topic(CHECKPOINTS.name)
        self._prefix = f"{settings.topic(group)}.{self._topic}"
        self._owned: dict[int, Checkpoint] = {}
        self._reader = reader

    async def take_over(self, partitions: Iterable[int]) -> None:
        """Own these and no others: whoever wrote them before cannot any more."""
        wanted = set(partitions)
        await asyncio.gather(*(self._let_go(each) for each in self._owned.keys() - wanted))
        for partition in wanted - self._owned.keys():
            self._owned[partition] = Checkpoint(self._settings, f"{self._prefix}-{partition}", partition)
        await asyncio.gather(*(self._owned[partition].take_over() for partition in wanted))

    async def untouched(self, partitions: Iterable[int]) -> set[int]:
        """Return those that nobody else has written since they were read or committed here."""
        bounds = await self._bounds(partitions)
        return {partition for (_, partition), (_, end) in bounds.items() if self._owned[partition].is_untouched(end)}

    async def read(self, partitions: Iterable[int]) -> AsyncIterator[tuple[int, dict[bytes, bytes]]]:
        """Yield the entries of each one's last checkpoint, none if it has none yet."""
        bounds = await self._bounds(partitions)
        for group in groups(bounds, TOGETHER):
            folded = await asyncio.to_thread(self._folded, group)
            for place in group:
                yield place[1], self._owned[place[1]].restored(folded.pop(place[1]), bounds[place][1])

    async def commit(self, partition: int, changes: Changes) -> None:
        """Write what changed, in one transaction. Raises Fenced when the partition is somebody else's by now."""
        started = time.monotonic()
        try:
            size = await self._owned[partition].commit(changes)
        except Fenced:
            metrics.CHECKPOINTS.labels("fenced").inc()
            raise
        metrics.CHECKPOINTS.labels("committed").inc()
        metrics.CHECKPOINT_BYTES.inc(size)
        metrics.CHECKPOINT_SECONDS.observe(time.monotonic() - started)
        metrics.CHECKPOINT_TIME.labels(partition).set_to_current_time()

    async def close(self) -> None:
        """Let go of all of them."""
        await self.take_over(())

    async def _let_go(self, partition: int) -> None:
        await self._owned.pop(partition).close()
        metrics.CHECKPOINT_TIME.remove(partition)

    async def _bounds(self, partitions: Iterable[int]) -> dict[Place, tuple[int, int]]:
        return await asyncio.to_thread(self._reader.bounds, [(self._topic, each) for each in partitions])

    def _folded(self, places: list[Place]) -> dict[int, Folded]:
        folded = {partition: Folded() for _, partition in places}
        for message in self._reader.read(places):
            folded[message.partition() or 0].add(message.key() or b"", message.value())
        return folded

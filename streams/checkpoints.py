"""The checkpoints of the states a worker owns: taken over and read when partitions come, written while they stay."""

import asyncio
import time
from collections.abc import Iterable

from monitoring import metrics
from streams.state import Checkpoint, CheckpointReader, Fenced
from streams.windows.checkpoint import Changes
from tidemark.settings import Settings
from tidemark.topics import CHECKPOINTS


class Checkpoints:
    """By their partition of ``stream-checkpoints``. All calls come from one event loop, one call at a time a state."""

    def __init__(self, settings: Settings, group: str) -> None:
        self._settings = settings
        self._prefix = f"{settings.topic(group)}.{settings.topic(CHECKPOINTS.name)}"
        self._owned: dict[int, Checkpoint] = {}
        self._reader: CheckpointReader | None = None

    async def take_over(self, partitions: Iterable[int]) -> None:
        """Own these and no others: whoever wrote them before cannot any more."""
        wanted = set(partitions)
        await asyncio.gather(*(self._let_go(each) for each in self._owned.keys() - wanted))
        for partition in wanted - self._owned.keys():
            self._owned[partition] = Checkpoint(self._settings, f"{self._prefix}-{partition}", partition)
        await asyncio.gather(*(self._owned[partition].take_over() for partition in wanted))

    async def is_untouched(self, partition: int) -> bool:
        """Say whether nobody else has written it since it was read or committed here."""
        return await self._owned[partition].is_untouched(self._open_reader())

    async def read(self, partition: int) -> dict[bytes, bytes]:
        """Return the entries of the last checkpoint."""
        return await self._owned[partition].read(self._open_reader())

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
        if self._reader is not None:
            self._reader.close()

    async def _let_go(self, partition: int) -> None:
        await self._owned.pop(partition).close()
        metrics.CHECKPOINT_TIME.remove(partition)

    def _open_reader(self) -> CheckpointReader:
        """Connect at the first use."""
        if self._reader is None:
            self._reader = CheckpointReader(self._settings)
        return self._reader

"""Which partitions have taken in something since somebody looked."""

import asyncio
from contextlib import suppress

#: The batches of one fetch come one after another: so long (s) the first one's news wait for the others'.
GATHER_SECONDS = 0.003


class News:
    """Partitions with news; one may wait for them."""

    def __init__(self) -> None:
        self._partitions: set[int] = set()
        self._some = asyncio.Event()

    def add(self, partition: int) -> None:
        """Note that a partition has news."""
        self._partitions.add(partition)
        self._some.set()

    async def wait(self, seconds: float) -> set[int]:
        """Wait for news, at most so long; take all there are then."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._some.wait()
                await asyncio.sleep(GATHER_SECONDS)
        self._some.clear()
        partitions, self._partitions = self._partitions, set()
        return partitions

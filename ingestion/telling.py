"""From a worker's counts to their topic, once a second, by a delivery like the events': on disk while Kafka is away."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from ingestion.counting import Counts
from ingestion.records import Record
from tidemark.counts import encode_counts
from tidemark.topics import DOOR_COUNTS

EVERY_S = 1.0

Deliver = Callable[[list[Record]], Awaitable[list[bool]]]


class Telling:
    """Tells what ``counts`` has counted. What cannot be kept is told later; a kill loses what was not told yet."""

    def __init__(self, counts: Counts, deliver: Deliver) -> None:
        self._counts = counts
        self._deliver = deliver
        self._one = asyncio.Lock()

    async def run(self) -> None:
        """Tell once a second, until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.tell()

    async def tell(self) -> None:
        """Tell what has been counted so far; return when it is safe, or when it is clear that it cannot be."""
        async with self._one:
            told = self._counts.take(time.time_ns() // 1_000_000)
            if not told:
                return
            records = [(DOOR_COUNTS.name, one.site_id.encode(), encode_counts(one)) for one in told]
            safe = await self._deliver(records)
            self._counts.give_back(one for one, kept in zip(told, safe, strict=True) if not kept)

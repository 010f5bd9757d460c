"""A worker whose consumer gives nothing more after its first batches, and says nothing: it heartbeats and waits."""

from collections.abc import AsyncIterator
from itertools import count

from faust.types import TP, Message

from streams import cli
from streams.transport import BatchConsumer
from tidemark.logs import configure_logging

BATCHES = 30

handed_out = count()
getmany = BatchConsumer.getmany


async def getmany_for_a_while(consumer: BatchConsumer, timeout: float) -> AsyncIterator[tuple[TP, Message]]:  # noqa: ASYNC109
    async for tp, batch in getmany(consumer, timeout):
        if next(handed_out) < BATCHES:
            yield tp, batch


if __name__ == "__main__":
    configure_logging(json=True)
    BatchConsumer.getmany = getmany_for_a_while  # type: ignore[method-assign,assignment]
    cli.run()

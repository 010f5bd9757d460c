"""A Faust transport that hands an agent all records fetched from a partition as one event.

Faust's cost is per event, not per record: with one event a batch its assignment, acks and commits come at a fiftieth of
the cost. Methods of Faust's consumer are replaced: three that assume one offset an event, where to read on after a
rebalance, what to forget at a revocation, and how it stops; and two of aiokafka's: one copies each record, one asks too
often. The tests hold them against the pinned versions.
"""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, ClassVar, cast

from aiokafka.consumer import consumer as aiokafka_consumer  # type: ignore[import-untyped]
from aiokafka.consumer import fetcher
from faust.auth import Credentials, SASLCredentials, SSLCredentials
from faust.exceptions import ConsumerNotStarted
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, Message

from tidemark.kafka import ssl_context
from tidemark.logs import get_logger
from tidemark.settings import Settings

log = get_logger("streams.transport")

#: So long may the last commit take: aiokafka tries for ever while the broker is away.
LAST_COMMIT_SECONDS = 2.0

#: The least time between two requests to a broker for records.
FETCH_SECONDS = 0.02

#: Where each partition's state stands: the offset of the next record it needs.
Positions = Callable[[set[TP]], Awaitable[dict[TP, int]]]
#: Called before partitions go; they go when it returns.
Revoked = Callable[[set[TP]], Awaitable[None]]


class RawRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    """Records as aiokafka's parser makes them: offset, timestamp, key, value and headers are all that is needed."""

    def __iter__(self) -> Iterator[Any]:
        """Return the generator itself; a step through this object for each record costs as much as it does."""
        return cast(Iterator[Any], self._records_iterator)

    def _consumer_record(self, tp: TP, record: Any) -> Any:
        """Return the record itself; a second object for each costs more than its parsing."""
        return record


class PacedFetcher(fetcher.Fetcher):  # type: ignore[misc]
    """Asks a broker for more at most every ``FETCH_SECONDS``.

    aiokafka asks again as soon as it has an answer. With a thousand events a second that is a request for each of them,
    and the broker and this process are busy with requests, not with events. What comes after a rest waits for none.
    """

    async def _proc_fetch_request(self, assignment: Any, node_id: int, request: Any) -> Any:
        """Ask; the broker counts as busy until it may be asked again. Who waits for records has them before."""
        began = time.monotonic()
        needs_wakeup = await super()._proc_fetch_request(assignment, node_id, request)
        if needs_wakeup:
            for waiter in self._fetch_waiters:
                self._notify(waiter)
        await asyncio.sleep(began + FETCH_SECONDS - time.monotonic())
        return needs_wakeup


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread aiokafka runs in; its end is told to Faust even while the broker is away."""

    async def on_thread_stop(self) -> None:
        """Leave the group and stop aiokafka."""
        # aiokafka cancels the fetches that wait to be tried again and then trips over its own cancellation, when it has
        # left the group already. Let through, it would end the thread without a word, and Faust would wait 60 s for it.
        with suppress(asyncio.CancelledError):
            await super().on_thread_stop()


class BatchConsumer(driver.Consumer):
    """Yields a message a partition: its value is the list of aiokafka's records, its offset the last one's."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._handed_out = self.new_bookkeeping()
        super().__init__(*args, **kwargs)

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @staticmethod
    def new_bookkeeping() -> defaultdict[TP, deque[int]]:
        """Return room for the last offsets of the batches handed out, in order, by partition."""
        return defaultdict(deque)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:  # noqa: ASYNC109
        """Fetch what there is, at most ``timeout`` seconds long; stop when partitions move meanwhile."""
        records, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if records is None or self.should_stop:
            return
        if not self.flow_active:
            return  # a rebalance: what was fetched is read again from where the states stand then
        for tp, batch in records.items():
            if not self.flow_active or self.app.consumer_generation_id != generation:
                break
            if batch and (tp in (active or ()) or tp in self._buffered_partitions):
                self._handed_out[tp].append(batch[-1].offset)
                yield tp, self._to_batch(tp, batch)

    async def perform_seek(self) -> None:
        """Go where the state of each assigned partition stands; the committed offsets are for others to look at."""
        positions = cast(BatchTransport, self.transport).positions
        for tp, offset in (await positions(self.assignment())).items():
            await self.reread(tp, offset)

    async def reread(self, tp: TP, offset: int) -> None:
        """Go on reading a partition at ``offset``; batches that were handed out before will not be committed."""
        self._forget(tp)
        self._committed_offset[tp] = None
        await self.seek(tp, offset)
        self._read_offset[tp] = None

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Have the states of partitions that go written down, forget what was handed out of them; then as in Faust."""
        await cast(BatchTransport, self.transport).revoked(revoked)
        for tp in revoked:
            self._forget(tp)
        await super().on_partitions_revoked(revoked)

    def assignment(self) -> set[TP]:
        """Return the partitions assigned now: none before aiokafka has started."""
        try:
            return super().assignment()
        except ConsumerNotStarted:
            return set()

    def close(self) -> None:
        """Leave aiokafka's end to its thread.

        Faust calls this when partitions move while it stops, and would close the connections from the wrong thread
        under a rebalance that then never ends.
        """

    async def on_stop(self) -> None:
        """Commit a last time, if the broker lets it in time; batches that are not committed are read again."""
        commit = asyncio.ensure_future(super().on_stop())
        # Not a timeout, which would cancel: Faust takes that for another's commit that failed, and begins its own.
        done, _ = await asyncio.wait([commit], timeout=LAST_COMMIT_SECONDS)
        if commit in done:
            await commit
        else:
            log.warning("stopping without a last commit: the broker does not answer", seconds=LAST_COMMIT_SECONDS)

    @property
    def thread_loop(self) -> asyncio.AbstractEventLoop:
        """The event loop of aiokafka's thread."""
        return self._thread.thread_loop

    def _forget(self, tp: TP) -> None:
        self._handed_out.pop(tp, None)
        self._acked.pop(tp, None)
        self._acked_index.pop(tp, None)

    def _to_batch(self, tp: TP, batch: list[Any]) -> ConsumerMessage:
        last = batch[-1]
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000,
            last.timestamp_type,
            None,
            None,
            batch,  # type: ignore[arg-type]  # Faust hands a raw value through as it is
            None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Batches always leave gaps between their last offsets: nothing to note."""

    def _new_offset(self, tp: TP) -> int | None:
        """Return what can be committed: the offset after the longest run of batches that are acked, in order."""
        acked = self._acked_index[tp]
        handed_out = self._handed_out[tp]
        last = None
        while handed_out and handed_out[0] in acked:
            last = handed_out.popleft()
            acked.discard(last)
            self._acked[tp].remove(last)
        return None if last is None else last + 1


class BatchTransport(driver.Transport):
    """Faust's aiokafka transport with the batch consumer. ``positions`` says where to read on after an assignment."""

    Consumer: ClassVar[type[BatchConsumer]] = BatchConsumer

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The worker's consumer is the only one of aiokafka's in its process.
        fetcher.PartitionRecords = RawRecords
        aiokafka_consumer.Fetcher = PacedFetcher

    positions: Positions
    revoked: Revoked


def credentials(settings: Settings) -> Credentials | None:
    """Return how Faust's clients are let in by the broker; None where it is open to everyone."""
    context = ssl_context(settings)
    if settings.kafka_security_protocol.startswith("SASL"):
        return SASLCredentials(
            username=settings.kafka_username,
            password=settings.kafka_password.get_secret_value(),
            mechanism=settings.kafka_sasl_mechanism,
            ssl_context=context,
        )
    return SSLCredentials(context) if context is not None else None

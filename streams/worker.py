"""One streams worker: its stages, its outbox and ticks; what to do with a batch, and what is due in between."""

import asyncio
import time
from typing import Any

from streams.merging import MergeStage
from streams.outbox import Outbox
from streams.source import SourceStage
from streams.ticker import Ticker
from tidemark.logs import get_logger
from tidemark.settings import Settings
from tidemark.topics import EVENTS

#: Early results take at most this share of a worker's time: the interval between them widens under load.
EARLY_SHARE = 0.15
#: A partition that is further behind (records) sends no early results: they would be of the past.
EARLY_LAG = 5_000

log = get_logger("streams.worker")

Stage = SourceStage | MergeStage


class LogGap(Exception):
    """Records are missing between the state and the batch. To go on would lose them; a restart reads them again."""


class StreamsWorker:
    """The state of the partitions this process owns. Everything runs on one event loop."""

    def __init__(self, settings: Settings, outbox: Outbox, ticker: Ticker) -> None:
        self.source = SourceStage(settings, outbox)
        self.merging = MergeStage(settings, outbox)
        self._stages: dict[str, Stage] = {
            settings.topic(stage.topic.name): stage for stage in (self.source, self.merging)
        }
        self._events_topic = settings.topic(EVENTS.name)
        self._outbox = outbox
        self._ticker = ticker
        self._interval = settings.early_interval_ms / 1000
        self._unsettled: list[Any] = []
        self._opening = asyncio.Lock()

    @property
    def topics(self) -> list[str]:
        """The names of the topics that are read."""
        return list(self._stages)

    def release(self, assigned: set[Any]) -> None:
        """Forget the state of partitions that are not assigned any more."""
        for topic, stage in self._stages.items():
            owned = {tp.partition for tp in assigned if tp.topic == topic}
            for partition in [partition for partition in stage.partitions if partition not in owned]:
                stage.release(partition)

    async def positions(self, consumer: Any, assigned: set[Any]) -> dict[Any, int]:
        """Return where to read each assigned partition on: where its state stands.

        A partition that is new here has no state yet: it is read from the start of its log, which gives the same state.
        """
        async with self._opening:
            self.release(assigned)
            new = [tp for tp in assigned if tp.partition not in self._stages[tp.topic].partitions]
            starts = await consumer.earliest_offsets(*new) if new else {}
            for tp in new:
                self._stages[tp.topic].open(tp.partition).offset = starts[tp]
            log.info("partitions assigned", all=len(assigned), new=len(new))
            return {tp: self._stages[tp.topic].partitions[tp.partition].offset for tp in assigned}

    def process(self, consumer: Any, event: Any) -> None:
        """Take a batch: the records of one partition that came in one fetch."""
        tp = event.message.tp
        stage = self._stages[tp.topic]
        state = stage.partitions.get(tp.partition)
        if state is None:
            return  # the partition moved on while the batch was waiting
        records = event.value
        if records[0].offset < state.offset:
            records = [record for record in records if record.offset >= state.offset]
        if records:
            if records[0].offset > state.offset:
                raise LogGap(f"{tp.topic}[{tp.partition}]: expected offset {state.offset}, got {records[0].offset}")
            stage.process(tp.partition, records)
            if tp.topic == self._events_topic:
                at_end = state.offset >= (consumer.highwater(tp) or 0)
                self._ticker.observe(tp.partition, records, at_end=at_end)
        self._unsettled.append(event)

    async def run(self, consumer: Any) -> None:
        """For ever: early results, ticks, and what waits for acknowledged results: markers, then the batches' acks."""
        while True:
            started = time.monotonic()
            for topic, stage in self._stages.items():
                stage.send_early([p for p, lag in self._lags(consumer, topic, stage).items() if lag < EARLY_LAG])
            cost = time.monotonic() - started
            await self.settle()
            lags = self._lags(consumer, self._events_topic, self.source)
            self._ticker.tick({p: self.source.partitions[p].watermark for p, lag in lags.items() if lag == 0})
            await asyncio.sleep(max(self._interval, cost / EARLY_SHARE))

    async def settle(self) -> None:
        """Wait until all results so far are acknowledged, then tell the merge, then ack the batches they came from."""
        progress = self.source.take_progress()
        batches, self._unsettled = self._unsettled, []
        await self._outbox.settled()
        self.source.send_markers(progress)
        for batch in batches:
            batch.ack()

    def _lags(self, consumer: Any, topic: str, stage: Stage) -> dict[int, int]:
        """Return the lag in records of each partition whose end is known."""
        lags = {}
        for tp in consumer.assignment():
            state = stage.partitions.get(tp.partition) if tp.topic == topic else None
            end = consumer.highwater(tp) if state is not None else None
            if state is not None and end is not None:
                lags[tp.partition] = max(0, end - state.offset)
        return lags

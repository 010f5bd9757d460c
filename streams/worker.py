"""One streams worker: its stages, their checkpoints, ticks; what to do with a batch, and what is due in between."""

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from faust.types import TP

from monitoring import metrics
from streams.checkpoints import Checkpoints
from streams.log_reader import LogReader
from streams.merging import MergeStage
from streams.news import News
from streams.outbox import Outbox, Sent
from streams.pace import Pace
from streams.saving import Saving, Stage
from streams.source import SourceStage
from streams.ticker import Ticker
from streams.windows.partition import NO_WATERMARK, PartitionWindows
from tidemark.logs import get_logger
from tidemark.settings import Settings

if TYPE_CHECKING:
    from monitoring.spans import Traces

#: A stage's early results take at most this share of a worker's time: the interval between them widens under load. What
#: they cost is CPU time: where others want the cores too, time on the clock would make them rest several times as long.
EARLY_SHARE = 0.1
#: A partition that is further behind (records) sends no early results: finals wait for what they would hold up.
EARLY_LAG = 1_000
#: So many sites of a partition have their turn before the next partition's.
EARLY_SITES = 16
#: So long (s of CPU time) may early results be made without a rest: a final that is due waits for it.
EARLY_SLICE = 0.005
#: All partitions have a turn so often (s), also without news: what was left over then.
EARLY_ALL = 0.1
#: How often markers and ticks are looked after.
SETTLE_SECONDS = 0.01
#: How often it is told how far behind the states are, and what they hold.
REPORT_SECONDS = 1.0

log = get_logger("streams.worker")


class StreamsWorker:
    """The state of the partitions this process owns. Everything runs on one event loop."""

    def __init__(
        self,
        settings: Settings,
        outbox: Outbox,
        ticker: Ticker,
        checkpoints: Checkpoints,
        reader: LogReader,
        traces: "Traces | None",
    ) -> None:
        self.source = SourceStage(settings, outbox, traces)
        self.merging = MergeStage(settings, outbox, traces)
        self._stages: dict[str, Stage] = {
            settings.topic(stage.topic.name): stage for stage in (self.source, self.merging)
        }
        self._news = {topic: News() for topic in self._stages}
        self._events_topic = settings.topic(self.source.topic.name)
        self.saving = Saving(settings, self._stages, self.source, outbox, checkpoints, reader)
        self._ticker = ticker
        self._early_interval = settings.early_interval_ms / 1000
        # The last gap of each partition between its state and a batch: (offset expected, offset got).
        self._gaps: dict[Any, tuple[int, int]] = {}

    def release(self, assigned: set[Any]) -> None:
        """Forget the state of partitions that are not assigned any more."""
        for topic, stage in self._stages.items():
            owned = {tp.partition for tp in assigned if tp.topic == topic}
            for partition in [partition for partition in stage.partitions if partition not in owned]:
                stage.release(partition)

    async def positions(self, assigned: set[Any]) -> dict[Any, int]:
        """Return where to read each assigned partition on: where its state, kept or restored, stands."""
        self.release(assigned)
        offsets = await self.saving.place(assigned)
        for gauge in (metrics.POSITION, metrics.LAG, metrics.WATERMARK_DELAY):
            gauge.clear()
        for tp, offset in offsets.items():
            metrics.POSITION.labels(tp.topic, tp.partition).set(offset)
        return offsets

    async def process(self, consumer: Any, event: Any) -> None:
        """Take a batch: the records of one partition that came in one fetch."""
        tp = event.message.tp
        stage = self._stages[tp.topic]
        state = stage.partitions.get(tp.partition)
        if state is None:
            return  # the partition moved on while the batch was waiting
        records = event.value
        if records[0].offset < state.offset:
            records = [record for record in records if record.offset >= state.offset]
        if records and self._is_gap(tp, state.offset, records[0].offset):
            self.saving.forget(tp)
            await consumer.reread(tp, state.offset)
            return
        if records:
            stage.process(tp.partition, records)
            self._news[tp.topic].add(tp.partition)
            metrics.POSITION.labels(tp.topic, tp.partition).set(state.offset)
            if tp.topic == self._events_topic:
                self._ticker.observe(records[-1].timestamp)
        self.saving.hand_in(event)

    def _is_gap(self, tp: Any, expected: int, got: int) -> bool:
        """Say whether to read again what is missing before a batch.

        A gap that is still there when it was read again is none of ours: a transaction's marker, or deleted records.
        """
        if got <= expected or self._gaps.get(tp) == (expected, got):
            return False
        metrics.ERRORS.labels(self._stages[tp.topic].name, "missing_records").inc()
        log.warning("records are missing before a batch: reading them again", partition=str(tp), from_offset=expected)
        self._gaps[tp] = (expected, got)
        return True

    async def send_early(self, consumer: Any) -> None:
        """For ever: early results, each stage's at its own pace."""
        await asyncio.gather(*(self._send_early(consumer, topic, stage) for topic, stage in self._stages.items()))

    async def _send_early(self, consumer: Any, topic: str, stage: Stage) -> None:
        """Make those of all partitions with news and send them together: the broker gets few and large requests.

        What takes long is done in slices, each followed by its rest: nothing else waits for all of it.
        """
        pace, all_at = Pace(EARLY_SHARE), 0.0
        while True:
            partitions = await self._news[topic].wait(all_at - time.perf_counter())
            began, started = time.perf_counter(), time.thread_time()
            if began >= all_at:
                all_at = began + EARLY_ALL
                partitions = set(stage.partitions)
            records: list[Sent] = []
            for partition in sorted(partitions):
                lag = _lag(consumer, TP(topic, partition), stage)
                if lag is not None and lag < EARLY_LAG:
                    records += stage.early(partition, EARLY_SITES)
                    if time.thread_time() - started > EARLY_SLICE:
                        stage.send_early(records)
                        await asyncio.sleep(pace.took(time.thread_time() - started))
                        records, started = [], time.thread_time()
            stage.send_early(records)
            rest = pace.took(time.thread_time() - started)
            await asyncio.sleep(max(rest, self._early_interval - (time.perf_counter() - began)))

    async def look_after(self, consumer: Any) -> None:
        """For ever: markers and ticks."""
        while True:
            await self.saving.settle()
            lags = self._lags(consumer, self._events_topic, self.source)
            self._ticker.tick({p: self.source.partitions[p].watermark for p, lag in lags.items() if lag == 0})
            await asyncio.sleep(SETTLE_SECONDS)

    async def report(self, consumer: Any) -> None:
        """For ever: how far behind the states are, and what they hold, for Prometheus."""
        while True:
            for topic, stage in self._stages.items():
                for partition, lag in self._lags(consumer, topic, stage).items():
                    metrics.LAG.labels(stage.name, topic, partition).set(lag)
            _report_states(self.source.partitions)
            await asyncio.sleep(REPORT_SECONDS)

    def _lags(self, consumer: Any, topic: str, stage: Stage) -> dict[int, int]:
        """Return the lag in records of each partition whose end is known."""
        lags = {}
        for tp in consumer.assignment():
            lag = _lag(consumer, tp, stage) if tp.topic == topic else None
            if lag is not None:
                lags[tp.partition] = lag
        return lags


def _lag(consumer: Any, tp: Any, stage: Stage) -> int | None:
    """Return a partition's lag in records, None if it has no state here or its end is not known."""
    state = stage.partitions.get(tp.partition)
    try:
        end: int | None = consumer.highwater(tp)
    except AssertionError:  # aiokafka's thread has lost the partition
        return None
    return None if state is None or end is None else max(0, end - state.offset)


def _report_states(states: Mapping[int, PartitionWindows]) -> None:
    now_ms = time.time_ns() // 1_000_000
    for partition, state in states.items():
        if state.watermark != NO_WATERMARK:
            metrics.WATERMARK_DELAY.labels(partition).set((now_ms - state.watermark) / 1000)
    metrics.OPEN.labels("pane").set(sum(state.open_panes for state in states.values()))
    metrics.OPEN.labels("visit").set(sum(state.open_visits for state in states.values()))
    metrics.OPEN.labels("event_id").set(sum(state.ids for state in states.values()))

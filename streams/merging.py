"""Stage two: partials and markers → the results of whole sites on processed-metrics."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from monitoring import metrics
from streams.freshness import Newest
from streams.outbox import Outbox, Sent
from streams.tracing import Carrier
from streams.windows import partials
from streams.windows.checkpoint import Changes
from streams.windows.merge import MergeWindows
from streams.windows.records import Record
from tidemark import results
from tidemark.events import UNDECODABLE
from tidemark.results import DeadLetter, MetricUpdate
from tidemark.settings import Settings
from tidemark.topics import DEAD_LETTERS, METRICS, NEWEST_EVENT_HEADER, PARTIALS

if TYPE_CHECKING:
    from monitoring.spans import Traces


class MergeStage:
    """The ``metric-partials`` partitions this worker owns."""

    name = "merge"
    topic = PARTIALS

    def __init__(self, settings: Settings, outbox: Outbox, traces: "Traces | None" = None) -> None:
        self._outbox = outbox
        self._sources = settings.event_partitions
        #: Where its checkpoints begin in ``stream-checkpoints``: after the source partitions'.
        self.first_checkpoint = self._sources
        self.partitions: dict[int, MergeWindows] = {}
        self._lateness_ms = settings.lateness_ms
        self._latency = metrics.LATENCY.labels(self.name)
        self._newest = Newest()
        self._carrier = Carrier(traces, *map(settings.topic, (PARTIALS.name, METRICS.name))) if traces else None

    def open(self, partition: int, entries: Mapping[bytes, bytes], start: int) -> MergeWindows:
        """Begin a partition where its checkpoint stands; without one with empty state, at the start of its log.

        A log that does not start at 0 has lost its head to retention. Raises StateError.
        """
        if entries:
            windows = MergeWindows.restored(entries, self._sources)
        else:
            windows = MergeWindows(self._sources, whole=start == 0)
            windows.offset = start
        self.partitions[partition] = windows
        return windows

    def skip(self, partition: int, entries: Mapping[bytes, bytes], start: int) -> Changes:
        """Go on at the log's start with empty state: sums that lack what was deleted would be wrong finals.

        Returns what that changes in the checkpoint.
        """
        windows = self.open(partition, {}, start)
        return [*((key, None) for key in entries), *windows.changes()]

    def release(self, partition: int) -> None:
        """Forget a partition that is another worker's now."""
        self.partitions.pop(partition, None)
        self._newest.forget(partition)
        if self._carrier is not None:
            self._carrier.forget(partition)

    def process(self, partition: int, records: Sequence[Record]) -> None:
        """Take the next records of a partition and send what is final."""
        windows = self.partitions[partition]
        since_ns = time.time_ns()
        for record in records:
            windows.offset = record.offset + 1
            if record.headers:
                self._take_newest(partition, record)
            try:
                message = partials.decode(record.value or b"")
            except msgspec.DecodeError as error:
                self._refuse(partition, record, str(error))
                continue
            if message.partition >= self._sources:
                self._refuse(partition, record, f"partition: expected one of {self._sources}, got {message.partition}")
                continue
            if isinstance(message, partials.Marker):
                windows.progress(message.partition, message.progress)
            else:
                windows.add(message)
                if record.headers and self._carrier is not None:
                    self._carrier.taken(partition, record, message.site, message.newest_pane(), since_ns)
        for final in self._records(partition, self._timed(windows.finals()), "final"):
            self._outbox.send(*final)

    def early(self, partition: int, sites: int) -> Iterator[Sent]:
        """Yield early results of at most so many sites with news, in turn; they are to be sent."""
        for record in self._records(partition, self.partitions[partition].early(sites), "early"):
            yield record
            self._newest.told(partition)

    def send_early(self, records: Iterable[Sent]) -> None:
        """Send early results; markers and checkpoints do not wait for their delivery."""
        headers = self._newest.headers()
        for record in records:
            self._outbox.offer(*record, headers=headers)
            headers = None

    def _take_newest(self, partition: int, record: Record) -> None:
        for name, value in record.headers:
            if name == NEWEST_EVENT_HEADER and value.isdigit():
                self._newest.came(partition, int(value))

    def _timed(self, finals: Iterable[MetricUpdate]) -> Iterator[MetricUpdate]:
        """Pass finals on, and measure for each window's end how long after it was due they are made."""
        measured = None
        for final in finals:
            if final.window_end != measured:
                measured = final.window_end
                self._latency.observe(max(0.0, time.time() - (measured + self._lateness_ms) / 1000))
            yield final

    def _refuse(self, partition: int, record: Record, text: str) -> None:
        """Put aside a record that no worker of ours wrote."""
        letter = DeadLetter(
            reason=UNDECODABLE,
            text=text,
            topic=PARTIALS.name,
            partition=partition,
            offset=record.offset,
            record=record.value or b"",
        )
        self._outbox.send(DEAD_LETTERS.name, record.key, results.encode(letter))
        metrics.EVENTS.labels(self.name, letter.reason.lower()).inc()
        metrics.DEAD_LETTERS.labels(self.name, letter.reason.lower()).inc()

    def _records(self, partition: int, updates: Iterable[MetricUpdate], outcome: str) -> Iterator[Sent]:
        now = time.time_ns() // 1_000_000
        count = 0
        for update in updates:
            update.emitted_at = now
            sending = None
            if self._carrier is not None:
                sending = self._carrier.first_result(partition, update.site_id, update.window_end)
            yield METRICS.name, update.key(), results.encode(update), update.partition(METRICS.partitions), sending
            count += 1
        metrics.EVENTS.labels(self.name, outcome).inc(count)

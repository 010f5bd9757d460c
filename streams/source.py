"""Stage one: batches of events → windows of their partition → partials, visits, alerts and dead letters."""

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from monitoring import metrics
from streams.freshness import Newest, Waiting
from streams.outbox import Outbox, Sent
from streams.tracing import Carrier
from streams.windows import partials
from streams.windows.checkpoint import Changes, StateError
from streams.windows.output import Output
from streams.windows.partition import NO_WATERMARK, PartitionWindows
from streams.windows.records import Record, is_grown
from tidemark import results
from tidemark.results import DeadLetter
from tidemark.settings import Settings
from tidemark.topics import ALERTS, DEAD_LETTERS, EVENTS, PARTIALS, SESSIONS

if TYPE_CHECKING:
    from monitoring.spans import Traces


class SourceStage:
    """The source partitions this worker owns, and what it owes the merge."""

    name = metrics.STREAMS
    topic = EVENTS
    #: Where its checkpoints begin in ``stream-checkpoints``.
    first_checkpoint = 0

    def __init__(self, settings: Settings, outbox: Outbox, traces: "Traces | None" = None) -> None:
        self._settings = settings
        self._outbox = outbox
        self.partitions: dict[int, PartitionWindows] = {}
        # Progress whose partials are sent but perhaps not acknowledged yet.
        self._progress: dict[int, list[tuple[int, int]]] = {}
        self._waiting = Waiting(metrics.LATENCY.labels(self.name))
        self._newest = Newest()
        self._carrier = Carrier(traces, *map(settings.topic, (EVENTS.name, PARTIALS.name))) if traces else None

    def open(self, partition: int, entries: Mapping[bytes, bytes], start: int) -> PartitionWindows:
        """Begin a partition where its checkpoint stands; without one with empty state, at the start of its log.

        Raises StateError.
        """
        lateness_ms, funnel, count = self._settings.lateness_ms, self._settings.funnel, self._settings.event_partitions
        if entries:
            windows = PartitionWindows.restored(
                entries, partition, lateness_ms=lateness_ms, funnel=funnel, partitions=count
            )
        else:
            windows = PartitionWindows(partition, lateness_ms=lateness_ms, funnel=funnel, partitions=count)
            windows.offset = start
        self.partitions[partition] = windows
        return windows

    def skip(self, partition: int, entries: Mapping[bytes, bytes], start: int) -> Changes:
        """Go on at the log's start: what was deleted is missing from the results, the state is good for the rest.

        Returns what that changes in the checkpoint.
        """
        windows = self.partitions[partition]
        windows.offset = start
        return windows.changes()

    def release(self, partition: int) -> None:
        """Forget a partition that is another worker's now."""
        self.partitions.pop(partition, None)
        self._progress.pop(partition, None)
        self._waiting.forget(partition)
        self._newest.forget(partition)
        if self._carrier is not None:
            self._carrier.forget(partition)

    def process(self, partition: int, records: Sequence[Record]) -> None:
        """Take the next records of a partition and send what is final.

        Raises StateError for a log that goes on from another one, and whose checkpoint is not there.
        """
        windows = self.partitions[partition]
        if windows.watermark == NO_WATERMARK and is_grown(records[0]):
            raise StateError(
                f"{self._settings.topic(EVENTS.name)}-{partition} goes on from another topic, and its checkpoint is "
                "missing: `tidemark grow` has not finished; run it again"
            )
        since_ns = time.time_ns()
        out = windows.feed(records)
        if self._carrier is not None:
            self._carrier.judged(partition, records, out.dead, since_ns)
        self._send(out)
        if out.partials:
            self._waiting.told(partition)
        if out.accepted:
            self._waiting.came(partition, records[0].timestamp)
            self._newest.came(partition, records[-1].timestamp)
        if out.dead:
            self._send_dead(out.dead, records)
        if out.progress:
            self._progress.setdefault(partition, []).extend(out.progress)
        self._count(out)

    def early(self, partition: int, sites: int) -> Iterator[Sent]:
        """Yield early partials of at most so many sites with news, in turn; they are to be sent."""
        for partial in self.partitions[partition].early(time.monotonic_ns() // 1_000_000, sites):
            yield from self._records(partial)
            self._waiting.told(partition)
            self._newest.told(partition)

    def send_early(self, records: Iterable[Sent]) -> None:
        """Send early partials. The counts in them are not told again, so they must not be lost."""
        headers = self._newest.headers()
        for record in records:
            self._outbox.send(*record, headers=headers)
            headers = None

    def take_progress(self) -> dict[int, list[tuple[int, int]]]:
        """Take the progress that is to be told once everything sent so far is acknowledged."""
        progress, self._progress = self._progress, {}
        return progress

    def send_markers(self, progress: dict[int, list[tuple[int, int]]]) -> None:
        """Tell every merge partition how far the source partitions are."""
        for partition, pairs in progress.items():
            marker = partials.encode(partials.Marker(partition, pairs))
            for target in range(PARTIALS.partitions):
                self._outbox.send(PARTIALS.name, None, marker, target)

    def _send(self, out: Output) -> None:
        for partial in out.partials:
            for record in self._records(partial):
                self._outbox.send(*record)
        for summary in out.sessions:
            self._outbox.send(SESSIONS.name, summary.key(), results.encode(summary))
        for alert in out.alerts:
            self._outbox.send(ALERTS.name, alert.key(), results.encode(alert))

    def _send_dead(self, letters: list[DeadLetter], records: Sequence[Record]) -> None:
        for letter in letters:
            record = records[bisect_left(records, letter.offset, key=_offset)]
            self._outbox.send(DEAD_LETTERS.name, record.key, results.encode(letter))

    def _records(self, partial: partials.SitePartial) -> Iterator[Sent]:
        sending = None
        if self._carrier is not None and partial.panes:
            sending = self._carrier.first_result(partial.partition, partial.site, partial.newest_pane())
        for chunk in partial.chunks():
            yield PARTIALS.name, partial.site.encode(), partials.encode(chunk), -1, sending if chunk.panes else None

    def _count(self, out: Output) -> None:
        metrics.EVENTS.labels(self.name, "accepted").inc(out.accepted)
        metrics.EVENTS.labels(self.name, "duplicate").inc(out.duplicates)
        for reason, count in Counter(letter.reason.lower() for letter in out.dead).items():
            metrics.EVENTS.labels(self.name, reason).inc(count)
            metrics.DEAD_LETTERS.labels(self.name, reason).inc(count)
        for kind, count in Counter(alert.alert_type for alert in out.alerts).items():
            metrics.ALERTS.labels(kind).inc(count)


def _offset(record: Record) -> int:
    return record.offset

"""Stage two: partials and markers → the results of whole sites on processed-metrics."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from monitoring import metrics
from streams.outbox import Outbox, Sent
from streams.windows import partials
from streams.windows.checkpoint import Changes
from streams.windows.merge import MergeWindows
from streams.windows.records import Record
from tidemark import results
from tidemark.events import UNDECODABLE
from tidemark.results import DeadLetter, MetricUpdate
from tidemark.settings import Settings
from tidemark.topics import DEAD_LETTERS, EVENTS, METRICS, PARTIALS

STAGE = "merge"


class MergeStage:
    """The ``metric-partials`` partitions this worker owns."""

    topic = PARTIALS
    #: Where its checkpoints begin in ``stream-checkpoints``: after the source partitions'.
    first_checkpoint = EVENTS.partitions

    def __init__(self, settings: Settings, outbox: Outbox) -> None:
        self._outbox = outbox
        self.partitions: dict[int, MergeWindows] = {}

    def open(self, partition: int, entries: Mapping[bytes, bytes], start: int) -> MergeWindows:
        """Begin a partition where its checkpoint stands; without one with empty state, at the start of its log.

        A log that does not start at 0 has lost its head to retention. Raises StateError.
        """
        if entries:
            windows = MergeWindows.restored(entries, EVENTS.partitions)
        else:
            windows = MergeWindows(EVENTS.partitions, whole=start == 0)
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

    def process(self, partition: int, records: Sequence[Record]) -> None:
        """Take the next records of a partition and send what is final."""
        windows = self.partitions[partition]
        for record in records:
            windows.offset = record.offset + 1
            try:
                message = partials.decode(record.value or b"")
            except msgspec.DecodeError as error:
                self._refuse(partition, record, str(error))
                continue
            if isinstance(message, partials.Marker):
                windows.progress(message.partition, message.progress)
            else:
                windows.add(message)
        for final in self._records(windows.finals(), "final"):
            self._outbox.send(*final)

    def early(self, partition: int, sites: int) -> Iterator[Sent]:
        """Yield early results of at most so many sites with news, in turn; they are to be sent."""
        return self._records(self.partitions[partition].early(sites), "early")

    def send_early(self, records: Iterable[Sent]) -> None:
        """Send early results; markers and checkpoints do not wait for their delivery."""
        for record in records:
            self._outbox.offer(*record)

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
        metrics.EVENTS.labels(STAGE, letter.reason.lower()).inc()

    def _records(self, updates: Iterable[MetricUpdate], outcome: str) -> Iterator[Sent]:
        now = time.time_ns() // 1_000_000
        count = 0
        for update in updates:
            update.emitted_at = now
            yield METRICS.name, update.key(), results.encode(update), update.partition(METRICS.partitions)
            count += 1
        metrics.EVENTS.labels(STAGE, outcome).inc(count)

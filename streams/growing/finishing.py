"""Does what the last workers have left: what is unread is judged, and all partitions come to the end of one window.

Its results go to the topics that the workers' would have gone to, and are the same.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING

from confluent_kafka import Message, Producer, murmur2

from streams.growing import CannotGrow
from streams.growing.standing import Entries, SourceState, Standing, refuse_news
from streams.log_reader import LogReader, LogRecord, Place, record_of
from streams.merging import MergeStage
from streams.outbox import Headers, Outbox
from streams.saving import Stage
from streams.source import SourceStage
from streams.windows import PANE_MS
from streams.windows.checkpoint import Changes
from streams.windows.exact import floor_to
from streams.windows.partition import NO_WATERMARK
from tidemark.kafka import producer_config
from tidemark.settings import Settings
from tidemark.topics import PARTIALS, TICK_HEADER

if TYPE_CHECKING:
    from monitoring.spans import Sending

#: Records that are judged together.
TOGETHER = 2_000
#: So long may the broker take for the results.
RESULTS_SECONDS = 60.0


class LastOutbox(Outbox):
    """Sends results; what goes to the merges stays here, by their partitions."""

    def __init__(self, producer: Producer, topic_name: Callable[[str], str]) -> None:
        super().__init__(producer, topic_name)
        self.partials: list[list[LogRecord]] = [[] for _ in range(PARTIALS.partitions)]

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes,
        partition: int = -1,
        sending: "Sending | None" = None,
        headers: Headers | None = None,
    ) -> None:
        """Send a result, or keep a partial or a marker."""
        if topic != PARTIALS.name:
            super().send(topic, key, value, partition, sending, headers)
            return
        target = partition if key is None else murmur2(key, PARTIALS.partitions)
        self.partials[target].append(LogRecord(len(self.partials[target]), 0, key, value, ()))


class Finishing:
    """All states of an installation without workers; ``found`` are their checkpoints by number, as far as there are."""

    def __init__(self, settings: Settings, reader: LogReader, found: Mapping[int, Entries]) -> None:
        self._settings = settings
        self._reader = reader
        self._found = found
        self._outbox = LastOutbox(Producer(producer_config(settings, linger_ms=5)), settings.topic)
        self._source = SourceStage(settings, self._outbox)
        self._merging = MergeStage(settings, self._outbox)

    def finish(self) -> Standing:
        """Return where everything stands when all windows are closed everywhere that are closed somewhere.

        Raises CannotGrow, StateError, KafkaException, and TimeoutError when results are not acknowledged.
        """
        ends = [self._judge(self._source, number) for number in range(self._settings.event_partitions)]
        # Ticks that close a window for an event that came to one partition, and not yet for those of the others, would
        # make a false final of it. What has gone out so far is what a worker would have sent.
        time.sleep(self._settings.lateness_ms / 1_000)
        refuse_news(self._settings, self._reader, ends)
        boundary = self._level()
        self._source.send_markers(self._source.take_progress())
        for number, partials in enumerate(self._outbox.partials):
            self._judge(self._merging, number)
            if partials:
                self._merging.process(number, partials)
            if self._merging.partitions[number].boundary != boundary:
                raise CannotGrow(f"{PARTIALS.name}-{number} does not know of all partitions: let the workers run first")
        if not self._outbox.close(RESULTS_SECONDS):
            raise TimeoutError("the last results are not acknowledged")
        sources = [
            SourceState(end, self._source.partitions[number].watermark, self._entries(self._source, number))
            for number, end in enumerate(ends)
        ]
        merges = [self._entries(self._merging, number) for number in range(PARTIALS.partitions)]
        return Standing(boundary, sources, merges)

    def _judge(self, stage: Stage, number: int) -> int:
        """Begin a state where its checkpoint stands, and have it take what is unread; return where its log ends."""
        place = (self._settings.topic(stage.topic.name), number)
        start, end = self._reader.bounds([place])[place]
        state = stage.open(number, self._found.get(stage.first_checkpoint + number, {}), start)
        if not start <= state.offset <= end:
            raise CannotGrow(f"the state of {place[0]}-{number} stands at {state.offset}, its log is {start} to {end}")
        for records in chunks(self._reader, place, state.offset, end):
            stage.process(number, records)
        return end

    def _level(self) -> int:
        """Close in all partitions what has closed in one: the ticks that the workers would have sent by now."""
        states = self._source.partitions
        newest = max(state.watermark for state in states.values())
        if newest == NO_WATERMARK:
            raise CannotGrow("there was no event yet: nothing is to be carried over")
        boundary = floor_to(newest, PANE_MS)
        for number, state in states.items():
            if state.watermark < boundary:
                now = boundary + self._settings.lateness_ms
                self._source.process(number, [LogRecord(state.offset, now, None, None, [(TICK_HEADER, b"")])])
        return boundary

    def _entries(self, stage: Stage, number: int) -> Entries:
        """Return the checkpoint of a state as it is now."""
        return folded(self._found.get(stage.first_checkpoint + number, {}), stage.partitions[number].changes())


def folded(entries: Entries, changes: Changes) -> Entries:
    """Return a checkpoint's entries after these changes."""
    gone = {key for key, value in changes if value is None}
    kept = {key: value for key, value in entries.items() if key not in gone}
    return kept | {key: value for key, value in changes if value is not None}


def chunks(reader: LogReader, place: Place, start: int, end: int) -> Iterator[list[LogRecord]]:
    """Yield the records of a log between these offsets."""
    if start < end:
        with closing(reader.read([place], {place: start})) as messages:
            records = _until(end, messages)
            while some := list(islice(records, TOGETHER)):
                yield some


def _until(end: int, messages: Iterator[Message]) -> Iterator[LogRecord]:
    """Yield records up to an offset; what is behind it came later."""
    for message in messages:
        record = record_of(message)
        if record.offset < end:
            yield record
        if record.offset >= end - 1:
            return

"""Wires growing: where the old installation stands, its states told apart, and the new one's beginning."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from confluent_kafka import murmur2
from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from streams.growing import merges
from streams.growing.finishing import Finishing, chunks
from streams.growing.ids import SourceIds
from streams.growing.places import Places
from streams.growing.sources import SourceStates
from streams.growing.standing import Standing, finished_alerts, refuse_news, refuse_workers
from streams.growing.writing import (
    FIRST_OFFSET,
    begin_logs,
    refuse_begun,
    refuse_other_topics,
    write_alert_states,
    write_checkpoints,
)
from streams.inspection import checkpoints
from streams.log_reader import LogReader
from streams.windows import DUPLICATE_MS, PANE_MS
from tidemark.events import MAX_AHEAD_MS
from tidemark.settings import Settings
from tidemark.times import iso
from tidemark.topics import EVENTS

#: A log whose leader moves is asked again for so long.
PATIENCE_SECONDS = 10.0
#: The append times of a log may go back by so much (ms) where its leader moved from a broker to another.
CLOCKS_MS = 60_000


class Grown(Struct):
    """What was carried over. Finals up to ``boundary`` (ms) are the old ones; ``unknown`` ids are in all partitions."""

    boundary: int
    records: int
    ids: int = 0
    unknown: int = 0
    seconds: float = 0.0

    def told(self) -> str:
        """Say it for people."""
        return (
            f"carried over in {self.seconds:.1f} s; finals up to {iso(self.boundary)} are in the old topics; "
            f"{self.ids:,} event ids were looked up in {self.records:,} records, "
            f"{self.unknown:,} are known to all partitions because their records were not found"
        )


def prepare(settings: Settings, new: Settings) -> None:
    """Begin the new logs, whose topics must be there: from then on sources may send to them, and no worker starts.

    May be done again. Raises CannotGrow, KafkaException and TimeoutError.
    """
    refuse_other_topics(new)
    with closing(LogReader(new, PATIENCE_SECONDS)) as reader:
        begin_logs(new, reader, settings.topic(EVENTS.name))


def grow(settings: Settings, new: Settings) -> Grown:
    """Carry the settings' installation over to one with another prefix and more partitions; it gets its last results.

    May be done again until workers have run on the new one. Raises CannotGrow, StateError, KafkaException and
    TimeoutError.
    """
    began = time.monotonic()
    prepare(settings, new)
    with closing(LogReader(settings, PATIENCE_SECONDS)) as reader:
        refuse_begun(new, reader)
        refuse_workers(new)
        refuse_workers(settings)
        found = {number: entries for number, (entries, _) in checkpoints(settings, reader)}
        stands = Finishing(settings, reader, found).finish()
        alerts = finished_alerts(settings, reader)
        places = Places(settings.event_partitions, new.event_partitions, murmur2)
        grown = Grown(stands.boundary, 0)
        states = SourceStates(places)
        for source, ids in _ids(settings, reader, stands, places, grown):
            state = stands.sources[source]
            states.add(source, state.entries, state.watermark, ids)
        sources = states.checkpoints(FIRST_OFFSET, settings.lateness_ms)
        merged = [merges.grown(entries, settings.event_partitions, new.event_partitions) for entries in stands.merges]
        ends = [state.end for state in stands.sources]
        refuse_news(settings, reader, ends)
        write_alert_states(new, reader, alerts)
        write_checkpoints(new, reader, sources, merged)
        refuse_news(settings, reader, ends)
    grown.seconds = time.monotonic() - began
    return grown


def _ids(
    settings: Settings, reader: LogReader, stands: Standing, places: Places, grown: Grown
) -> Iterator[tuple[int, SourceIds]]:
    """Yield the ids of each source partition, found in the part of its log that they can be in."""
    starts = {}
    for number, state in enumerate(stands.sources):
        place = (settings.topic(EVENTS.name), number)
        oldest = state.watermark - DUPLICATE_MS - PANE_MS - MAX_AHEAD_MS - CLOCKS_MS
        starts[place] = min(reader.offset_at(place, max(0, oldest)), state.end)
    total = sum(state.end - start for state, start in zip(stands.sources, starts.values(), strict=True))
    with _progress(total) as progress:
        for (place, start), state in zip(starts.items(), stands.sources, strict=True):
            ids = SourceIds(place[1], state.entries, places)
            grown.ids += ids.left
            for records in chunks(reader, place, start, state.end):
                if not ids.left:
                    break
                ids.find(records)
                grown.records += len(records)
                progress(grown.records)
            grown.unknown += ids.left
            yield place[1], ids


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """Show on stderr, if it is a terminal, how many of the records are read."""
    console = Console(stderr=True)
    columns = (TextColumn("reading"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("reading", total=total)
        yield lambda completed: progress.update(task, completed=completed)

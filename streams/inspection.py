"""What ``stream-checkpoints`` says of each partition's state, beside its log and the group's commits; only reads."""

import time
from collections.abc import Iterator, Mapping

from msgspec import Struct

from streams.app import GROUP
from streams.entries import Folded, Parts, record_key
from streams.log_reader import ANSWER_SECONDS, LogReader, groups, places_of
from streams.windows import entries as source_entries
from streams.windows import merge
from streams.windows.checkpoint import META, Contents, StateError
from tidemark.kafka import committed_offsets
from tidemark.settings import Settings
from tidemark.topics import CHECKPOINTS, EVENTS, PARTIALS

#: So many records are folded together at most; a larger checkpoint comes alone.
TOGETHER = 10_000
_META_RECORD = record_key(META)


class PartitionReport(Struct, rename="camel", kw_only=True):
    """One partition: its log, and what its checkpoint holds; None where there is none, or nothing of that kind.

    ``lag`` is the log's end − the checkpoint's offset, in records; ``committed`` the group's offset. ``watermark`` is
    in ms since the epoch. ``problem`` says why a worker with these settings would refuse the checkpoint.
    """

    topic: str
    partition: int
    log_start: int
    log_end: int
    committed: int | None
    offset: int | None = None
    lag: int | None = None
    watermark: int | None = None
    behind_seconds: float | None = None
    open_windows: int | None = None
    open_visits: int | None = None
    remembered_ids: int | None = None
    checkpoint_age_seconds: float | None = None
    checkpoint_bytes: int = 0
    checkpoint_entries: int = 0
    problem: str | None = None


def inspect(settings: Settings) -> list[PartitionReport]:
    """Return a report for each source partition, then for each merge partition.

    Raises KafkaException or TimeoutError when the broker is away or a topic is missing.
    """
    reader = LogReader(settings)
    try:
        # Before the logs: else a checkpoint could stand beyond the end that was seen.
        found = dict(checkpoints(settings, reader))
        reports = list(_logs(settings, reader))
    finally:
        reader.close()
    now = time.time_ns() // 1_000_000
    for number, report in enumerate(reports):
        if number in found:
            _add(report, *found[number], settings, now)
    return reports


def checkpoints(settings: Settings, reader: LogReader) -> Iterator[tuple[int, tuple[dict[bytes, bytes], int]]]:
    """Yield each checkpoint's entries, and when it was written (ms), by its partition; none for an empty one."""
    name = settings.topic(CHECKPOINTS.name)
    bounds = reader.bounds((name, partition) for partition in range(settings.partitions(CHECKPOINTS)))
    for group in groups(bounds, TOGETHER):
        folded = {partition: Folded() for _, partition in group}
        written: dict[int, int] = {}
        for message in reader.read(group):
            partition, key = message.partition() or 0, message.key() or b""
            folded[partition].add(key, message.value())
            if key == _META_RECORD:
                written[partition] = message.timestamp()[1]
        for partition, time_ms in written.items():
            yield partition, (folded.pop(partition).entries(Parts()), time_ms)


def _logs(settings: Settings, reader: LogReader) -> Iterator[PartitionReport]:
    """Yield each partition's log, in the order of their checkpoints."""
    places = [place for topic in (EVENTS, PARTIALS) for place in places_of(settings, topic)]
    committed = committed_offsets(settings, settings.topic(GROUP), places, ANSWER_SECONDS)
    for topic in (EVENTS, PARTIALS):
        for (name, partition), (start, end) in reader.bounds(places_of(settings, topic)).items():
            yield PartitionReport(
                topic=topic.name,
                partition=partition,
                log_start=start,
                log_end=end,
                committed=committed.get((name, partition)),
            )


def _add(
    report: PartitionReport, entries: Mapping[bytes, bytes], written_ms: int, settings: Settings, now_ms: int
) -> None:
    report.checkpoint_age_seconds = (now_ms - written_ms) / 1_000
    report.checkpoint_bytes = sum(len(key) + len(value) for key, value in entries.items())
    report.checkpoint_entries = len(entries)
    try:
        held = _contents(report, entries, settings)
    except StateError as error:
        report.problem = str(error)
        return
    report.offset, report.lag = held.offset, report.log_end - held.offset
    report.open_windows, report.open_visits, report.remembered_ids = held.windows, held.visits, held.ids
    if held.watermark is not None:
        report.watermark, report.behind_seconds = held.watermark, (now_ms - held.watermark) / 1_000


def _contents(report: PartitionReport, entries: Mapping[bytes, bytes], settings: Settings) -> Contents:
    if report.topic == EVENTS.name:
        made_with = source_entries.made_with(report.partition, settings.event_partitions, settings.lateness_ms)
        return source_entries.contents(entries, made_with)
    return merge.contents(entries, settings.event_partitions)

"""Where the old installation stands: its checkpoints, and why it cannot be carried over as it is; only reads."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
from confluent_kafka.admin import AdminClient

from streams.alerts import detector
from streams.growing import CannotGrow
from streams.growing.merges import merge_meta
from streams.inspection import checkpoints
from streams.log_reader import ANSWER_SECONDS, LogReader, Place, record_of
from streams.windows import PANE_MS
from streams.windows.checkpoint import META, meta_of
from streams.windows.entries import decode_meta, made_with
from streams.windows.exact import floor_to
from streams.windows.records import is_tick
from tidemark.kafka import client_config
from tidemark.rights import STREAMS_GROUP
from tidemark.settings import Settings
from tidemark.times import iso
from tidemark.topics import ALERT_CHECKPOINTS, EVENTS, METRICS, PARTIALS, Topic

Entries = Mapping[bytes, bytes]

#: What is to be done when the workers have not finished.
_LET_THEM = "stop the sources, let the workers run until nothing has come for 15 s, and stop them all at once"
_AGAIN = f"start the workers again, {_LET_THEM}"


@dataclass(frozen=True)
class SourceState:
    """One source partition: the next record's offset, the watermark (ms), the checkpoint's entries."""

    offset: int
    watermark: int
    entries: Entries


@dataclass(frozen=True)
class Standing:
    """All windows that end at ``boundary`` (ms) or before are final, and none that ends later has closed anywhere."""

    boundary: int
    sources: Sequence[SourceState]
    merges: Sequence[Entries]
    #: Of the rules for sites, by partition; none where no rule has judged anything.
    alerts: dict[int, Entries]


def standing(settings: Settings, reader: LogReader) -> Standing:
    """Return where everything stands. Raises CannotGrow, StateError, KafkaException and TimeoutError."""
    _refuse_workers(settings)
    found = {number: entries for number, (entries, _) in checkpoints(settings, reader)}
    count = settings.event_partitions
    missing = [number for number in range(count + PARTIALS.partitions) if number not in found]
    if missing:
        raise CannotGrow(f"{len(missing)} of the partitions have no checkpoint: {_LET_THEM}")
    sources = [_source(settings, number, found[number]) for number in range(count)]
    _refuse_unread(settings, reader, sources)
    merges = [found[count + number] for number in range(PARTIALS.partitions)]
    return Standing(_boundary(sources, merges), sources, merges, dict(_alerts(settings, reader)))


def _refuse_workers(settings: Settings) -> None:
    group = settings.topic(STREAMS_GROUP)
    client = AdminClient(client_config(settings))
    [answer] = client.describe_consumer_groups([group], request_timeout=ANSWER_SECONDS).values()
    if members := len(answer.result().members):
        raise CannotGrow(f"{members} workers of {group} still run, or were killed a moment ago: {_LET_THEM}")


def _source(settings: Settings, number: int, entries: Entries) -> SourceState:
    expected = made_with(number, settings.event_partitions, settings.lateness_ms)
    meta = decode_meta(meta_of(entries, expected))
    return SourceState(meta.offset, meta.watermark, entries)


def _boundary(sources: Sequence[SourceState], merges: Sequence[Entries]) -> int:
    closed = {floor_to(source.watermark, PANE_MS) for source in sources}
    final = {merge_meta(entries, len(sources)).boundary for entries in merges}
    if len(closed | final) > 1:
        ends = sorted(end for end in closed | final if end is not None and end >= 0)
        told = f"from {iso(ends[0])} to {iso(ends[-1])}" if ends else "at no window yet"
        raise CannotGrow(f"the partitions do not stand at the end of one window, but {told}: {_AGAIN}")
    return closed.pop()


def _refuse_unread(settings: Settings, reader: LogReader, sources: list[SourceState]) -> None:
    """Refuse events that no worker has judged; ticks do not matter, there will be others."""
    ends = log_ends(settings, reader)
    starts = {place: source.offset for place, source in zip(ends, sources, strict=True)}
    behind = [place for place, end in ends.items() if starts[place] < end]
    unread = sum(not is_tick(record_of(message)) for message in reader.read(behind, starts)) if behind else 0
    if unread:
        raise CannotGrow(f"{unread:,} events are not judged yet: {_AGAIN}")


def log_ends(settings: Settings, reader: LogReader) -> dict[Place, int]:
    """Return where each partition of the events topic ends."""
    return {place: end for place, (_, end) in reader.bounds(_places(settings, EVENTS)).items()}


def _alerts(settings: Settings, reader: LogReader) -> Iterator[tuple[int, Entries]]:
    """Yield what the rules for sites know of each partition. Raises CannotGrow if they have not seen all finals."""
    ends = reader.bounds(_places(settings, METRICS))
    for partition, state in alert_states(settings, reader).items():
        meta = msgspec.json.decode(state[META], type=detector.Meta)
        if meta.offset < ends[settings.topic(METRICS.name), partition][1]:
            raise CannotGrow("the rules for sites have not judged all results: let `tidemark alerts run` run on first")
        yield partition, state


def alert_states(settings: Settings, reader: LogReader) -> dict[int, dict[bytes, bytes]]:
    """Return the entries of what the rules for sites know, by partition; none of one that is not whole."""
    states: dict[int, dict[bytes, bytes]] = {}
    for message in reader.read(_places(settings, ALERT_CHECKPOINTS)):
        state, key, value = states.setdefault(message.partition() or 0, {}), message.key() or b"", message.value()
        if value is None:
            state.pop(key, None)
        else:
            state[key] = value
    return {partition: state for partition, state in states.items() if META in state}


def _places(settings: Settings, topic: Topic) -> list[Place]:
    return [(settings.topic(topic.name), partition) for partition in range(settings.partitions(topic))]

"""Where the old installation stands when its workers are gone, and why it cannot be carried over; see ``finishing``."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from streams.alerts import detector
from streams.growing import CannotGrow
from streams.log_reader import ANSWER_SECONDS, LogReader, Place, places_of
from streams.windows.checkpoint import META
from tidemark.kafka import client_config
from tidemark.rights import STREAMS_GROUP
from tidemark.settings import Settings
from tidemark.topics import ALERT_CHECKPOINTS, EVENTS, METRICS

Entries = Mapping[bytes, bytes]

#: So long may the rules for sites take for the last results, besides the time between two of their checkpoints.
ALERTS_SECONDS = 20.0
AGAIN_SECONDS = 0.5


@dataclass(frozen=True)
class SourceState:
    """One source partition: where its log ends, the watermark (ms), the checkpoint's entries."""

    end: int
    watermark: int
    entries: Entries


@dataclass(frozen=True)
class Standing:
    """All windows that end at ``boundary`` (ms) or before are final, and none that ends later has closed anywhere."""

    boundary: int
    sources: Sequence[SourceState]
    merges: Sequence[Entries]


def refuse_workers(settings: Settings) -> None:
    """Raise CannotGrow if there are workers."""
    group = settings.topic(STREAMS_GROUP)
    client = AdminClient(client_config(settings))
    [answer] = client.describe_consumer_groups([group], request_timeout=ANSWER_SECONDS).values()
    try:
        members = len(answer.result().members)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
            raise
        return
    if members:
        raise CannotGrow(f"{members} workers of {group} still run, or were killed a moment ago: stop them first")


def log_ends(settings: Settings, reader: LogReader) -> dict[Place, int]:
    """Return where each partition of the events topic ends."""
    return {place: end for place, (_, end) in reader.bounds(places_of(settings, EVENTS)).items()}


def refuse_news(settings: Settings, reader: LogReader, ends: Sequence[int]) -> None:
    """Raise CannotGrow unless the partitions of the events topic, in order, still end here."""
    if list(log_ends(settings, reader).values()) != list(ends):
        name = settings.topic(EVENTS.name)
        raise CannotGrow(f"records have come to {name} meanwhile: stop what sends them, and run this again")


def finished_alerts(settings: Settings, reader: LogReader) -> dict[int, Entries]:
    """Return what the rules for sites know of each partition, when they have judged all results.

    Raises CannotGrow when they have not in time.
    """
    deadline = time.monotonic() + settings.checkpoint_interval_ms / 1_000 + ALERTS_SECONDS
    ends = {partition: end for (_, partition), (_, end) in reader.bounds(places_of(settings, METRICS)).items()}
    while True:
        states = alert_states(settings, reader)
        offsets = {each: msgspec.json.decode(state[META], type=detector.Meta).offset for each, state in states.items()}
        if all(offset >= ends[partition] for partition, offset in offsets.items()):
            return dict(states)
        if time.monotonic() > deadline:
            raise CannotGrow("the rules for sites have not judged all results: let `tidemark alerts run` run meanwhile")
        time.sleep(AGAIN_SECONDS)


def alert_states(settings: Settings, reader: LogReader) -> dict[int, dict[bytes, bytes]]:
    """Return the entries of what the rules for sites know, by partition; none of one that is not whole."""
    states = reader.newest(places_of(settings, ALERT_CHECKPOINTS))
    return {partition: state for partition, state in states.items() if META in state}

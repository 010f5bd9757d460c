"""Writes the new installation's beginning: a first record in each log, then the checkpoints, the sources' last.

A worker that finds the first record and no checkpoint ends (see ``source``), and no window becomes final before all
partitions are read. So a beginning that is not whole is made whole by doing it again, even if workers have tried it.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient
from msgspec import Struct

from streams.alerts import detector
from streams.checkpoints import Checkpoints
from streams.growing import CannotGrow
from streams.growing.standing import Entries, alert_states, log_ends
from streams.inspection import checkpoints
from streams.log_reader import ANSWER_SECONDS, LogReader, record_of
from streams.state import Fenced
from streams.windows.checkpoint import META, encode
from streams.windows.records import is_grown
from tidemark.kafka import client_config, producer_config
from tidemark.rights import STREAMS_GROUP
from tidemark.settings import Settings
from tidemark.topics import ALERT_CHECKPOINTS, ALL, EVENTS, GROWN_FROM_HEADER, TICK_HEADER

#: So many checkpoints are taken over at once: each has a producer.
AT_ONCE = 64
#: Where the new logs go on, behind their first record.
FIRST_OFFSET = 1


def refuse_other_topics(settings: Settings) -> None:
    """Raise CannotGrow unless all topics are there, with the partitions they are to have."""
    found = AdminClient(client_config(settings)).list_topics(timeout=ANSWER_SECONDS).topics
    for topic in ALL:
        name, wanted = settings.topic(topic.name), settings.partitions(topic)
        count = len(found[name].partitions) if name in found else 0
        if count != wanted:
            raise CannotGrow(
                f"topic {name}: expected {wanted} partitions, it has {count}; make the new topics first: "
                f"TIDEMARK_TOPIC_PREFIX={settings.topic_prefix} TIDEMARK_EVENT_PARTITIONS={settings.event_partitions} "
                "tidemark init"
            )


def begin_logs(settings: Settings, reader: LogReader, before: str) -> None:
    """Write the first record of each partition of the events topic where it is missing; events may come behind it.

    ``before`` is the topic that was before. Raises CannotGrow if a log begins with anything else.
    """
    ends = log_ends(settings, reader)
    for place in [place for place, end in ends.items() if end]:
        with closing(reader.read([place])) as messages:
            if not is_grown(record_of(next(messages))):
                raise CannotGrow(f"{place[0]} holds records already: choose another prefix")
    headers: list[tuple[str, str | bytes | None]] = [(TICK_HEADER, b""), (GROWN_FROM_HEADER, before)]
    producer = Producer(producer_config(settings, linger_ms=0))
    for topic, partition in [place for place, end in ends.items() if not end]:
        producer.produce(topic, partition=partition, headers=headers)
    producer.flush()
    if not all(log_ends(settings, reader).values()):
        raise TimeoutError(f"the first records are not in {settings.topic(EVENTS.name)}: run it again")


def refuse_begun(settings: Settings, reader: LogReader) -> None:
    """Raise CannotGrow if workers have gone on from all that was carried over before: their states are newer."""
    offsets = {
        number: msgspec.json.decode(entries[META], type=_Stands).offset
        for number, (entries, _) in checkpoints(settings, reader)
    }
    if all(number in offsets for number in range(settings.event_partitions)):
        firsts = {number: FIRST_OFFSET if number < settings.event_partitions else 0 for number in offsets}
        if any(offsets[number] > first for number, first in firsts.items()):
            raise CannotGrow(f"workers run with the prefix {settings.topic_prefix!r} already: nothing is left to do")


class _Stands(Struct):
    offset: int


def write_checkpoints(
    settings: Settings, reader: LogReader, sources: Mapping[int, Entries], merges: Iterable[Entries]
) -> None:
    """Write the checkpoints, each in one transaction; what an earlier attempt has left there goes.

    Raises CannotGrow if workers take them meanwhile.
    """
    numbered = {len(sources) + number: entries for number, entries in enumerate(merges)}
    try:
        asyncio.run(_commit(Checkpoints(settings, STREAMS_GROUP, reader), [*numbered.items(), *sources.items()]))
    except Fenced as error:
        name = settings.topic(STREAMS_GROUP)
        raise CannotGrow(f"workers of {name} have come meanwhile: stop them, and run this again") from error


async def _commit(owned: Checkpoints, states: list[tuple[int, Entries]]) -> None:
    for first in range(0, len(states), AT_ONCE):
        new = dict(states[first : first + AT_ONCE])
        await owned.take_over(new)
        async for number, left in owned.read(new):
            await owned.commit(number, _changes(left, new[number]))
    await owned.close()


def _changes(left: Iterable[bytes], new: Entries) -> list[tuple[bytes, bytes | None]]:
    return [*((key, None) for key in left if key not in new), *new.items()]


def write_alert_states(settings: Settings, reader: LogReader, states: Mapping[int, Entries]) -> None:
    """Write what the rules for sites know, at the start of the new results. Raises KafkaException.

    The entry that says where a state stands comes last: without it a state is refused.
    """
    left = alert_states(settings, reader)
    producer, topic = Producer(producer_config(settings, linger_ms=5)), settings.topic(ALERT_CHECKPOINTS.name)
    failed: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error)

    for partition, entries in states.items():
        for key, value in _alert_changes(left.get(partition, {}), entries):
            producer.produce(topic, key=key, value=value, partition=partition, on_delivery=delivered)
        producer.flush()
    if failed:
        raise KafkaException(failed[0])


def _alert_changes(left: Entries, entries: Entries) -> Iterator[tuple[bytes, bytes | None]]:
    meta = msgspec.json.decode(entries[META], type=detector.Meta)
    meta.offset = 0
    yield META, None
    yield from _changes((key for key in left if key != META), {key: entries[key] for key in entries if key != META})
    yield META, encode(meta)

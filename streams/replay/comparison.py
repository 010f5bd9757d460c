"""Replayed results against the live topics' records: which are equal, which differ, which only one of them has."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Protocol

import msgspec
from msgspec import Struct

from streams.replay.asked import DECODERS, TOPICS, Asked, Replayed, line_of, name_of, read_line, time_of
from streams.replay.live import LiveRecord
from tidemark.results import HIGH_BOUNCE_RATE, Alert, MetricUpdate

EQUAL, DIFFERENT, ONLY_LIVE, ONLY_REPLAYED = "equal", "different", "only live", "only replayed"
#: Replayed, but retention has deleted what was live at its time: it cannot be compared.
DELETED = "deleted live"
KINDS = (EQUAL, DIFFERENT, ONLY_LIVE, ONLY_REPLAYED, DELETED)


class Live(Protocol):
    """See ``LiveTopics``."""

    @property
    def deleted_before(self) -> Mapping[str, int]: ...  # noqa: D102
    def read(self, topic: str) -> Iterator[LiveRecord]: ...  # noqa: D102


class Difference(Struct, frozen=True):
    """What is not the same, as JSON; ``name`` tells what of. ``place`` is the live record's: topic-partition@offset."""

    kind: str
    topic: str
    name: str
    place: str | None = None
    live: str | None = None
    replayed: tuple[str, ...] = ()


class ReplayedResults:
    """The replayed results of one topic, on disk; in memory are a digest of each one's name and its place there."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # it goes with this object
        self._size = 0
        # A mis-keyed visitor may have two of the same name.
        self._places: dict[bytes, tuple[int, ...]] = {}
        self._met: set[bytes] = set()
        self._differing: set[bytes] = set()
        self._only_live: set[bytes] = set()

    def add(self, result: Replayed) -> None:
        """Take a replayed result; live ones come when all are here."""
        line, name = line_of(result) + b"\n", _digest(result)
        self._file.write(line)
        self._places[name] = (*self._places.get(name, ()), self._size)
        self._size += len(line)

    def knows(self, live: Replayed) -> bool:
        """Say whether a result of the same name was replayed."""
        return _digest(live) in self._places

    def meet(self, live: Replayed, place: str) -> Difference | None:
        """Hold a live result against the replayed one; return how they differ, once if it is only live."""
        name = _digest(live)
        replayed = [self._result(at) for at in self._places.get(name, ())]
        if live in replayed:
            self._met.add(name)
            return None
        if not replayed:
            if name in self._only_live:
                return None
            self._only_live.add(name)
            return _difference(ONLY_LIVE, live, place)
        self._met.add(name)
        self._differing.add(name)
        return _difference(DIFFERENT, live, place, replayed)

    def never_met(self) -> Iterator[Replayed]:
        """Yield the replayed results that no live record had the name of."""
        for name, places in self._places.items():
            if name not in self._met:
                yield from map(self._result, places)

    def counts(self) -> Counter[str]:
        """Return how many names are equal, how many have a live record that differs, how many are only live."""
        counts = {EQUAL: len(self._met - self._differing), DIFFERENT: len(self._differing)}
        return Counter(counts | {ONLY_LIVE: len(self._only_live)})

    def _result(self, at: int) -> Replayed:
        self._file.seek(at)
        return read_line(self._file.readline())


class Comparison:
    """Takes replayed results as an output does, then reads the live ones; ``counts`` by topic, then by kind."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._replayed = {topic.name: ReplayedResults() for topic in TOPICS.values()}
        self._more: Counter[tuple[str, str]] = Counter()

    def write(self, result: Replayed) -> None:
        """Take a replayed result."""
        self._replayed[TOPICS[type(result)].name].add(result)

    def close(self) -> None:
        """Nothing is left to do: the results wait for the live ones."""

    def differences(self, live: Live) -> Iterator[Difference]:
        """Read the live topics; yield what differs as it is found, then what was only replayed."""
        for topic, replayed in self._replayed.items():
            for record in live.read(topic):
                difference = self._judged(record, replayed)
                if difference is not None:
                    yield difference
            for result in replayed.never_met():
                kind = DELETED if time_of(result) < live.deleted_before[topic] else ONLY_REPLAYED
                self._more[topic, kind] += 1
                if kind == ONLY_REPLAYED:
                    yield Difference(kind, topic, name_of(result), replayed=(_text(result),))

    @property
    def counts(self) -> dict[str, Counter[str]]:
        """How many results of each topic are of each kind."""
        counts = {topic: replayed.counts() for topic, replayed in self._replayed.items()}
        for (topic, kind), count in self._more.items():
            counts[topic][kind] += count
        return counts

    def _judged(self, record: LiveRecord, replayed: ReplayedResults) -> Difference | None:
        try:
            result = DECODERS[record.topic](record.value)
        except msgspec.DecodeError:
            self._more[record.topic, ONLY_LIVE] += 1
            return Difference(ONLY_LIVE, record.topic, "that is no result", record.place, repr(record.value[:200]))
        if isinstance(result, MetricUpdate):
            if not result.final:
                return None
            result.emitted_at = 0  # the one thing that a repetition may change
        if isinstance(result, Alert) and result.alert_type != HIGH_BOUNCE_RATE:
            return None  # made of metrics and rules, not of events
        if not self._asked.takes(result) or (record.is_new and not replayed.knows(result)):
            return None
        return replayed.meet(result, record.place)


def _difference(kind: str, live: Replayed, place: str, replayed: list[Replayed] | None = None) -> Difference:
    topic = TOPICS[type(live)].name
    return Difference(kind, topic, name_of(live), place, _text(live), tuple(map(_text, replayed or ())))


def _text(result: Replayed) -> str:
    return msgspec.json.encode(result).decode()


def _digest(result: Replayed) -> bytes:
    return blake2b(name_of(result).encode(), digest_size=16).digest()

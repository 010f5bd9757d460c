"""One log for any number of partitions, judged alike in all: every partition is as far as the others after each record.

So what is to come of it is what the reference makes of the same records in one partition.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import msgspec
from confluent_kafka import murmur2

from tests.support.reference import LogRecord
from tests.support.reference_events import Seen, read
from tests.support.stages import by_key
from tidemark.results import MetricUpdate

Key = TypeVar("Key", bound=Hashable)


def visitor_of(record: LogRecord) -> str | None:
    """Return whose event a record is, None for what is none."""
    event = None if record.tick else read(record)
    return event.visitor if isinstance(event, Seen) else None


class Spread:
    """Puts each record in its visitor's partition, and a tick of its time in all others. Offsets begin at ``first``."""

    def __init__(self, partitions: int, first: int = 0) -> None:
        self.partitions = partitions
        self._offsets = [first] * partitions

    def records(self, log: Iterable[LogRecord]) -> Iterator[LogRecord]:
        """Yield the records of all partitions."""
        for record in log:
            yield from self._copies(record)

    def _copies(self, record: LogRecord) -> Iterator[LogRecord]:
        event = None if record.tick else read(record)
        here = murmur2(event.visitor.encode(), self.partitions) if isinstance(event, Seen) else 0
        time = min(event.time, record.append_time) if isinstance(event, Seen) else record.append_time
        for partition in range(self.partitions):
            if partition == here:
                yield replace(record, partition=here, offset=self._next(here))
            elif record.tick or isinstance(event, Seen):
                yield LogRecord(partition, self._next(partition), time, None, tick=True)

    def _next(self, partition: int) -> int:
        self._offsets[partition] += 1
        return self._offsets[partition] - 1


def begun(log: Sequence[LogRecord]) -> int:
    """Return how many records there are up to the first that moves a watermark."""
    return next((n for n, each in enumerate(log, 1) if each.tick or visitor_of(each) is not None), len(log))


def differences(seen: Mapping[Key, object], expected: Mapping[Key, object]) -> list[tuple[Key, object, object]]:
    """Return where two mappings differ: the key, what was seen, what was expected."""
    keys = [key for key in {**expected, **seen} if seen.get(key) != expected.get(key)]
    return [(key, seen.get(key), expected.get(key)) for key in keys]


def without_revision(finals: Iterable[MetricUpdate]) -> dict[tuple[str, str, int], MetricUpdate]:
    """Return finals by their windows; a revision is a sum of offsets, and another in another log."""
    return {key: msgspec.structs.replace(final, revision=0) for key, final in by_key(finals).items()}

"""A streams worker with one deliberate defect, so that it is seen that the invariants find it."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from typing import Any

from streams import cli
from streams.merging import MergeStage
from streams.outbox import Sent
from streams.source import SourceStage
from streams.state import Checkpoint
from streams.windows.records import Record
from tidemark.logs import configure_logging
from tidemark.results import MetricUpdate

#: The defect hits the so many-th page view, or final.
HIT = 100

_process = SourceStage.process
_records = MergeStage._records
_take_over = Checkpoint.take_over
_views = count(1)
_finals = count(1)


def _is_hit(record: Record) -> bool:
    return b'"PAGE_VIEW"' in (record.value or b"") and next(_views) == HIT


def drop_one(stage: SourceStage, partition: int, records: Sequence[Record]) -> None:
    """Lose an event, and its duplicates with it."""
    global _dropped  # noqa: PLW0603
    for record in records:
        if _is_hit(record):
            _dropped = record.value
    kept = [record for record in records if record.value is None or record.value != _dropped]
    if kept:
        _process(stage, partition, kept)


_dropped: bytes | None = None


def double_one(stage: SourceStage, partition: int, records: Sequence[Record]) -> None:
    """Count an event twice, the second time by another id."""
    doubled: list[Any] = []
    for record in records:
        doubled.append(record)
        if _is_hit(record):
            doubled.append(_Doubled(record))
    _process(stage, partition, doubled)


class _Doubled:
    """A record whose event has another id."""

    def __init__(self, record: Record) -> None:
        self.offset, self.timestamp, self.key, self.headers = (
            record.offset, record.timestamp, record.key, record.headers,
        )  # fmt: skip
        head, mark, tail = (record.value or b"").partition(b'"eventId":"')
        self.value = head + mark + (b"1" if tail[:1] == b"0" else b"0") + tail[1:]


def shift_one(stage: MergeStage, partition: int, updates: Iterable[MetricUpdate], outcome: str) -> Iterator[Sent]:
    """Say of one window that it was another."""
    return _records(stage, partition, _shifted(updates) if outcome == "final" else updates, outcome)


def _shifted(finals: Iterable[MetricUpdate]) -> Iterator[MetricUpdate]:
    for final in finals:
        if next(_finals) == HIT:
            final.window_start += 5_000
            final.window_end += 5_000
        yield final


async def fence_nobody(checkpoint: Checkpoint) -> None:
    """Go on under a name of its own, so that whoever wrote before is not fenced."""
    checkpoint._owner = f"{checkpoint._owner.partition('@')[0]}@{os.getpid()}"
    await _take_over(checkpoint)


DEFECTS: dict[str, Callable[[], None]] = {
    "drop": lambda: setattr(SourceStage, "process", drop_one),
    "double": lambda: setattr(SourceStage, "process", double_one),
    "shift": lambda: setattr(MergeStage, "_records", shift_one),
    "no-fence": lambda: setattr(Checkpoint, "take_over", fence_nobody),
}

if __name__ == "__main__":
    configure_logging(json=True)
    DEFECTS[sys.argv[-1]]()
    cli.run()

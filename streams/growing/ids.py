"""The remembered ids of one source partition, told apart by visitor: its log says whose event each id is of. Pure."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from streams.growing.places import Places
from streams.windows import PANE_MS
from streams.windows.duplicates import ID_BYTES, KIND
from streams.windows.records import Record, read

#: A pane's end → the ids of its events, each with its time in front of it, as an entry of a checkpoint has them apart.
IdsByPane = dict[int, list[bytes]]


class SourceIds:
    """What a partition's checkpoint remembers. An id is remembered with its event's time; the pair is its name here."""

    def __init__(self, source: int, entries: Mapping[bytes, bytes], places: Places) -> None:
        self._source = source
        self._places = places
        self._left = {each for key, value in entries.items() if key[:1] == KIND for each in _pairs(value)}
        self._found: list[IdsByPane] = [{} for _ in range(places.targets)]

    @property
    def left(self) -> int:
        """How many ids nobody is known for yet."""
        return len(self._left)

    def find(self, records: Sequence[Record]) -> None:
        """Take records of the partition's log, in their order, from before the oldest of these events on."""
        contents, packed = read(records)
        events = (content for content in contents if isinstance(content, tuple))
        for number, (event, _, visitor, _) in enumerate(events):
            pair = event.time.to_bytes(8, "little") + packed[16 * number : 16 * number + 16]
            if pair in self._left:
                self._left.discard(pair)
                self._put(self._places.of(self._source, visitor), pair)

    def by_target(self) -> list[IdsByPane]:
        """Return the ids of each new partition. Whose event is not in the log any more is remembered in all of them."""
        for pair in sorted(self._left):
            for target in range(self._places.targets):
                self._put(target, pair)
        self._left.clear()
        return self._found

    def _put(self, target: int, pair: bytes) -> None:
        time = int.from_bytes(pair[:8], "little")
        self._found[target].setdefault(time - time % PANE_MS + PANE_MS, []).append(pair)


def _pairs(value: bytes) -> Iterator[bytes]:
    """Yield an entry's ids, each behind its event's time."""
    count = len(value) // ID_BYTES
    times, ids = np.frombuffer(value, "<i8", count), value[8 * count :]
    for number, time in enumerate(times.tolist()):
        yield time.to_bytes(8, "little") + ids[16 * number : 16 * number + 16]


def entry_of(pairs: Sequence[bytes]) -> bytes:
    """Return the value of a checkpoint's entry with these ids."""
    return b"".join(pair[:8] for pair in pairs) + b"".join(pair[8:] for pair in pairs)

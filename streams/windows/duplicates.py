"""Which event ids were accepted lately: 24 bytes an id, forgotten when the watermark is 10 min past their event.

The newest ids stand in a dict; from there they move, packed, into sorted arrays that are merged when they have become
as large as the one before, as in a log-structured store: an id is looked up in few arrays and moved a few times.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from streams.windows import DUPLICATE_MS, PANE_MS
from tidemark.decoding import pack_ids

#: What the keys of its checkpoint entries begin with.
KIND = b"i"
#: What an id takes in an entry: its event's time (8), then itself (16).
ID_BYTES = 24
#: An id that is not known was accepted before all time (ms), so that it is no duplicate whatever the watermark.
NEVER = -(2**62) - 2 * DUPLICATE_MS
#: So many ids stand in the dict at most.
RECENT_IDS = 2_048
#: A run is merged with the one before it unless that is so many times larger.
GROWTH = 4
#: Mixes an id's halves, so that ids that begin alike (some are made from the time) do not stand in one place.
_MIXER = np.uint64(0x9E3779B97F4A7C15)

Words = NDArray[np.uint64]
Times = NDArray[np.int64]


class Run:
    """Ids in the order of their ``hashes``; ``lows`` are their last 8 bytes, ``times`` their events' (ms)."""

    __slots__ = ("hashes", "lows", "times")

    def __init__(self, hashes: Words, lows: Words, times: Times) -> None:
        order = np.argsort(hashes, kind="stable")
        self.hashes, self.lows, self.times = hashes[order], lows[order], times[order]

    def merged(self, other: "Run", expired: int) -> "Run":
        """Return both runs' ids but for those of events at ``expired`` (ms) or before."""
        columns = zip((self.hashes, self.lows, self.times), (other.hashes, other.lows, other.times), strict=True)
        hashes, lows, times = (np.concatenate(pair) for pair in columns)
        kept = times > expired
        return Run(hashes[kept], lows[kept], times[kept])

    def raise_to_newest(self, hashes: Words, lows: Words, found: Times) -> None:
        """Raise ``found`` to the time of each id that stands here."""
        size = len(self.hashes)
        places = self.hashes.searchsorted(hashes)
        if not size or not (self.hashes.take(places, mode="clip") == hashes).any():
            return  # nearly always: few batches hold a duplicate, and small ones come often
        rows = np.flatnonzero(places < size)
        while len(rows):
            at = places[rows]
            alike = self.hashes[at] == hashes[rows]
            rows, at = rows[alike], at[alike]
            same = self.lows[at] == lows[rows]
            found[rows[same]] = np.maximum(found[rows[same]], self.times[at[same]])
            places[rows] += 1  # another id of this hash may follow, or a later time of this one
            rows = rows[places[rows] < size]

    def __len__(self) -> int:
        return len(self.hashes)


class AcceptedIds:
    """The ids of one partition's accepted events. ``recent`` holds the newest, in lower case, with their times (ms)."""

    def __init__(self) -> None:
        self.recent: dict[str, int] = {}
        self._runs: list[Run] = []
        self._panes: set[int] = set()
        # What is not in the checkpoint yet, and how many of its entries each pane has there.
        self._unsaved: list[tuple[bytes, Times]] = []
        self._saved: dict[int, int] = {}
        self._over: list[bytes] = []

    def accepted_at(self, packed: bytes) -> list[int]:
        """Return for each packed id when it was accepted (its event's time), NEVER for others; ``recent`` aside."""
        count = len(packed) // 16
        if not self._runs:
            return [NEVER] * count
        found = np.full(count, NEVER, np.int64)
        hashes, lows = _words(packed)
        for run in self._runs:
            run.raise_to_newest(hashes, lows, found)
        return found.tolist()

    def expect(self, pane_end: int) -> None:
        """Take note of a pane that gets ids: they are needed until ``forget_at``."""
        self._panes.add(pane_end)

    def settle(self, watermark: int, limit: int = RECENT_IDS) -> None:
        """Pack the recent ids away if they are more than ``limit``."""
        if len(self.recent) <= limit:
            return
        packed = pack_ids(list(self.recent))
        times = np.fromiter(self.recent.values(), np.int64, len(self.recent))
        self.recent.clear()
        self._unsaved.append((packed, times))
        self._push(packed, times, watermark - DUPLICATE_MS)

    def _push(self, packed: bytes, times: Times, expired: int) -> None:
        run = Run(*_words(packed), times)
        while self._runs and len(self._runs[-1]) < GROWTH * len(run):
            run = self._runs.pop().merged(run, expired)
        self._runs.append(run)

    def forget(self, now: int) -> None:
        """Forget the ids of the pane whose last remembered moment ends at ``now`` (see ``forget_at``)."""
        pane_end = now - DUPLICATE_MS
        self._panes.discard(pane_end)
        self._over += [id_key(pane_end, number) for number in range(self._saved.pop(pane_end, 0))]
        if not self._panes:
            self.recent.clear()
            self._runs.clear()
            self._unsaved.clear()

    def changes(self, watermark: int) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield what the checkpoint lacks: the new ids by pane, and which of its entries are over."""
        self.settle(watermark, 0)
        yield from ((key, None) for key in self._over)
        self._over.clear()
        if self._unsaved:
            packed = np.frombuffer(b"".join(packed for packed, _ in self._unsaved), dtype="V16")
            times = np.concatenate([times for _, times in self._unsaved])
            self._unsaved.clear()
            ends = times - times % PANE_MS + PANE_MS
            for pane_end in self._panes.intersection(np.unique(ends).tolist()):
                inside = ends == pane_end
                number = self._saved.get(pane_end, 0)
                self._saved[pane_end] = number + 1
                yield id_key(pane_end, number), times[inside].tobytes() + packed[inside].tobytes()

    def restore(self, entries: Mapping[bytes, bytes], watermark: int) -> list[int]:
        """Take the entries of a checkpoint; return the ends of the panes they are of."""
        chunks = []
        for key, value in entries.items():
            if key[:1] != KIND:
                continue
            pane_end, number = int.from_bytes(key[1:9]), int.from_bytes(key[9:])
            self._panes.add(pane_end)
            self._saved[pane_end] = max(self._saved.get(pane_end, 0), number + 1)
            count = len(value) // ID_BYTES
            chunks.append((value[8 * count :], np.frombuffer(value, np.int64, count)))
        if chunks:
            packed, times = b"".join(ids for ids, _ in chunks), np.concatenate([times for _, times in chunks])
            self._push(packed, times, watermark - DUPLICATE_MS)
        return list(self._panes)

    @property
    def packed_bytes(self) -> int:
        """What the packed ids take in memory."""
        return sum(run.hashes.nbytes + run.lows.nbytes + run.times.nbytes for run in self._runs)

    def __len__(self) -> int:
        return len(self.recent) + sum(map(len, self._runs)) if self._panes else 0


def count_ids(entries: Mapping[bytes, bytes]) -> int:
    """Return how many ids a checkpoint's entries hold."""
    return sum(len(value) // ID_BYTES for key, value in entries.items() if key[:1] == KIND)


def forget_at(pane_end: int) -> int:
    """Return when the ids of a pane can be forgotten: its end + 10 min (ms)."""
    assert pane_end % PANE_MS == 0
    return pane_end + DUPLICATE_MS


def id_key(pane_end: int, number: int) -> bytes:
    """Return the key of one of the entries that hold a pane's ids."""
    return KIND + pane_end.to_bytes(8) + number.to_bytes(4)


def _words(packed: bytes) -> tuple[Words, Words]:
    words = np.frombuffer(packed, ">u8").astype(np.uint64).reshape(-1, 2)
    lows = words[:, 1].copy()
    return words[:, 0] + lows * _MIXER, lows

"""How many events a second each site, or each address, may send: token buckets that several processes share. Pure."""

from collections.abc import Hashable

#: A table has room for so many buckets: a key has one of a few places, of which the one is taken that is missed least.
BUCKETS, _PLACES = 131_072, 4
#: What a table takes of memory, in bytes: of each bucket whose it is and when it is full.
TABLE_BYTES = BUCKETS * 16
#: Times (s) are no more exact than this.
_EXACT_S = 1e-6


class Rates:
    """One bucket a key: ``rate`` events a second (0: no limit), and as many as of ``burst_s`` seconds at once.

    The buckets are in ``table``, TABLE_BYTES of zeros at first. Processes that have the same memory as their table, the
    same hashes and the same clock hold the rate together. They do not lock it: of two that count an event of one key
    within the same microsecond one may be forgotten, so a little more may come through, never less.

    Whoever is let in may ``spend`` more than there is: a large batch makes its sender wait longer, and none is too
    large for ever. When the table has no more room, keys are forgotten that may soonest send all at once again.
    """

    def __init__(self, rate: float, table: memoryview, *, burst_s: float = 2.0) -> None:
        self._rate = rate
        self._owed_s = max(0.0, burst_s - 1 / rate) if rate else 0.0
        self._keys = table.cast("q")[:BUCKETS]
        self._full_at = table.cast("d")[BUCKETS:]

    def take(self, key: Hashable, events: int, now: float) -> float:
        """Return 0 if the events are granted, else in how many seconds the next may come. ``now`` in s, monotonic."""
        if not self._rate:
            return 0.0
        place = self._place(key)
        full_at = max(now, self._full_at[place])
        wait = full_at - now - self._owed_s
        if wait > _EXACT_S:
            return wait
        self._full_at[place] = full_at + events / self._rate
        return 0.0

    def spend(self, key: Hashable, events: int) -> None:
        """Count more events of a key that was granted some just now."""
        if self._rate:
            self._full_at[self._place(key)] += events / self._rate

    def _place(self, key: Hashable) -> int:
        """Return the place of a key's bucket; one that is new is full."""
        mark = hash(key) or 1
        first = mark % BUCKETS // _PLACES * _PLACES
        places = range(first, first + _PLACES)
        for place in places:
            if self._keys[place] == mark:
                return place
        place = min(places, key=self._full_at.__getitem__)
        self._keys[place], self._full_at[place] = mark, 0.0
        return place

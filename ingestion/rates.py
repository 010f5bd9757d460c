"""How many events a second each site, or each address, may send: token buckets in bounded memory. Pure."""

from collections.abc import Hashable


class Rates:
    """One bucket a key: ``rate`` events a second (0: no limit), and as many as of ``burst_s`` seconds at once.

    Whoever is let in may ``spend`` more than there is: a large batch makes its sender wait longer, and none is too
    large for ever. Remembers the ``most`` keys that were used last.
    """

    def __init__(self, rate: float, *, burst_s: float = 2.0, most: int = 100_000) -> None:
        self._rate = rate
        self._burst = max(1.0, rate * burst_s)
        self._most = most
        self._buckets: dict[Hashable, tuple[float, float]] = {}

    def take(self, key: Hashable, events: int, now: float) -> float:
        """Return 0 if the events are granted, else in how many seconds the next may come. ``now`` in s, monotonic."""
        if not self._rate:
            return 0.0
        tokens, since = self._buckets.pop(key, (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) * self._rate)
        granted = tokens >= 1
        self._buckets[key] = (tokens - events if granted else tokens, now)
        if len(self._buckets) > self._most:
            del self._buckets[next(iter(self._buckets))]
        return 0.0 if granted else (1 - tokens) / self._rate

    def spend(self, key: Hashable, events: int) -> None:
        """Count more events of a key that was granted some just now."""
        if key in self._buckets:
            tokens, since = self._buckets[key]
            self._buckets[key] = (tokens - events, since)

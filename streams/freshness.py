"""How fresh what a stage tells is: since when its oldest news has waited, and when the newest event in it came."""

import time

from prometheus_client import Histogram

from streams.outbox import Headers
from tidemark.topics import NEWEST_EVENT_HEADER


class Waiting:
    """Measures how long the oldest news of each partition has waited when it is told; times in ms since the epoch."""

    def __init__(self, latency: Histogram) -> None:
        self._latency = latency
        self._since: dict[int, int] = {}

    def came(self, partition: int, time_ms: int) -> None:
        """Note when news came; the oldest counts until it is told."""
        self._since.setdefault(partition, time_ms)

    def told(self, partition: int) -> None:
        """Measure, if there was news."""
        since = self._since.pop(partition, None)
        if since is not None:
            self._latency.observe(max(0.0, time.time() - since / 1000))

    def forget(self, partition: int) -> None:
        """Measure nothing of a partition that goes."""
        self._since.pop(partition, None)


class Newest:
    """When the newest event came that is in what is to be sent (append time, ms), known by partition."""

    def __init__(self) -> None:
        self._known: dict[int, int] = {}
        self._to_send: int | None = None

    def came(self, partition: int, time_ms: int) -> None:
        """Note when an event of a partition came, or one that its records are made of."""
        self._known[partition] = max(time_ms, self._known.get(partition, 0))

    def told(self, partition: int) -> None:
        """Note that what is sent next has the partition's newest event in it."""
        known = self._known.pop(partition, None)
        if known is not None:
            self._to_send = max(known, self._to_send or 0)

    def headers(self) -> Headers | None:
        """Take what the first of the records is to carry."""
        to_send, self._to_send = self._to_send, None
        return None if to_send is None else [(NEWEST_EVENT_HEADER, b"%d" % to_send)]

    def forget(self, partition: int) -> None:
        """Tell nothing of a partition that goes."""
        self._known.pop(partition, None)

"""The open loop: when each record is due, and how far behind its schedule it was sent and acknowledged."""

from collections import Counter
from collections.abc import Callable
from math import ceil

#: A record sent later than this after its time is behind schedule (s).
TOLERANCE_S = 0.1
#: The longest wait at a stretch (s), so that a stop is noticed.
_SLICE_S = 0.1
_EXACT_TO_MS = 10_000

Clock = Callable[[], float]


class Pacer:
    """Lets each record go at its time and never slows the schedule down for what comes behind.

    ``start`` and ``clock`` in seconds of one monotonic clock; ``idle`` spends at most so many seconds usefully.
    """

    def __init__(self, start: float, clock: Clock, idle: Callable[[float], None]) -> None:
        self._start = start
        self._clock = clock
        self._idle = idle

    def due(self, send_ms: int, hurry: Callable[[], bool]) -> float:
        """Wait until ``send_ms`` after the start, or until ``hurry`` says so; return the record's scheduled time (s).

        Of a record that goes before its time the scheduled time is now.
        """
        scheduled = self._start + send_ms / 1_000
        while (ahead := scheduled - self._clock()) > 0:
            if hurry():
                return self._clock()
            self._idle(min(ahead, _SLICE_S))
        return scheduled


class MaxSpeed:
    """No pacing: every record is due when its turn comes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def due(self, send_ms: int, hurry: Callable[[], bool]) -> float:
        """Return now."""
        return self._clock()


class Punctuality:
    """What became of the schedule: records behind it, the worst of them, and delivery latencies, all in ms."""

    def __init__(self) -> None:
        self.behind = 0
        self.worst_behind_ms = 0.0
        self._latencies: Counter[int] = Counter()

    def sent(self, behind_s: float) -> None:
        """Count a record that Kafka's client took so many seconds after its scheduled time."""
        if behind_s > TOLERANCE_S:
            self.behind += 1
            self.worst_behind_ms = max(self.worst_behind_ms, behind_s * 1_000)

    def acknowledged(self, latency_s: float, records: int) -> None:
        """Count delivery reports that came so many seconds after their records' scheduled time."""
        latency_ms = ceil(latency_s * 1_000)
        if latency_ms > _EXACT_TO_MS:  # an hour behind schedule would be millions of entries otherwise
            latency_ms = ceil(latency_ms / 1_000) * 1_000
        self._latencies[latency_ms] += records

    def latency_ms(self, percent: float) -> int:
        """Return the delivery latency that ``percent`` of the records did not exceed; 0 for none.

        It is rounded up to ms, beyond 10 s to whole seconds.
        """
        rank = ceil(self._latencies.total() * percent / 100)
        for latency, records in sorted(self._latencies.items()):
            rank -= records
            if rank <= 0:
                return latency
        return 0

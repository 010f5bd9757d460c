"""The open loop: when each record is due, and how far behind its schedule it was sent and acknowledged."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from math import ceil
from typing import TypeVar

#: A record sent later than this after its time is behind schedule (s).
TOLERANCE_S = 0.1
#: The longest wait at a stretch (s), so that a stop is noticed.
_SLICE_S = 0.1
#: The shortest (s): a wait for each record of a thousand a second takes half a core.
_LEAST_S = 0.005
_WAVE_AT_FULL_SPEED = 256
_EXACT_TO_MS = 10_000

Clock = Callable[[], float]
Item = TypeVar("Item")
#: The scheduled time (s, on the clock) of the first of some records, and these.
Wave = tuple[float, list[Item]]


class Pacer:
    """Lets each record go at its time and never slows the schedule down for what comes behind.

    ``start`` and ``clock`` in seconds of one monotonic clock; ``idle`` spends at most so many seconds usefully.
    """

    def __init__(self, start: float, clock: Clock, idle: Callable[[float], None]) -> None:
        self._start = start
        self._clock = clock
        self._idle = idle

    def waves(self, planned: Iterable[tuple[int, Item]], hurry: Callable[[], bool]) -> Iterator[Wave[Item]]:
        """Yield what is due when it is, ``send_ms`` after the start, or when ``hurry`` says so.

        Records of the same ms may share a wave. Of one that goes before its time the scheduled time is now.
        """
        scheduled, wave, wave_ms = 0.0, list[Item](), 0
        now = self._clock()
        for send_ms, record in planned:
            due = self._start + send_ms / 1_000
            if wave and (due > now or send_ms != wave_ms):
                yield scheduled, wave
                wave = []
            if due > now:
                now = self._wait(due, hurry)
            if not wave:
                scheduled, wave_ms = min(due, now), send_ms
            wave.append(record)
        if wave:
            yield scheduled, wave

    def _wait(self, due: float, hurry: Callable[[], bool]) -> float:
        """Return the time after the wait."""
        while (now := self._clock()) < due and not hurry():
            self._idle(min(max(due - now, _LEAST_S), _SLICE_S))
        return now


class MaxSpeed:
    """No pacing: every record is due when its turn comes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def waves(self, planned: Iterable[tuple[int, Item]], hurry: Callable[[], bool]) -> Iterator[Wave[Item]]:
        """Yield the records as they come, scheduled now."""
        remaining = iter(planned)
        while wave := [record for _, record in islice(remaining, _WAVE_AT_FULL_SPEED)]:
            yield self._clock(), wave


class Punctuality:
    """What became of the schedule: records behind it, the worst of them, and delivery latencies, all in ms."""

    def __init__(self) -> None:
        self.behind = 0
        self.worst_behind_ms = 0.0
        self._latencies: Counter[int] = Counter()

    def sent(self, behind_s: float, records: int) -> None:
        """Count records that Kafka's client took so many seconds after their scheduled time."""
        if behind_s > TOLERANCE_S:
            self.behind += records
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

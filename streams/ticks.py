"""Ticks: punctuation for quiet partitions, so that no window waits for a visitor who does not come."""

from streams.windows import PANE_MS
from streams.windows.exact import floor_to
from streams.windows.partition import NO_WATERMARK
from tidemark.logs import get_logger

log = get_logger("streams.ticks")

#: A partition gets no second tick before so long; less than a pane, so that each pane can have its own.
RESEND_MS = 3_000


class BrokerClock:
    """The broker's clock: the append time of the newest record, carried on by a monotonic clock (both ms)."""

    def __init__(self) -> None:
        self._ahead: int | None = None

    def observe(self, append_time: int, monotonic: int) -> None:
        """Take the append time of a record that was read just now: the broker's clock is there already, or further."""
        ahead = append_time - monotonic
        self._ahead = ahead if self._ahead is None else max(ahead, self._ahead)

    def now(self, monotonic: int) -> int | None:
        """Return the broker's time; None before anything was observed."""
        return None if self._ahead is None else monotonic + self._ahead


class Ticks:
    """Decides which caught-up partitions need a tick. Times are ms of a monotonic clock, given as arguments."""

    def __init__(self, *, lateness_ms: int, pause_ms: int) -> None:
        self.clock = BrokerClock()
        self._lateness_ms = lateness_ms
        self._pause_ms = pause_ms
        self._paused_until = 0
        self._sent: dict[int, int] = {}

    def broker_lost(self, monotonic: int) -> None:
        """Hold all ticks for a while: events that wait at their producers must not be made late."""
        if monotonic >= self._paused_until:
            log.warning("broker lost: no ticks for a while", seconds=self._pause_ms / 1000)
        self._paused_until = monotonic + self._pause_ms

    def is_due(self, partition: int, watermark: int, monotonic: int) -> bool:
        """Say whether a partition needs a tick now: the end of its open pane + lateness is past on the broker's clock.

        A partition without any record gets one at once, for its append time; so does any while the broker's clock is
        not known, which happens when a worker goes on where it stood and nothing new comes.
        """
        if monotonic < self._paused_until:
            return False
        sent = self._sent.get(partition)
        if sent is not None and monotonic - sent < RESEND_MS:
            return False
        if watermark != NO_WATERMARK:
            now = self.clock.now(monotonic)
            if now is not None and now <= floor_to(watermark, PANE_MS) + PANE_MS + self._lateness_ms:
                return False
        self._sent[partition] = monotonic
        return True

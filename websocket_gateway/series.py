"""The windows of one metric of one site that the gateway remembers: from updates to what is shown at a moment. Pure."""

from bisect import bisect_right, insort

from tidemark.results import MetricUpdate

#: Events may lie 5 minutes ahead: that is 61 tumbling windows. Whatever is open beyond that is dropped.
MAX_OPEN = 64


class Series:
    """One metric's last ``points`` windows that have ended, and the open ones.

    Time is an argument (ms): a window with ``window_end`` ≤ now has ended, whether or not its result is final.
    """

    def __init__(self, points: int) -> None:
        self._points = points
        self._updates: dict[int, MetricUpdate] = {}
        self._ends: list[int] = []

    def take(self, update: MetricUpdate, now: int) -> bool:
        """Keep an update if it is news (MetricUpdate.supersedes) about a window that is kept; say whether."""
        end = update.window_end
        known = self._updates.get(end)
        if not update.supersedes(known):
            return False
        self._updates[end] = update
        if known is None:
            insort(self._ends, end)
            self._forget(now)
        return end in self._updates

    def ended(self, now: int) -> MetricUpdate | None:
        """Return the newest window that has ended."""
        ended = bisect_right(self._ends, now)
        return self._updates[self._ends[ended - 1]] if ended else None

    def current(self, now: int) -> MetricUpdate | None:
        """Return the window that contains now; of several (sliding ones) the one that ends first."""
        still_open = (self._updates[end] for end in self._ends[bisect_right(self._ends, now) :])
        return next((update for update in still_open if update.window_start <= now), None)

    def points(self, now: int) -> list[MetricUpdate]:
        """Return the windows that have ended, oldest first."""
        return [self._updates[end] for end in self._ends[: bisect_right(self._ends, now)][-self._points :]]

    def next_turn(self, now: int) -> int | None:
        """Return when (ms) a window starts or ends next, so that something else is to be shown; None if none does."""
        still_open = (self._updates[end] for end in self._ends[bisect_right(self._ends, now) :])
        return min((u.window_start if u.window_start > now else u.window_end for u in still_open), default=None)

    def _forget(self, now: int) -> None:
        ended = bisect_right(self._ends, now)
        for end in self._ends[: max(0, ended - self._points)] + self._ends[ended + MAX_OPEN :]:
            del self._updates[end]
            self._ends.remove(end)

"""The windows of one metric of one site that the gateway remembers: from updates to what is shown at a moment. Pure."""

from bisect import bisect_right, insort

from tidemark.results import MetricUpdate

#: Events may lie 5 minutes ahead: that is 61 tumbling windows. Whatever is open beyond that is dropped.
MAX_OPEN = 64
#: Older than every state: what has changed since then is everything.
NOTHING_SENT = -1


class Series:
    """One metric's last ``points`` windows that have ended, and the open ones.

    Time is an argument (ms): a window with ``window_end`` ≤ now has ended, whether or not its result is final.
    ``turn`` makes a numbered state of what has ended. ``newest``: the last state in which such a window changed.
    ``forgotten``: the last in which one changed that is no longer kept; what came after it is known in full.
    """

    def __init__(self, points: int) -> None:
        self.newest = NOTHING_SENT
        self.forgotten = NOTHING_SENT
        self._points = points
        self._updates: dict[int, MetricUpdate] = {}
        self._ends: list[int] = []
        self._offsets: dict[int, int] = {}
        self._untold: set[int] = set()
        self._forgot_untold = False
        self._turned_at = -1

    def take(self, update: MetricUpdate, now: int) -> bool:
        """Keep an update if it is news (MetricUpdate.supersedes) about a window that is kept; say whether."""
        end = update.window_end
        known = self._updates.get(end)
        if not update.supersedes(known):
            return False
        self._updates[end] = update
        self._untold.add(end)
        if known is None:
            insort(self._ends, end)
            self._forget(now, end)
        return end in self._updates

    def turn(self, now: int, offset: int) -> None:
        """Note that the windows that have ended, or changed after that, since the last turn are of this state."""
        ended = bisect_right(self._ends, now)
        changed = {end for end in self._untold if end <= now}
        changed.update(self._ends[bisect_right(self._ends, self._turned_at) : ended])
        if changed:
            self._offsets.update(dict.fromkeys(changed, offset))
            self.newest = offset
        if self._forgot_untold:
            self.forgotten, self._forgot_untold = offset, False
        self._untold.clear()
        self._turned_at = now

    def changed(self, since: int, now: int) -> list[MetricUpdate]:
        """Return the windows that changed after the state ``since``, in order; the next turn's are none of them."""
        ended = self._ends[: bisect_right(self._ends, now)]
        offsets = ((end, self._offsets.get(end, NOTHING_SENT)) for end in ended if end not in self._untold)
        return [self._updates[end] for end, offset in offsets if offset > since]

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

    def _forget(self, now: int, taken: int) -> None:
        ended = bisect_right(self._ends, now)
        outdated = self._ends[: max(0, ended - self._points)]
        for end in outdated + self._ends[ended + MAX_OPEN :]:
            del self._updates[end]
            self._ends.remove(end)
            offset = self._offsets.pop(end, NOTHING_SENT)
            if end in outdated and end != taken:
                self.forgotten = max(self.forgotten, offset)
                self._forgot_untold |= end in self._untold or offset == NOTHING_SENT
            self._untold.discard(end)

"""Which event ids were accepted lately: packed ids, forgotten when the watermark is 10 min past their event."""

from streams.windows import DUPLICATE_MS, PANE_MS


class AcceptedIds:
    """The ids of one partition's accepted events."""

    def __init__(self) -> None:
        self._times: dict[bytes, int] = {}
        self._by_pane: dict[int, list[bytes]] = {}

    def has(self, packed_id: bytes, watermark: int) -> bool:
        """Say whether the id was accepted and the watermark has not reached its event's time + 10 min."""
        time = self._times.get(packed_id)
        return time is not None and watermark < time + DUPLICATE_MS

    def add(self, packed_id: bytes, time: int, pane_end: int) -> None:
        """Remember an accepted event's id; ``time`` lies in the pane that ends at ``pane_end`` (ms)."""
        self._times[packed_id] = time
        self._by_pane.setdefault(pane_end, []).append(packed_id)

    def forget(self, now: int) -> None:
        """Forget the ids of the pane whose last remembered moment ends at ``now`` (see ``forget_at``)."""
        for packed_id in self._by_pane.pop(now - DUPLICATE_MS, ()):
            # An id may have been accepted again, with a later time.
            if self._times.get(packed_id, now) + DUPLICATE_MS <= now:
                del self._times[packed_id]

    def __len__(self) -> int:
        return len(self._times)


def forget_at(pane_end: int) -> int:
    """Return when the ids of a pane can be forgotten: its end + 10 min (ms)."""
    assert pane_end % PANE_MS == 0
    return pane_end + DUPLICATE_MS

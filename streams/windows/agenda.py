"""When something closes next: the ends (ms) at which a partition has something to do, each once, in order."""

import heapq
from collections.abc import Iterator


class Agenda:
    """A set of times taken out in order; most time between two records is skipped at no cost."""

    def __init__(self) -> None:
        self._heap: list[int] = []
        self._planned: set[int] = set()

    def add(self, end: int) -> None:
        """Plan ``end``, once."""
        if end not in self._planned:
            self._planned.add(end)
            heapq.heappush(self._heap, end)

    def until(self, time: int) -> Iterator[int]:
        """Take out every end ≤ ``time``, in order; ends that are planned meanwhile are included, each once."""
        while self._heap and self._heap[0] <= time:
            end = heapq.heappop(self._heap)
            yield end
            # Only now: what closes at this end may plan it again, but it must not close twice.
            self._planned.discard(end)

    def __len__(self) -> int:
        return len(self._heap)

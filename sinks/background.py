"""Batches on their way to the store in threads: a request costs it a sync to disk, and it syncs for several at once."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from sinks.batch import Batch, Point, Rejected, UnavailableError

#: More gain nothing.
REQUESTS = 8


class BackgroundWriter:
    """Writes up to ``REQUESTS`` batches at a time; they are finished in the order in which they were begun.

    They may be written in any order: whenever a point is written again, it is the same.
    """

    def __init__(self, write: Callable[[list[Point]], list[Rejected]]) -> None:
        self._write = write
        self._threads = ThreadPoolExecutor(REQUESTS, "background-writer")
        self._under_way: deque[tuple[Batch, Future[list[Rejected]]]] = deque()

    def begin(self, batch: Batch) -> None:
        """Take all that ``batch`` holds and begin to write it."""
        taken = batch.take()
        self._under_way.append((taken, self._threads.submit(self._write, taken.points)))

    def is_busy(self) -> bool:
        """Say whether as many batches are under way as can be."""
        return len(self._under_way) >= REQUESTS

    def is_at_work(self) -> bool:
        """Say whether any batch is under way."""
        return bool(self._under_way)

    def next_after(self, batch: Batch) -> Batch:
        """Return what will be committed next: the oldest batch under way, ``batch`` if there is none."""
        return self._under_way[0][0] if self._under_way else batch

    def done(self) -> bool:
        """Say whether ``finish`` has something to return and need not wait for it."""
        return bool(self._under_way) and self._under_way[0][1].done()

    def finish(self, batch: Batch) -> Batch:
        """Wait for the oldest batch under way and return it, the refused records added to its rejected.

        It is empty when nothing is under way. Raises UnavailableError when the store could not take it; then ``batch``
        holds it and those after it again, before its own.
        """
        if not self._under_way:
            return Batch()
        taken, writing = self._under_way.popleft()
        try:
            taken.rejected += writing.result()
        except UnavailableError:
            wait([later for _, later in self._under_way])
            while self._under_way:
                batch.give_back(self._under_way.pop()[0])
            batch.give_back(taken)
            raise
        return taken

    def drop(self) -> None:
        """Forget what is under way; it may get written all the same."""
        self._under_way.clear()

    def close(self) -> None:
        """End the threads, after the requests they wait for."""
        self._threads.shutdown()

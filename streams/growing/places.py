"""Which partition a visitor's state goes to. Pure."""

from collections.abc import Callable

#: The platform's partitioner: a key and the number of partitions → the partition.
Partitioner = Callable[[bytes, int], int]


class Places:
    """From ``sources`` partitions to ``targets``, which are more.

    A visitor goes where their next events go. A mis-keyed one, in a partition that is not theirs, counts there as
    another visitor of the same name, and does so afterwards: they go where nobody else of that name is.
    """

    def __init__(self, sources: int, targets: int, partitioner: Partitioner) -> None:
        assert sources < targets
        self.sources = sources
        self.targets = targets
        self._partitioner = partitioner
        self._known: dict[str, tuple[int, int]] = {}

    def of(self, source: int, visitor: str) -> int:
        """Return the new partition of a visitor whose state is in a source partition."""
        known = self._known.get(visitor)
        if known is None:
            key = visitor.encode()
            known = self._known[visitor] = self._partitioner(key, self.sources), self._partitioner(key, self.targets)
        before, after = known
        return after if before == source else (after + 1 + source) % self.targets

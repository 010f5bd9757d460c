"""``tidemark grow``: the states of an installation, told apart by visitor, go to one with more source partitions.

``standing`` reads where the old installation stands and refuses what cannot be carried over exactly; ``finishing`` does
what its last workers have left, and sends those results; ``places``, ``sources``, ``ids`` and ``merges`` are pure and
make the new checkpoints of the old; ``writing`` writes them.
"""


class CannotGrow(Exception):
    """The states cannot be carried over as things stand; the text says why, and what to do."""

"""The ``meta`` entry of a merge partition's checkpoint: what belongs to no site."""

from msgspec import Struct

from streams.windows.checkpoint import MadeWith


class MergeMeta(Struct):
    """Where the partition stands; of each source partition the first watermark, and the pairs that finals need."""

    made_with: MadeWith
    offset: int
    boundary: int | None
    whole: bool
    progress: list[tuple[int | None, list[tuple[int, int]]]]

"""Which 60 s windows, one every 10 s, a pane lies in."""

from streams.windows import PANE_MS, SLIDE_MS, SLIDING_MS
from streams.windows.exact import ceil_to


def window_ends(pane_end: int) -> range:
    """Return the ends of the six windows [end − 60 s, end) that contain the pane."""
    first = ceil_to(pane_end, SLIDE_MS)
    return range(first, first + SLIDING_MS, SLIDE_MS)


def last_panes(end: int) -> range:
    """Return the ends of the panes whose last window is the one that ends at ``end``, a multiple of 10 s."""
    start = end - SLIDING_MS
    return range(start + PANE_MS, start + SLIDE_MS + 1, PANE_MS)

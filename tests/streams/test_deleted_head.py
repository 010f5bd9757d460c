"""A merge whose log has lost its head to retention repeats only finals that it knows whole."""

from streams.windows.merge import MergeWindows
from streams.windows.partition import PartitionWindows
from tests.support.reference import DEFAULT_FUNNEL
from tests.support.stages import ALL, LATENESS_MS, consumed
from tests.support.timeline import log_of, timeline
from tidemark.results import MetricUpdate

#: Twenty minutes in which somebody views a page every 2 s and a third visitor comes now and then.
DRAWING = f"""
    ann   {"P" * 600}
    bob   {"a..b.C....." * 54}
"""


def finals(merge: MergeWindows, half: int) -> dict[tuple[str, int], MetricUpdate]:
    """Put the log's partials, from this half on, through the merge."""
    windows = PartitionWindows(0, lateness_ms=LATENESS_MS, funnel=DEFAULT_FUNNEL)
    log = log_of(timeline(DRAWING, step_ms=2_000))
    found = {}
    for number, record in enumerate(log):
        out = windows.feed([consumed(record)])
        early = list(windows.early(1_000 * number, ALL))
        if number >= half * len(log) // 2:
            for partial in (*out.partials, *early):
                merge.add(partial)
            merge.progress(0, out.progress)
            found.update({(final.metric, final.window_start): final for final in merge.finals()})
    return found


def test_finals_of_a_log_without_its_head_are_those_of_the_whole_log() -> None:
    whole = finals(MergeWindows(1), half=0)
    rest = finals(MergeWindows(1, whole=False), half=1)
    assert len(rest) > 100
    assert all(whole[key] == final for key, final in rest.items())


def test_without_knowing_of_the_lost_head_they_would_differ() -> None:
    whole = finals(MergeWindows(1), half=0)
    rest = finals(MergeWindows(1), half=1)
    assert any(whole[key] != final for key, final in rest.items())

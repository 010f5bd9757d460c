"""Early results of a partition are what its open windows would be if nothing more came."""

import random
from collections.abc import Iterable
from typing import Any

import pytest

from streams.windows.early import LATER_MS
from streams.windows.partials import PanePart, SitePartial, SlidingPart
from streams.windows.partition import PartitionWindows
from tests.support.random_streams import seeded_log
from tests.support.reference import DEFAULT_FUNNEL, LogRecord
from tests.support.stages import ALL, LATENESS_MS, consumed
from tests.support.timeline import log_of, timeline

LATER = 10**14


class Told:
    """What partials say of each window: its newest sums, and the largest count of each url and country."""

    def __init__(self) -> None:
        self.windows: dict[tuple[str, str, int], Any] = {}
        self.counts: dict[tuple[str, str, int, str], int] = {}

    def add(self, partial: SitePartial) -> None:
        parts: tuple[PanePart | SlidingPart, ...] = (*partial.panes, *partial.sliding)
        for part in parts:
            self.windows[type(part).__name__, partial.site, part.end] = part
        for name, by_end in (("urls", partial.urls), ("countries", partial.countries)):
            for end, counts in by_end.items():
                for key, count in counts.items():
                    known = self.counts.get((name, partial.site, end, key), 0)
                    self.counts[name, partial.site, end, key] = max(known, count)

    def add_all(self, partials: Iterable[SitePartial]) -> None:
        for partial in partials:
            self.add(partial)

    def since(self, time: int) -> tuple[dict[Any, Any], dict[Any, int]]:
        """Return what was told of windows that end after ``time``."""
        windows = {key: part for key, part in self.windows.items() if key[2] > time}
        return windows, {key: count for key, count in self.counts.items() if key[2] > time}


def if_nothing_more_came(saved: dict[bytes, bytes]) -> Told:
    windows = PartitionWindows.restored(saved, 0, lateness_ms=LATENESS_MS, funnel=DEFAULT_FUNNEL)
    tick = consumed(LogRecord(0, windows.offset, LATER, None, tick=True))
    told = Told()
    told.add_all(windows.feed([tick]).partials)
    return told


@pytest.mark.parametrize("seed", range(8))
def test_early_results_are_what_the_windows_would_be_if_nothing_more_came(seed: int) -> None:
    chance = random.Random(seed)
    log = [record for record in seeded_log(seed, 400, partitions=1, past_dated=True) if not record.tick]
    windows = PartitionWindows(0, lateness_ms=LATENESS_MS, funnel=DEFAULT_FUNNEL)
    told, saved, looked, now = Told(), dict[bytes, bytes](), 0, 0
    while log:
        cut = chance.choice([1, 2, 5, 20])
        batch, log = log[:cut], log[cut:]
        told.add_all(windows.feed([consumed(record) for record in batch]).partials)
        if chance.random() < 0.7:
            told.add_all(windows.early(now, chance.choice([1, 2, ALL])))
        for key, value in windows.changes():
            if value is None:
                del saved[key]
            else:
                saved[key] = value
        now += chance.choice([0, 20, 300])
        if chance.random() < 0.5:
            told.add_all(windows.early(now, ALL))
            now += LATER_MS
            told.add_all(windows.early(now, ALL))
            expected = if_nothing_more_came(saved).since(windows.watermark)
            assert told.since(windows.watermark) == expected
            looked += len(expected[0])
    assert looked > 20


def test_only_the_window_that_is_shown_is_told_at_once_and_the_others_once_in_a_while() -> None:
    windows = PartitionWindows(0, lateness_ms=LATENESS_MS, funnel=DEFAULT_FUNNEL)
    first, second, third = map(consumed, log_of(timeline("ann PPP", start_ms=11_000)))
    ends = []
    for now, batch in ((0, [first]), (20, [second]), (LATER_MS, [third]), (LATER_MS + 20, [])):
        windows.feed(batch)
        ends.append([[part.end for part in partial.sliding] for partial in windows.early(now, ALL)])
    shown, every = [20_000], [20_000, 30_000, 40_000, 50_000, 60_000, 70_000]
    assert ends == [[shown], [shown], [every], []]


def test_sites_have_their_turn_one_after_another() -> None:
    windows = PartitionWindows(0, lateness_ms=LATENESS_MS, funnel=DEFAULT_FUNNEL)
    drawing = """
        a:ann  PPPP
        b:bob  P
        c:cid  P
    """
    log = [consumed(record) for record in log_of(timeline(drawing, start_ms=11_000))]
    windows.feed(log[:3])
    sites = []
    for now, record in enumerate(log[3:]):
        windows.feed([record])
        sites += [partial.site for partial in windows.early(now, 1)]
    assert sites == ["a", "b", "c"]

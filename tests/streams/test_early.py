"""Early results of a partition are what its open windows would be if nothing more came."""

import random
from typing import Any

import pytest

from streams.windows.partials import PanePart, SitePartial, SlidingPart
from streams.windows.partition import PartitionWindows
from tests.support.random_streams import seeded_log
from tests.support.reference import DEFAULT_FUNNEL, LogRecord
from tests.support.stages import LATENESS_MS, consumed

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

    def since(self, time: int) -> tuple[dict[Any, Any], dict[Any, int]]:
        """Return what was told of windows that end after ``time``."""
        windows = {key: part for key, part in self.windows.items() if key[2] > time}
        return windows, {key: count for key, count in self.counts.items() if key[2] > time}


def if_nothing_more_came(saved: dict[bytes, bytes]) -> Told:
    windows = PartitionWindows.restored(saved, 0, lateness_ms=LATENESS_MS, funnel=DEFAULT_FUNNEL)
    tick = consumed(LogRecord(0, windows.offset, LATER, None, tick=True))
    told = Told()
    for partial in windows.feed([tick]).partials:
        told.add(partial)
    return told


@pytest.mark.parametrize("seed", range(8))
def test_early_results_are_what_the_windows_would_be_if_nothing_more_came(seed: int) -> None:
    chance = random.Random(seed)
    log = [record for record in seeded_log(seed, 400, partitions=1, past_dated=True) if not record.tick]
    windows = PartitionWindows(0, lateness_ms=LATENESS_MS, funnel=DEFAULT_FUNNEL)
    told, saved, looked = Told(), dict[bytes, bytes](), 0
    while log:
        cut = chance.choice([1, 2, 5, 20])
        batch, log = log[:cut], log[cut:]
        for partial in windows.feed([consumed(record) for record in batch]).partials:
            told.add(partial)
        for partial in windows.early():
            told.add(partial)
        for key, value in windows.changes():
            if value is None:
                del saved[key]
            else:
                saved[key] = value
        if chance.random() < 0.5:
            expected = if_nothing_more_came(saved).since(windows.watermark)
            assert told.since(windows.watermark) == expected
            looked += len(expected[0])
    assert looked > 20

"""Checkpoints of the merge: what changed, folded, is the state; going on from it equals an uninterrupted run."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.windows import checkpoint, partials
from streams.windows.checkpoint import META, StateError
from streams.windows.merge import MergeWindows
from streams.windows.partials import Marker, PanePart, SitePartial, SlidingPart
from streams.windows.partition import PartitionWindows
from tests.support.random_streams import logs, seeded_log
from tests.support.reference import DEFAULT_FUNNEL, LogRecord
from tests.support.stages import ALL, LATENESS_MS, PARTITIONS, consumed
from tidemark.results import MetricUpdate

#: What is on metric-partials: everything closed, 40 minutes after the last event.
Wire = list[bytes]


def wire(log: list[LogRecord], chance: random.Random) -> Wire:
    """Return a merge's log: what the partitions send, each in its order, early partials in between."""
    windows = [PartitionWindows(each, lateness_ms=LATENESS_MS, funnel=DEFAULT_FUNNEL) for each in range(PARTITIONS)]
    sent: list[Wire] = [[] for _ in windows]
    for now, record in enumerate(log):
        out = windows[record.partition].feed([consumed(record)])
        early = list(windows[record.partition].early(100 * now, ALL)) if chance.randrange(3) == 0 else []
        several = [chunk for partial in (*out.partials, *early) for chunk in partial.chunks()]
        sent[record.partition] += map(partials.encode, [*several, Marker(record.partition, out.progress)])
    mixed: Wire = []
    while any(sent):
        source = chance.choice([each for each in sent if each])
        mixed.append(source.pop(0))
    return mixed


def take(merge: MergeWindows, records: Wire) -> list[MetricUpdate]:
    """Put the next records through a merge, one by one; return its finals."""
    finals: list[MetricUpdate] = []
    for record in records:
        merge.offset += 1
        message = partials.decode(record)
        if isinstance(message, Marker):
            merge.progress(message.partition, message.progress)
        else:
            merge.add(message)
        finals += merge.finals()
    return finals


def fold(entries: dict[bytes, bytes], changes: checkpoint.Changes) -> None:
    for key, value in changes:
        if value is None:
            del entries[key]  # what was never written must not be said to be over
        else:
            entries[key] = value


@settings(max_examples=60, deadline=None)
@given(log=logs(partitions=PARTITIONS), chance=st.integers(0, 2**32).map(random.Random))
def test_a_merge_killed_anywhere_gives_the_same_finals(log: list[LogRecord], chance: random.Random) -> None:
    records = wire(log, chance)
    whole = take(MergeWindows(PARTITIONS), records)
    merge, entries, seen = MergeWindows(PARTITIONS), dict[bytes, bytes](), list[MetricUpdate]()
    while merge.offset < len(records):
        seen += take(merge, records[merge.offset : merge.offset + chance.choice([1, 2, 5, 20])])
        if chance.randrange(2):
            fold(entries, merge.changes())
        if entries and chance.randrange(4) == 0:
            merge = MergeWindows.restored(entries, PARTITIONS)
    assert {(one.site_id, one.metric, one.window_start) for one in seen} == {
        (one.site_id, one.metric, one.window_start) for one in whole
    }
    assert all(final in whole for final in seen)


@pytest.mark.parametrize("seed", range(4))
def test_after_everything_is_over_only_the_place_is_left(seed: int) -> None:
    chance = random.Random(seed)
    merge, entries = MergeWindows(PARTITIONS), dict[bytes, bytes]()
    most = 0
    for record in wire(seeded_log(seed, 300, partitions=PARTITIONS), chance):
        take(merge, [record])
        if chance.randrange(10) == 0:
            fold(entries, merge.changes())
            most = max(most, len(entries))
            merge = MergeWindows.restored(entries, PARTITIONS)
    fold(entries, merge.changes())
    assert most > 10
    assert entries.keys() == {META}
    assert merge.changes() == []


def test_a_checkpoint_costs_what_changed() -> None:
    merge = MergeWindows(1)
    for site in range(100):
        merge.add(partial_of(f"s{site}", 1))
    assert len(merge.changes()) == 1 + 100 * 5
    merge.add(partial_of("s7", 2))
    merge.offset += 1
    assert sorted(key for key, _ in merge.changes()) == [b'["pane","s7",5000]', b'["sliding","s7",60000]', META]
    assert merge.changes() == []


def test_what_came_and_went_between_two_checkpoints_is_not_written() -> None:
    merge = MergeWindows(1)
    merge.add(partial_of("s", 1))
    merge.progress(0, [(3 * 3_600_000, 1)])
    assert list(merge.finals())
    assert [key for key, _ in merge.changes()] == [META]


def partial_of(site: str, revision: int) -> SitePartial:
    """A pane and a window with a url and a country; a sum no 64 bits can hold."""
    return SitePartial(
        site=site,
        partition=0,
        revision=revision,
        panes=[PanePart(5_000, 1, 1, 1, 1, 1, 0, 1)],
        sliding=[SlidingPart(60_000, 1, 1, 1, 10**30)],
        urls={5_000: {"/": 1}},
        countries={60_000: {"DE": 1}},
        outcomes={5_000: {"accepted": 1, "late": 2}},
    )


def test_urls_that_come_before_their_sums_are_kept_when_another_site_closes() -> None:
    merge = MergeWindows(1)
    merge.add(SitePartial(site="new", partition=0, revision=9, urls={5_000_000: {"/": 3}}))
    merge.add(partial_of("old", 1))
    merge.progress(0, [(4_900_000, 8)])
    list(merge.finals())
    assert not merge.is_empty()
    merge.add(
        SitePartial(site="new", partition=0, revision=9, panes=[PanePart(5_000_000, 3, 1, 1, 1, 0, 0, 4_999_999)])
    )
    merge.progress(0, [(6_000_000, 10)])
    tops = [final for final in merge.finals() if final.metric == "popular_content" and final.site_id == "new"]
    assert sum(top.value for top in tops) == 6 * 3


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        (
            {META: b'{"made_with":{"kind":"merge","layout":2,"partitions":12}}'},
            "made with partitions 12, this worker has partitions 3",
        ),
        ({META: b'{"made_with":{"kind":"merge","layout":1,"partitions":3}}'}, "layout 1, this worker has layout 2"),
        ({META: b'{"made_with":{"kind":"source"}}'}, "kind source, layout not given"),
        ({META: b"\x80"}, "does not say what it was made with"),
        ({b"x": b""}, "not the one that says where it stands"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(entries: dict[bytes, bytes], says: str) -> None:
    with pytest.raises(StateError, match=says):
        MergeWindows.restored(entries, 3)

"""Where the events of a site went: what events_by_outcome counts, and in which window; worked out by hand."""

import random
from collections import Counter, defaultdict

import pytest

from streams.windows.merge import MergeWindows
from streams.windows.partition import PartitionWindows
from tests.support.random_streams import seeded_log
from tests.support.reference import DEFAULT_FUNNEL, LogRecord
from tests.support.stages import LATENESS_MS, PARTITIONS, Results, consumed, run
from tests.support.timeline import timeline
from tidemark.events import encode_event
from tidemark.results import ACTIVE_USERS, EVENTS_BY_OUTCOME, MetricUpdate

#: Each site's lists by the start of their window (s).
Lists = dict[str, dict[int, list[tuple[str, int]]]]

MINUTE = 60_000


def log(*records: tuple[int, bytes | None], until: int) -> list[LogRecord]:
    """Return one partition's log of (append time, value), with a tick that brings the watermark to ``until``."""
    appended = [LogRecord(0, offset, at, value) for offset, (at, value) in enumerate(records)]
    return [*appended, LogRecord(0, len(appended), until + LATENESS_MS, None, tick=True)]


def lists(results: Results) -> Lists:
    found: Lists = defaultdict(dict)
    for final in results.finals:
        if final.metric == EVENTS_BY_OUTCOME:
            entries = [(entry.key, entry.value) for entry in final.dimensions or ()]
            assert (final.count, final.value) == (len(entries), sum(count for _, count in entries))
            found[final.site_id][final.window_start // 1_000] = entries
    return found


def lists_of(records: list[LogRecord]) -> Lists:
    return lists(run(records, random.Random(1), partitions=1).results)


def events(drawing: str) -> list[bytes]:
    return [encode_event(event) for event in timeline(drawing)]


def test_accepted_events_count_in_the_window_of_their_time() -> None:
    first, second, third = events("ann P...P|P")
    assert lists_of(log((1_000, first), (6_000, second), (6_000, third), until=10_000)) == {
        "default": {0: [("accepted", 2)], 5: [("accepted", 1)]}
    }


def test_others_count_in_the_window_of_their_append_time_in_a_fixed_order() -> None:
    first, second, late = events("ann P.....\nshop:bob P.......\nshop:cid P......")
    current = timeline("shop:dan P", start_ms=13_000)[0]
    current.event_id = current.event_id.replace("8000", "8001")
    found = lists_of(
        log(
            (100, first),
            (200, second),
            (1_000, second),  # a duplicate
            (6_000, b'{"siteId":"shop"'),  # cut short: nothing can be read of it
            (6_500, b'{"siteId":"shop","timestamp":1}'),
            (13_000, encode_event(current)),
            (14_000, b'{"siteId":"shop","timestamp":true}'),
            (14_500, second),
            (14_600, late),
            until=15_000,
        )
    )
    assert found == {
        "default": {0: [("accepted", 1)], 5: [("undecodable", 1)], 10: []},
        "shop": {
            0: [("accepted", 1), ("duplicate", 1)],
            5: [("invalid_field", 1)],
            10: [("accepted", 1), ("duplicate", 1), ("late", 1), ("invalid_field", 1)],
        },
    }


def test_an_append_time_whose_window_has_closed_counts_in_the_first_that_is_open() -> None:
    """The broker's clock may go back, and its leader may change; what is final stays so."""
    [first] = events("ann P")
    wrong = b"[]"
    records = log((0, first), until=9_999)
    assert lists_of([*records, LogRecord(0, 2, 1_000, wrong), LogRecord(0, 3, 17_000, None, tick=True)]) == {
        "default": {0: [("accepted", 1)], 5: [("invalid_field", 1)], 10: []}
    }
    records = log((0, first), until=10_000)
    assert lists_of([*records, LogRecord(0, 2, 1_000, wrong), LogRecord(0, 3, 17_000, None, tick=True)]) == {
        "default": {0: [("accepted", 1)], 5: [], 10: [("invalid_field", 1)]}
    }


@pytest.mark.parametrize(
    ("value", "site"),
    [
        (None, "default"),
        (b"\xff", "default"),
        (b'{"siteId":"shop"', "default"),
        (b'{"siteId":"shop","x":"\xff"}', "default"),
        (b'[{"siteId":"shop"}]', "default"),
        (b'{"siteId":7}', "default"),
        (b'{"siteId":""}', "default"),
        (b'{"siteId":null}', "default"),
        (b'{"siteId":"%s"}' % (b"x" * 65), "default"),
        (b'{"pageViewData":{"siteId":"shop"}}', "default"),
        (b'{"siteId":"%s"}' % (b"x" * 64), "x" * 64),
        (b'{"siteId":"shop"}', "shop"),
        (b'{"siteId":7,"siteId":"shop","more":1e400}', "shop"),
    ],
)
def test_a_record_that_is_no_event_counts_for_the_site_that_can_be_read(value: bytes | None, site: str) -> None:
    assert lists_of(log((0, value), until=5_000)).keys() == {site}


def test_an_event_too_far_ahead_counts_where_it_was_appended() -> None:
    [ahead] = timeline("shop:ann P", start_ms=5 * MINUTE + 1_001)
    assert lists_of(log((1_000, encode_event(ahead)), until=5_000)) == {"shop": {0: [("future_timestamp", 1)]}}


def test_a_site_of_which_nothing_was_accepted_gets_no_other_final() -> None:
    results = run(log((0, b'{"siteId":"shop"}'), until=40 * MINUTE), random.Random(1), partitions=1).results
    assert [(final.metric, final.window_start) for final in results.finals] == [(EVENTS_BY_OUTCOME, 0)]


def test_there_is_a_list_whenever_there_are_the_other_numbers_of_the_window() -> None:
    results = run(log((0, events("ann P")[0]), until=40 * MINUTE), random.Random(1), partitions=1).results
    starts = [final.window_start // 1_000 for final in results.finals if final.metric == ACTIVE_USERS]
    assert lists(results) == {"default": {start: [("accepted", 1)] if start == 0 else [] for start in starts}}
    assert len(starts) == 30 * 12


@pytest.mark.parametrize("seed", range(3))
def test_each_record_of_a_log_has_one_outcome(seed: int) -> None:
    records = seeded_log(seed, 300, partitions=PARTITIONS)
    results = run(records, random.Random(seed)).results
    counted = Counter[str]()
    for by_start in lists(results).values():
        for entries in by_start.values():
            counted.update(dict(entries))
    reasons = Counter(reason.lower() for reason in results.dead.values())
    assert counted == Counter(accepted=results.accepted, duplicate=results.duplicates) + reasons
    assert counted.total() == sum(not record.tick for record in records)
    assert len(counted) == 6


def test_what_was_rejected_before_a_restart_is_counted_after_it() -> None:
    [event] = events("shop:ann P")
    wrong = b'{"siteId":"shop"}'
    records = log((0, event), (0, event), (0, wrong), (0, wrong), (0, event), until=5_000)
    windows, entries = new_windows(), dict[bytes, bytes]()
    for number, record in enumerate(records):
        finals = merged(windows, record)
        assert (finals != []) == (number == len(records) - 1)
        for key, value in windows.changes():
            if value is None:
                del entries[key]
            else:
                entries[key] = value
        windows = PartitionWindows.restored(entries, 0, lateness_ms=LATENESS_MS, funnel=DEFAULT_FUNNEL)
    [final] = [final for final in finals if final.metric == EVENTS_BY_OUTCOME]
    assert {entry.key: entry.value for entry in final.dimensions or ()} == {
        "accepted": 1,
        "duplicate": 2,
        "invalid_field": 2,
    }
    assert not any(key.startswith(b"r") for key in entries)


def new_windows() -> PartitionWindows:
    return PartitionWindows(0, lateness_ms=LATENESS_MS, funnel=DEFAULT_FUNNEL)


def merged(windows: PartitionWindows, record: LogRecord) -> list[MetricUpdate]:
    """Feed a record; return the finals of what it closes."""
    merge, out = MergeWindows(1), windows.feed([consumed(record)])
    for partial in out.partials:
        merge.add(partial)
    merge.progress(0, out.progress)
    return list(merge.finals())

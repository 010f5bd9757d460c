"""The windows against the reference: any log, cut and interleaved anyhow, gives what docs/numbers.md asks for."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.windows.checkpoint import META
from streams.windows.partition import PartitionWindows
from tests.support.random_streams import logs, seeded_log
from tests.support.reference import DEFAULT_FUNNEL, Expected, LogRecord, reference
from tests.support.stages import LATENESS_MS, PARTITIONS, Results, by_key, run
from tests.support.timeline import event_id
from tidemark.results import EVENTS_BY_OUTCOME


def check(results: Results, expected: Expected) -> None:
    assert results.dead == expected.dead
    assert (results.accepted, results.duplicates) == (expected.accepted, expected.duplicates)
    assert len(results.sessions) == len(expected.sessions)
    assert {visit.visit_id: visit for visit in results.sessions} == expected.sessions
    for alert in results.alerts:
        assert alert.description
        alert.description = ""
    assert {alert.alert_id: alert for alert in results.alerts} == expected.alerts
    assert len(results.finals) == len(expected.finals)
    assert by_key(results.finals) == expected.finals


def check_revisions(results: Results) -> None:
    """Early revisions never go back and never exceed the final's; nothing comes after a final, or before some."""
    for (_, metric, _), updates in results.updates.items():
        assert metric != EVENTS_BY_OUTCOME or len(updates) == 1
        for known, update in pairwise(updates):
            assert not known.final
            assert update.revision >= known.revision


chances = st.integers(0, 2**32).map(random.Random)


@settings(max_examples=120, deadline=None)
@given(log=logs(partitions=PARTITIONS), chance=chances)
def test_any_log_cut_anyhow_gives_what_the_reference_gives(log: list[LogRecord], chance: random.Random) -> None:
    results = run(log, chance).results
    check(results, reference(log, partitions=PARTITIONS))
    check_revisions(results)


@pytest.mark.parametrize("seed", range(4))
def test_a_long_random_log_gives_what_the_reference_gives(seed: int) -> None:
    log = seeded_log(seed, 500, partitions=PARTITIONS, past_dated=seed % 2 == 1)
    results = run(log, random.Random(seed)).results
    check(results, reference(log, partitions=PARTITIONS))
    check_revisions(results)


@settings(max_examples=40, deadline=None)
@given(log=logs(partitions=PARTITIONS), chance=chances)
def test_what_a_replay_sends_again_changes_nothing(log: list[LogRecord], chance: random.Random) -> None:
    stages = run(log, chance)
    finals, updates = len(stages.results.finals), stages.results.updates.copy()
    stages.results = Results(updates=updates)
    for partition in range(PARTITIONS):
        stages.windows[partition] = PartitionWindows(partition, lateness_ms=LATENESS_MS, funnel=DEFAULT_FUNNEL)
        records = [record for record in log if record.partition == partition]
        for cut in range(0, len(records), 5):
            stages.feed(partition, records[cut : cut + 5])
            stages.early_partials(partition)
            stages.arrive(partition, 1_000)
            for merge in stages.merges:
                stages.early(merge)
                stages.finals(merge)
    expected = reference(log, partitions=PARTITIONS)
    assert len(expected.finals) == finals
    assert stages.results.finals == []
    check_revisions(stages.results)
    check(replace(stages.results, finals=list(expected.finals.values())), expected)


# ---- What the reference need not be asked for


@dataclass(frozen=True)
class Plan:
    """Some visitors' events, all within a few minutes; each visitor has one key and so one partition.

    Every third event is sent twice.
    """

    events: list[dict[str, Any]]

    def log(self, chance: random.Random, partition_of: Callable[[str], int]) -> list[LogRecord]:
        """Append each event at most the lateness after its time; past-dated, so that only events move watermarks."""
        again = [*range(len(self.events)), *range(0, len(self.events), 3)]
        sent = sorted((self.events[n]["timestamp"] + chance.randint(0, LATENESS_MS), n) for n in again)
        offsets = [0] * PARTITIONS
        log = []
        for _, number in sent:
            event = self.events[number]
            partition = partition_of(event["userId"])
            log.append(LogRecord(partition, offsets[partition], 10**12, json.dumps(event).encode()))
            offsets[partition] += 1
        # Long after the last one: everything closes, the remembered ids too.
        end = 10**12 + 5_000 + LATENESS_MS
        return log + [LogRecord(each, offsets[each], end, None, tick=True) for each in range(PARTITIONS)]

    def page_views(self) -> int:
        return sum(event["eventType"] == "PAGE_VIEW" for event in self.events)


def _planned(number: int, time: int, site: str, user: str, kind: str, url: str, money: float) -> dict[str, Any]:
    return {
        "eventId": event_id(number),
        "timestamp": time,
        "eventType": kind,
        "siteId": site,
        "userId": user,
        "sessionId": "s",
        "pageViewData": {"url": url},
        "sessionData": {"country": url[1:2]},
        "conversionData": {"value": money},
    }


plans = st.lists(
    st.tuples(
        st.integers(0, 150_000) | st.sampled_from([0, 4_999, 5_000, 60_000, 1_800_000, 1_860_001]),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["u", "v", "w", "x"]),
        st.sampled_from(["PAGE_VIEW", "PAGE_VIEW", "PAGE_VIEW", "CONVERSION", "SESSION_END", "scroll"]),
        st.sampled_from(["/", "/products", "/é"]),
        st.sampled_from([0, 0.1, 0.2, 19.99, 1e15]),
    ),
    max_size=40,
).map(lambda rows: Plan([_planned(number, *row) for number, row in enumerate(rows)]))


def values(results: Results) -> tuple[object, ...]:
    """All results, but for the revisions: these tell of the log's order."""
    finals = {key: msgspec.structs.replace(final, revision=0) for key, final in by_key(results.finals).items()}
    sessions = {visit.visit_id: visit for visit in results.sessions}
    alerts = {alert.alert_id: alert for alert in results.alerts}
    return finals, sessions, alerts, results.accepted, results.duplicates, results.dead


@settings(max_examples=35, deadline=None)
@given(plan=plans, chance=chances)
def test_order_within_the_lateness_changes_no_value(plan: Plan, chance: random.Random) -> None:
    one, other = (run(plan.log(chance, lambda user: ord(user) % 2), chance) for _ in range(2))
    assert values(one.results) == values(other.results)
    assert one.results.accepted == len(plan.events)
    assert one.results.duplicates == len(plan.events[::3])


@settings(max_examples=35, deadline=None)
@given(plan=plans, chance=chances)
def test_another_split_over_the_partitions_changes_no_value(plan: Plan, chance: random.Random) -> None:
    one = run(plan.log(chance, lambda user: 0), chance)
    other = run(plan.log(chance, lambda user: ord(user) % PARTITIONS), chance)
    assert values(one.results) == values(other.results)


@settings(max_examples=35, deadline=None)
@given(plan=plans, chance=chances)
def test_each_event_is_counted_once_and_nothing_is_kept_of_it(plan: Plan, chance: random.Random) -> None:
    stages = run(plan.log(chance, lambda user: ord(user) % PARTITIONS), chance)
    finals = stages.results.finals
    assert sum(final.count for final in finals if final.metric == "page_views_per_second") == plan.page_views()
    assert sum(final.value for final in finals if final.metric == "popular_content") == 6 * plan.page_views()
    outcomes = [entry for final in finals if final.metric == EVENTS_BY_OUTCOME for entry in final.dimensions or ()]
    assert sum(entry.value for entry in outcomes if entry.key == "accepted") == len(plan.events)
    assert sum(entry.value for entry in outcomes) == len(plan.events) + len(plan.events[::3])
    assert sum(visit.events for visit in stages.results.sessions) == len(plan.events)
    assert sum(visit.page_views for visit in stages.results.sessions) == plan.page_views()
    assert all(windows.is_empty() for windows in stages.windows)
    for number in range(len(stages.checkpoints)):
        stages.save(number)
    assert all(entries.keys() <= {META} for entries in stages.checkpoints)
    assert all(merge.is_empty() for merge in stages.merges)

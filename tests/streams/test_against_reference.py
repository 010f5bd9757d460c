"""The windows against the reference: any log, cut and interleaved anyhow, gives exactly what section 4 asks for."""

import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.windows import partials
from streams.windows.merge import MergeWindows
from streams.windows.partials import Marker, SitePartial
from streams.windows.partition import Output, PartitionWindows
from tests.support.random_streams import logs, seeded_log
from tests.support.reference import DEFAULT_FUNNEL, Expected, LogRecord, reference
from tests.support.timeline import event_id
from tidemark.results import Alert, MetricUpdate, SessionSummary
from tidemark.topics import TICK_HEADER

PARTITIONS = 3
MERGES = 2
LATENESS_MS = 2_000


@dataclass(frozen=True)
class Consumed:
    """A record as a consumer gives it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


def consumed(record: LogRecord) -> Consumed:
    headers = [(TICK_HEADER, b"")] if record.tick else []
    return Consumed(record.offset, record.append_time, None if record.tick else b"key", record.value, headers)


@dataclass
class Results:
    """All that came out of both stages, in the order it came."""

    finals: list[MetricUpdate] = field(default_factory=list)
    updates: dict[tuple[str, str, int], list[MetricUpdate]] = field(default_factory=lambda: defaultdict(list))
    sessions: list[SessionSummary] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    dead: dict[tuple[int, int], str] = field(default_factory=dict)
    accepted: int = 0
    duplicates: int = 0


class Stages:
    """Both stages with the topic between them: what a partition sends arrives in its order, but when it likes."""

    def __init__(self, partitions: int) -> None:
        self.windows = [
            PartitionWindows(each, lateness_ms=LATENESS_MS, funnel=DEFAULT_FUNNEL) for each in range(partitions)
        ]
        self.merges = [MergeWindows(partitions) for _ in range(MERGES)]
        self.under_way: list[list[bytes]] = [[] for _ in range(partitions)]
        self.results = Results()

    def feed(self, partition: int, records: Iterable[LogRecord]) -> None:
        out = self.windows[partition].feed([consumed(record) for record in records])
        self.keep(out)
        self.send(partition, out.partials)
        self.under_way[partition].append(partials.encode(Marker(partition, out.progress)))

    def keep(self, out: Output) -> None:
        self.results.sessions += out.sessions
        self.results.alerts += out.alerts
        self.results.accepted += out.accepted
        self.results.duplicates += out.duplicates
        self.results.dead |= {(letter.partition, letter.offset): letter.reason for letter in out.dead}

    def send(self, partition: int, several: Iterable[SitePartial]) -> None:
        self.under_way[partition] += [partials.encode(chunk) for partial in several for chunk in partial.chunks()]

    def arrive(self, partition: int, count: int) -> None:
        arrived, self.under_way[partition] = self.under_way[partition][:count], self.under_way[partition][count:]
        for raw in arrived:
            message = partials.decode(raw)
            if isinstance(message, Marker):
                for merge in self.merges:
                    merge.progress(message.partition, message.progress)
            else:
                self.merges[len(message.site) % MERGES].add(message)

    def finals(self, merge: MergeWindows) -> None:
        for final in merge.finals():
            self.results.finals.append(final)
            self.results.updates[final.site_id, final.metric, final.window_start].append(final)

    def early(self, merge: MergeWindows) -> None:
        for update in merge.early():
            self.results.updates[update.site_id, update.metric, update.window_start].append(update)


def run(log: Iterable[LogRecord], chance: random.Random, *, partitions: int = PARTITIONS, early: bool = True) -> Stages:
    """Put the log through both stages, cut and interleaved by chance, with early results at random moments."""
    stages = Stages(partitions)
    waiting = [sorted((r for r in log if r.partition == each), key=lambda r: r.offset) for each in range(partitions)]
    while any(waiting) or any(stages.under_way):
        partition = chance.randrange(partitions)
        match chance.randrange(6):
            case 0 | 1:
                size = chance.choice([1, 1, 2, 5, 1_000])
                batch, waiting[partition] = waiting[partition][:size], waiting[partition][size:]
                stages.feed(partition, batch)
            case 2 if early:
                stages.send(partition, stages.windows[partition].early())
            case 3:
                stages.arrive(partition, chance.choice([1, 3, 1_000]))
            case 4 if early:
                stages.early(chance.choice(stages.merges))
            case 5:
                stages.finals(chance.choice(stages.merges))
    for merge in stages.merges:
        stages.finals(merge)
    return stages


def by_key(finals: Iterable[MetricUpdate]) -> dict[tuple[str, str, int], MetricUpdate]:
    return {(final.site_id, final.metric, final.window_start): final for final in finals}


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
    """Early revisions never go back and never exceed the final's; nothing comes after a final."""
    for updates in results.updates.values():
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
            stages.send(partition, stages.windows[partition].early())
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
    """Some visitors' events, all within a few minutes; each visitor has one key and so one partition."""

    events: list[dict[str, Any]]

    def log(self, chance: random.Random, partition_of: Callable[[str], int]) -> list[LogRecord]:
        """Append each event at most the lateness after its time; past-dated, so that only events move watermarks."""
        sent = sorted((event["timestamp"] + chance.randint(0, LATENESS_MS), n) for n, event in enumerate(self.events))
        offsets = [0] * PARTITIONS
        log = []
        for _, number in sent:
            event = self.events[number]
            partition = partition_of(event["userId"])
            log.append(LogRecord(partition, offsets[partition], 10**12, json.dumps(event).encode()))
            offsets[partition] += 1
        # Long after the last one: everything closes, the remembered ids too.
        return log + [LogRecord(each, offsets[each], 10**12, None, tick=True) for each in range(PARTITIONS)]

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
    return finals, sessions, {alert.alert_id: alert for alert in results.alerts}, results.accepted, results.dead


@settings(max_examples=35, deadline=None)
@given(plan=plans, chance=chances)
def test_order_within_the_lateness_changes_no_value(plan: Plan, chance: random.Random) -> None:
    one, other = (run(plan.log(chance, lambda user: ord(user) % 2), chance) for _ in range(2))
    assert values(one.results) == values(other.results)
    assert one.results.accepted == len(plan.events)


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
    assert sum(visit.events for visit in stages.results.sessions) == len(plan.events)
    assert sum(visit.page_views for visit in stages.results.sessions) == plan.page_views()
    assert all(windows.is_empty() for windows in stages.windows)
    assert all(merge.is_empty() for merge in stages.merges)

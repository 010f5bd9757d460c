"""Both stages in memory give what the reference gives; a comparison counts and names what differs."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from streams.replay import stages
from streams.replay.asked import Asked, Replayed, line_of, read_line
from streams.replay.comparison import DELETED, DIFFERENT, EQUAL, ONLY_LIVE, ONLY_REPLAYED, Comparison, Difference
from streams.replay.live import LiveRecord
from streams.replay.stages import ReplayStages
from tests.support.random_streams import logs, seeded_log
from tests.support.reference import DEFAULT_FUNNEL, Expected, LogRecord, reference
from tests.support.stages import LATENESS_MS, PARTITIONS, by_key, consumed
from tests.websocket_gateway.made import alert
from tidemark.results import Alert, MetricUpdate, SessionSummary, encode
from tidemark.topics import ALERTS, METRICS, SESSIONS


@pytest.fixture(autouse=True, scope="module")
def _let_go_often() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stages, "LET_GO_RECORDS", 7)
        yield


def replayed(log: list[LogRecord], chance: random.Random) -> list[Replayed]:
    """Put a log through both stages, cut and interleaved by chance."""
    both = ReplayStages(dict.fromkeys(range(PARTITIONS), 0), lateness_ms=LATENESS_MS, funnel=DEFAULT_FUNNEL)
    waiting = [sorted((r for r in log if r.partition == each), key=lambda r: r.offset) for each in range(PARTITIONS)]
    results: list[Replayed] = []
    while any(waiting):
        partition, size = chance.randrange(PARTITIONS), chance.choice([1, 2, 5, 1_000])
        batch, waiting[partition] = waiting[partition][:size], waiting[partition][size:]
        results += both.feed(partition, [consumed(record) for record in batch])
    return results


def check(results: list[Replayed], expected: Expected) -> None:
    finals = [result for result in results if isinstance(result, MetricUpdate)]
    visits = [result for result in results if isinstance(result, SessionSummary)]
    alerts = [replace(result, description="") for result in results if isinstance(result, Alert)]
    assert by_key(finals) == expected.finals
    assert len(finals) == len(expected.finals)
    assert {visit.visit_id for visit in visits} == expected.sessions.keys()
    assert all(visit in visits for visit in expected.sessions.values())
    assert {alert.alert_id: alert for alert in alerts} == expected.alerts


@settings(max_examples=60, deadline=None)
@given(logs(partitions=PARTITIONS), st.randoms(use_true_random=False))
def test_any_log_gives_what_the_reference_gives(log: list[LogRecord], chance: random.Random) -> None:
    check(replayed(log, chance), reference(log, partitions=PARTITIONS))


@pytest.mark.parametrize("seed", range(3))
def test_a_long_log_gives_what_the_reference_gives_and_comes_back_from_its_lines(seed: int) -> None:
    log = seeded_log(seed, 500, partitions=PARTITIONS, past_dated=seed % 2 == 1)
    results = replayed(log, random.Random(seed))
    assert results
    check(results, reference(log, partitions=PARTITIONS))
    assert [read_line(line_of(result)) for result in results] == results


EVER = Asked(0, 10**9)


def final(start: int = 0, value: float = 1.0) -> MetricUpdate:
    return MetricUpdate(
        site_id="shop", metric="active_users", window_type="TUMBLING_5S", window_start=start, window_end=start + 5_000,
        value=value, count=1, final=True, revision=9, emitted_at=0,
    )  # fmt: skip


class Live:
    """Live topics: metrics, perhaps alerts."""

    def __init__(
        self, *updates: MetricUpdate, new_from: int = 10**9, deleted_before: int = 0, alerts: tuple[Alert, ...] = ()
    ) -> None:
        self._records = [encode(update) for update in updates]
        self._of = {METRICS.name: self._records, ALERTS.name: [encode(alert) for alert in alerts]}
        self._new_from = new_from
        self.deleted_before = {METRICS.name: deleted_before, SESSIONS.name: 0, ALERTS.name: 0}

    def read(self, topic: str) -> Iterator[LiveRecord]:
        for offset, value in enumerate(self._of.get(topic, ())):
            yield LiveRecord(topic, f"live-0@{offset}", value, offset >= self._new_from)

    def add(self, value: bytes) -> "Live":
        self._records.append(value)
        return self


def compared(live: Live, *results: MetricUpdate, asked: Asked = EVER) -> tuple[dict[str, int], list[Difference]]:
    comparison = Comparison(asked)
    for result in results:
        comparison.write(result)
    found = list(comparison.differences(live))
    return {kind: count for kind, count in comparison.counts[METRICS.name].items() if count}, found


def test_repetitions_early_results_and_others_ranges_and_sites_are_no_difference() -> None:
    early = replace(final(value=7.0), final=False)
    others = replace(final(), site_id="other"), final(50_000)
    live = Live(early, final(), replace(final(), emitted_at=5), *others)
    assert compared(live, final(), asked=Asked(0, 10_000, "shop")) == ({EQUAL: 1}, [])


def test_both_values_of_what_differs_are_told_whatever_came_before_or_after() -> None:
    counted, [found] = compared(Live(final(), final(value=2.0), final()), final())
    assert counted == {DIFFERENT: 1}
    assert (found.kind, found.name, found.place) == (DIFFERENT, final().key().decode(), "live-0@1")
    assert found.live == encode(final(value=2.0)).decode()
    assert found.replayed == (encode(final()).decode(),)


def test_what_only_one_of_them_has_is_told_once() -> None:
    counted, found = compared(Live(final(5_000), final(5_000)), final(0))
    assert counted == {ONLY_LIVE: 1, ONLY_REPLAYED: 1}
    assert [(each.kind, each.name) for each in found] == [
        (ONLY_LIVE, final(5_000).key().decode()),
        (ONLY_REPLAYED, final(0).key().decode()),
    ]


def test_what_retention_has_deleted_is_no_difference_and_counted() -> None:
    counted, [found] = compared(Live(deleted_before=5_001), final(0), final(5_000))
    assert counted == {DELETED: 1, ONLY_REPLAYED: 1}
    assert found.name == final(5_000).key().decode()


def test_what_came_after_the_replay_began_counts_only_if_it_was_replayed() -> None:
    live = Live(final(0), final(5_000), final(10_000), new_from=1)
    assert compared(live, final(0), final(5_000)) == ({EQUAL: 2}, [])


def test_alerts_about_sites_are_not_made_of_events_and_no_difference() -> None:
    about = alert("a")
    site = replace(alert("b"), alert_type="TRAFFIC_DROP", user_id="")
    _, [found] = compared(Live(alerts=(about, site)), asked=Asked(0, 10**9))
    assert (found.kind, found.topic, found.live) == (ONLY_LIVE, ALERTS.name, encode(about).decode())


def test_one_name_may_have_two_results() -> None:
    assert compared(Live(final(), final(value=2.0)), final(value=2.0), final()) == ({EQUAL: 1}, [])


def test_what_is_no_result_is_told() -> None:
    counted, [found] = compared(Live().add(b"what?"))
    assert counted == {ONLY_LIVE: 1}
    assert (found.place, found.live) == ("live-0@0", "b'what?'")

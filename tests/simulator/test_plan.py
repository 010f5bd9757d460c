"""The plan holds every record in its order of sending, the same ones for the same options."""

from collections import Counter
from itertools import islice

import msgspec
import pytest

from simulator.faults import BAD_KINDS, Faults
from simulator.plan import BadRecord, GoodRecord
from simulator.shop import REFERRERS
from tests.simulator.plans import ALL_FAULTS, START_MS, good, load, plan
from tidemark.decoding import decode_event
from tidemark.events import encode_event

ON_TIME = Faults(disorder_ms=1_500)


def test_equal_options_give_equal_bytes_and_another_seed_or_start_does_not() -> None:
    def stream(seed: int) -> list[tuple[int, bytes, bytes]]:
        return [(at, record.key, record.value) for at, record in plan(load(seed=seed, sites=2), count=5_000)]

    assert stream(1) == stream(1)
    assert stream(1) != stream(2)


def test_every_good_event_is_valid_complete_and_of_realistic_size() -> None:
    sizes = []
    for _, record in good(plan(load(sites=2), count=20_000)):
        event, _ = decode_event(record.value)
        assert encode_event(event) == record.value
        assert record.key == event.visitor.encode()
        assert event.timestamp == START_MS + record.step.at_ms
        assert event.site == record.step.visit.person.site
        assert event.revenue_micros == record.step.act.cents * 10_000
        assert (event.conversion_data is not None) == (event.event_type == "CONVERSION")
        assert event.page_view_data is not None
        assert event.page_view_data.page_load_time is not None
        if record.step.act.referrer not in REFERRERS:
            assert (event.page_view_data.referrer or "").startswith("https://www.harbour-and-tide.example/")
        assert event.session_data is not None
        assert all(value for value in msgspec.structs.astuple(event.session_data))
        sizes.append(len(record.value))
    assert min(sizes) >= 600
    assert max(sizes) <= 2_048


def test_event_ids_are_distinct_version_4_uuids() -> None:
    ids = [record.value[12:48].decode() for _, record in good(plan(load(rate=20_000), ON_TIME, count=50_000))]
    assert len(set(ids)) == 50_000
    assert all(one[14] == "4" and one[19] == "a" for one in ids)


def test_records_come_in_the_order_of_sending_and_disorder_is_bounded() -> None:
    records = list(plan(load(), ON_TIME, count=20_000))
    times = [send_ms for send_ms, _ in records]
    held_back = [send_ms - record.step.at_ms for send_ms, record in good(records)]
    assert times == sorted(times)
    assert min(held_back) >= 0
    assert 1_400 < max(held_back) <= 1_500


def test_without_disorder_each_event_is_sent_at_its_time() -> None:
    assert all(send_ms == record.step.at_ms for send_ms, record in good(plan(load(), Faults(), count=2_000)))


def test_late_events_are_held_back_for_10_to_60_s_and_only_they() -> None:
    records = good(plan(load(), Faults(late=0.02, disorder_ms=1_500), count=30_000))
    late = [send_ms - record.step.at_ms for send_ms, record in records if record.late]
    assert len(late) / 30_000 == pytest.approx(0.02, abs=0.004)
    assert min(late) >= 10_000
    assert max(late) <= 60_000
    assert all(send_ms - record.step.at_ms <= 1_500 for send_ms, record in records if not record.late)


def test_duplicates_are_the_same_record_up_to_30_s_later() -> None:
    first: dict[int, int] = {}
    apart = []
    for send_ms, record in good(plan(load(), Faults(duplicates=0.01, disorder_ms=1_500), count=30_000)):
        if id(record) in first:
            apart.append(send_ms - first[id(record)])
        first.setdefault(id(record), send_ms)
    assert len(first) == 30_000
    assert len(apart) / 30_000 == pytest.approx(0.01, abs=0.003)
    assert 0 <= min(apart) <= max(apart) <= 30_000


def test_bad_records_come_on_top_in_every_kind_and_pass_for_no_events_duplicate() -> None:
    records = list(plan(load(), Faults(bad=0.02), count=20_000))
    bad = [record for _, record in records if isinstance(record, BadRecord)]
    assert len(records) - len(bad) == 20_000
    assert len(bad) / 20_000 == pytest.approx(0.02, abs=0.004)
    kinds = Counter(record.kind for record in bad)
    assert set(kinds) == set(BAD_KINDS)
    assert max(kinds.values()) < 3 * min(kinds.values())
    ids = {record.value[12:48] for _, record in good(records)}
    assert not any(record.value[12:48] in ids for record in bad)


def test_faults_do_not_change_the_events() -> None:
    calm = {record.value for _, record in plan(load(), Faults(), count=5_000)}
    troubled = {record.value for _, record in good(plan(load(), ALL_FAULTS, count=5_000))}
    assert calm == troubled


def test_duration_ends_before_its_first_event_and_what_is_held_back_follows() -> None:
    records = good(plan(load(), duration_ms=30_000))
    everything = good(plan(load(), Faults(), duration_ms=30_000))
    assert max(record.step.at_ms for _, record in everything) < 30_000
    assert {record.value for _, record in records} == {record.value for _, record in everything}
    assert any(send_ms > 30_000 for send_ms, _ in records)


def test_stopped_plan_makes_no_more_events_and_loses_none() -> None:
    stopped = plan(load())
    begun = iter(stopped)
    sent = list(islice(begun, 2_000))
    now_ms = sent[-1][0]
    stopped.stop()
    assert stopped.is_draining()
    sent += begun
    events = {record.value: record for _, record in sent if isinstance(record, GoodRecord)}
    due = {record.value for _, record in plan(load(), Faults(), duration_ms=now_ms)}
    assert due <= set(events)
    assert all(record.step.at_ms <= now_ms for record in events.values())
    duplicates = sum(isinstance(record, GoodRecord) for _, record in sent) - len(events)
    assert duplicates > 0

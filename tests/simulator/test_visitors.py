"""Visitors walk coherent journeys whose mix holds from the first second on."""

from collections import Counter, defaultdict
from itertools import islice, pairwise, takewhile

import pytest

from simulator.people import Person
from simulator.scenarios import SCENARIOS
from simulator.shop import LINKS
from simulator.visitors import Step
from tests.simulator.plans import START_MS, good, load, mix, plan, walked
from tidemark.events import CONVERSION, PAGE_VIEW, SESSION_END, SESSION_START

MIX = {PAGE_VIEW: 70, SESSION_START: 15, SESSION_END: 10, CONVERSION: 5}


def steps(count: int, **of: object) -> list[Step]:
    return list(islice(walked(load(**of)), count))  # type: ignore[arg-type]


def by_visit(of: list[Step]) -> dict[str, list[Step]]:
    visits = defaultdict(list)
    for step in of:
        visits[step.visit.session_id].append(step)
    return visits


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("seed", [1, 2, 3, 77])
def test_mix_of_what_is_sent_holds_from_the_start_in_every_scenario(seed: int, scenario: str) -> None:
    # At this rate the surge and the spike begin after 3,000 events.
    sent = [record.step for _, record in good(plan(load(seed=seed, rate=50, scenario=scenario), count=15_000))]
    for first in (0, 2_500, 5_000, 10_000):
        for shown, events in ((mix(sent[first : first + 5_000]), "5,000"), (mix(sent[: first + 5_000]), "all so far")):
            assert shown == pytest.approx(MIX, abs=2), (first, events)


@pytest.mark.parametrize(("rate", "users"), [(2.0, 10_000), (20_000.0, 10_000), (50.0, 20)])
def test_mix_and_rate_hold_for_slow_fast_and_crowded_runs(rate: float, users: int) -> None:
    taken = steps(6_000, rate=rate, users=users)
    assert mix(taken) == pytest.approx(MIX, abs=2)
    assert taken[-1].at_ms == pytest.approx(6_000 / rate * 1_000, rel=0.03)


def test_journeys_start_first_end_last_and_convert_at_the_checkout() -> None:
    visits = by_visit(steps(30_000))
    seen = Counter[str]()
    for journey in visits.values():
        types = [step.act.event_type for step in journey]
        at = [step.at_ms for step in journey]
        assert at == sorted(set(at))
        assert SESSION_START not in types[1:]
        assert SESSION_END not in types[:-1]
        assert types.count(CONVERSION) <= 1
        if CONVERSION in types and types[0] == SESSION_START:
            before = journey[types.index(CONVERSION) - 1]
            assert before.act.event_type == PAGE_VIEW
            assert [step.act.url for step in journey if step.act.event_type == PAGE_VIEW][-2:] == ["/cart", "/checkout"]
        seen.update(types)
    whole = [journey for journey in visits.values() if journey[0].act.event_type == SESSION_START][:1_500]
    ended = sum(journey[-1].act.event_type == SESSION_END for journey in whole)
    assert ended / len(whole) == pytest.approx(2 / 3, abs=0.03)
    assert set(seen) == set(MIX)


def test_pages_follow_the_shops_links_and_name_the_page_before() -> None:
    for journey in by_visit(steps(10_000)).values():
        views = [step for step in journey if step.act.event_type == PAGE_VIEW]
        for before, after in pairwise(views):
            assert after.act.referrer == before.act.url
            assert after.act.url in LINKS[before.act.url] or after.act.url in ("/cart", "/checkout")


def test_visits_are_under_way_when_a_run_starts() -> None:
    first_second = takewhile(lambda step: step.at_ms < 1_000, walked(load()))
    types = Counter(step.act.event_type for step in first_second)
    assert types.total() == pytest.approx(200, abs=40)
    assert types[PAGE_VIEW] > 3 * types[SESSION_START]


def test_nobody_walks_two_visits_at_a_time_and_people_return() -> None:
    # 26 people are on the site at a time in the mean: half of all.
    taken = steps(20_000, rate=3, users=52)
    spans = [(journey[0].at_ms, journey[-1].at_ms, journey[0].visit.person) for journey in by_visit(taken).values()]
    last_end: dict[Person, int] = {}
    overlaps = 0
    for begin, end, person in sorted(spans, key=lambda span: span[0]):
        overlaps += begin <= last_end.get(person, -1)
        last_end[person] = max(end, last_end.get(person, -1))
    assert len(last_end) <= 52
    assert len(spans) > 50 * len(last_end)
    assert overlaps / len(spans) < 0.01


def test_population_is_diverse_and_partly_anonymous() -> None:
    people = {step.visit.person.session_data: step.visit.person for step in steps(20_000, sites=3)}.values()
    assert sum(person.user_id is None for person in people) / len(people) == pytest.approx(0.2, abs=0.03)
    assert {person.site for person in people} == {"default", "site-2", "site-3"}
    assert len({person.currency for person in people}) >= 5


def test_seed_decides_the_journeys_and_the_start_the_ids() -> None:
    assert steps(3_000) == steps(3_000)
    assert [step.act.url for step in steps(3_000)] != [step.act.url for step in steps(3_000, seed=2)]
    later = list(islice(walked(load(), START_MS + 60_000), 3_000))
    assert [(step.at_ms, step.act.url) for step in later] == [(step.at_ms, step.act.url) for step in steps(3_000)]
    assert not {step.visit.session_id for step in later} & {step.visit.session_id for step in steps(3_000)}

"""Scenarios bend the load over time, and nothing else."""

from collections import Counter
from itertools import takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.scenarios import BOUNCE_SPIKE, SCENARIOS, STEADY, SURGE, Scenario
from tests.simulator.plans import load, walked
from tidemark.events import PAGE_VIEW, SESSION_START


@given(st.sampled_from(list(SCENARIOS.values())), st.floats(0, 10_000))
def test_seconds_and_load_are_each_others_inverse(scenario: Scenario, seconds: float) -> None:
    assert scenario.seconds(scenario.load(seconds)) == pytest.approx(seconds, abs=1e-6)


def test_surge_is_five_times_the_base_rate_and_comes_again() -> None:
    steps = takewhile(lambda step: step.at_ms < 450_000, walked(load(rate=20, scenario="surge")))
    per_minute = Counter(step.at_ms // 15_000 for step in steps)
    calm, rise, peak = 300, 750, 1_500
    expected = [calm] * 4 + [rise] + [peak] * 4 + [rise] + [calm] * 10 + [calm] * 4 + [rise] + [peak] * 4 + [rise]
    assert [per_minute[slot] for slot in range(30)] == [pytest.approx(events, rel=0.2) for events in expected]
    assert sum(per_minute.values()) == pytest.approx(20 * SURGE.load(450), rel=0.02)


@pytest.mark.parametrize(("scenario", "share"), [(STEADY, 0.3), (BOUNCE_SPIKE, 0.6)])
def test_bounce_spike_doubles_the_bounces_of_the_visits_that_start_in_it(scenario: Scenario, share: float) -> None:
    views, started_at = Counter[str](), {}
    for step in takewhile(lambda step: step.at_ms < 400_000, walked(load(scenario=scenario.name))):
        if step.act.event_type == SESSION_START:
            started_at[step.visit.session_id] = step.at_ms
        views[step.visit.session_id] += step.act.event_type == PAGE_VIEW
    spike = [session for session, at_ms in started_at.items() if 61_000 <= at_ms < 179_000]
    calm = [session for session, at_ms in started_at.items() if 181_000 <= at_ms < 299_000]
    assert sum(views[session] == 1 for session in spike) / len(spike) == pytest.approx(share, abs=0.02)
    assert sum(views[session] == 1 for session in calm) / len(calm) == pytest.approx(0.3, abs=0.02)

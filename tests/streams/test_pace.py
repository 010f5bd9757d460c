"""Early results rest after their work: in proportion, and never for less than an event loop can wait."""

import pytest

from streams.pace import LEAST_SECONDS, Pace


def test_work_of_a_tenth_rests_for_nine_times_as_long() -> None:
    assert Pace(0.1).took(0.24) == pytest.approx(9 * 0.24)


def test_short_rests_are_saved_up_and_none_is_lost() -> None:
    pace = Pace(0.1)
    rests = [pace.took(0.0001) for _ in range(1_000)]
    assert sum(rests) == pytest.approx(0.9, abs=LEAST_SECONDS)
    assert all(rest == 0 or rest >= LEAST_SECONDS for rest in rests)
    assert rests.count(0.0) > 800

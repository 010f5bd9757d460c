"""One site's visits: what is counted, what is listed, and when it is forgotten."""

from hypothesis import given
from hypothesis import strategies as st

from tests.websocket_gateway.made import visit
from tidemark.results import SessionSummary
from websocket_gateway.journeys import LATEST, MINUTE_MS, MINUTES, SILENCE_MS, Journeys

FUNNEL = ("/", "/products*", "/cart", "/checkout")
T = 1_000_020_000  # a full minute


def counts(journeys: Journeys, now: int) -> list[int]:
    """The funnel: all visits, then those that reached each step."""
    funnel = journeys.funnel(now)
    return [funnel.visits, *(step.value for step in funnel.steps)]


def test_a_visit_counts_for_every_step_up_to_the_one_it_reached() -> None:
    journeys = Journeys(FUNNEL)
    assert [journeys.take(visit(f"v{step}", T, step), T) for step in range(6)] == [True] * 6
    assert [step.key for step in journeys.funnel(T).steps] == [*FUNNEL, "CONVERSION"]
    assert counts(journeys, T) == [6, 5, 4, 3, 2, 1]


def test_a_visit_is_shown_with_the_beginning_of_its_path_and_without_its_session() -> None:
    journeys = Journeys(FUNNEL)
    journeys.take(visit("a", T, 2), T)
    [shown] = journeys.latest()
    assert shown.path == [f"/{page}" for page in range(10)]
    assert (shown.entry_page, shown.exit_page, shown.page_views, shown.country) == ("/0", "/11", 12, "Norway")
    assert "session" not in repr(shown)


def test_the_latest_are_those_that_ended_last_however_they_come() -> None:
    journeys = Journeys(FUNNEL)
    for number in (*range(0, 40, 2), *range(1, 40, 2)):
        journeys.take(visit(f"v{number:02}", T + number), T + 100)
    assert [one.visit_id for one in journeys.latest()] == [f"v{number:02}" for number in range(39, 39 - LATEST, -1)]
    assert counts(journeys, T + 100)[0] == 40


def test_what_comes_again_is_no_news_even_when_it_is_none_of_the_latest_any_more() -> None:
    journeys = Journeys(FUNNEL)
    many = [visit(f"v{number:02}", T + number) for number in range(40)]
    assert all(journeys.take(one, T + 100) for one in many)
    assert not any(journeys.take(one, T + 3 * MINUTE_MS) for one in many)
    assert counts(journeys, T + 3 * MINUTE_MS)[0] == 40
    assert not journeys.take(visit("old", T - 20 * MINUTE_MS), T + 3 * MINUTE_MS)


def test_a_visit_leaves_the_funnel_after_15_full_minutes_and_that_is_said_before() -> None:
    journeys = Journeys(FUNNEL)
    assert journeys.next_turn() is None
    journeys.take(visit("first", T - 1), T)
    journeys.take(visit("second", T), T)
    assert journeys.next_turn() == T + MINUTES * MINUTE_MS
    assert counts(journeys, T + MINUTES * MINUTE_MS - 1)[0] == 2
    assert counts(journeys, T + MINUTES * MINUTE_MS)[0] == 1
    assert journeys.next_turn() == T + (MINUTES + 1) * MINUTE_MS
    assert counts(journeys, T + (MINUTES + 1) * MINUTE_MS)[0] == 0
    assert len(journeys.latest()) == 2


def test_a_visit_that_ended_in_silence_counts_when_the_silence_was_long_enough() -> None:
    journeys = Journeys(FUNNEL)
    journeys.take(visit("silent", T - SILENCE_MS - 2_000), T)
    journeys.take(visit("seen by a clock that is behind", T - SILENCE_MS + 20_000), T)
    journeys.take(visit("ended long ago and held up", T - 20 * MINUTE_MS), T)
    assert counts(journeys, T)[0] == 2
    assert counts(journeys, T + 15 * MINUTE_MS)[0] == 1
    assert len(journeys.latest()) == 3


#: Summaries as they come: how long (ms) after the one before, how old the visit is then, whether it comes again.
ARRIVALS = st.lists(
    st.tuples(
        st.integers(0, 200_000), st.one_of(st.integers(0, 9_000), st.integers(1_801_000, 1_809_000)), st.booleans()
    )
)


@given(arrivals=ARRIVALS, steps=st.lists(st.integers(0, 5), min_size=1), pause=st.integers(0, 20 * MINUTE_MS))
def test_it_counts_like_one_who_keeps_everything(
    arrivals: list[tuple[int, int, bool]], steps: list[int], pause: int
) -> None:
    journeys, now = Journeys(FUNNEL), T
    everything: dict[str, tuple[int, SessionSummary]] = {}
    for number, (wait, age, repeated) in enumerate(arrivals):
        now += wait
        one = visit(f"{number}", now - age, steps[number % len(steps)])
        everything[one.visit_id] = (one.end_time + SILENCE_MS if age > SILENCE_MS else one.end_time, one)
        assert journeys.take(one, now)
        now += 20 * repeated
        assert not repeated or not journeys.take(one, now)
    now += pause
    first = (now // MINUTE_MS - MINUTES) * MINUTE_MS
    counted = [one for over, one in everything.values() if over >= first]
    assert counts(journeys, now) == [len(counted), *(sum(one.funnel_step >= n for one in counted) for n in range(1, 6))]
    newest = sorted(everything.values(), key=lambda each: (each[1].end_time, each[1].visit_id), reverse=True)
    assert [one.visit_id for one in journeys.latest()] == [one.visit_id for _, one in newest[:LATEST]]
    assert journeys.next_turn() is None or journeys.next_turn() > now  # type: ignore[operator]

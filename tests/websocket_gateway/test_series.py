from tests.websocket_gateway.made import update
from tidemark.results import ACTIVE_USERS, CONVERSION_RATE, MetricUpdate
from websocket_gateway.series import MAX_OPEN, Series


def series(*updates: MetricUpdate, points: int = 20, now: int = 0) -> Series:
    made = Series(points)
    for one in updates:
        made.take(one, now)
    return made


def _end(one: MetricUpdate | None) -> int | None:
    return None if one is None else one.window_end


def test_a_window_has_ended_when_its_end_is_reached() -> None:
    one = update(ACTIVE_USERS, 5_000)
    windows = series(one)
    assert (windows.ended(4_999), windows.current(4_999)) == (None, one)
    assert (windows.ended(5_000), windows.current(5_000)) == (one, None)


def test_the_newest_ended_window_counts_early_or_final() -> None:
    final, early = update(ACTIVE_USERS, 5_000, final=True), update(ACTIVE_USERS, 10_000)
    windows = series(early, final)
    assert windows.ended(9_999) is final
    assert windows.ended(10_000) is early


def test_of_sliding_windows_the_current_one_is_the_first_to_end() -> None:
    now = 61_000
    ends = [update(CONVERSION_RATE, end) for end in (120_000, 60_000, 70_000, 80_000)]
    assert _end(series(*ends).current(now)) == 70_000


def test_a_window_that_has_not_begun_is_not_current() -> None:
    windows = series(update(ACTIVE_USERS, 10_000))
    assert windows.current(4_999) is None
    assert _end(windows.current(5_000)) == 10_000


def test_a_lower_revision_and_an_early_result_after_a_final_are_no_news() -> None:
    windows = Series(20)
    assert windows.take(update(ACTIVE_USERS, 5_000, 3, revision=7), 0)
    assert not windows.take(update(ACTIVE_USERS, 5_000, 2, revision=6), 0)
    assert windows.take(update(ACTIVE_USERS, 5_000, 4, revision=7, final=True), 0)
    assert not windows.take(update(ACTIVE_USERS, 5_000, 9, revision=99), 0)
    assert not windows.take(update(ACTIVE_USERS, 5_000, 4, revision=7, final=True), 0)
    assert windows.ended(5_000) == update(ACTIVE_USERS, 5_000, 4, revision=7, final=True)


def test_only_the_last_points_are_kept_and_older_ones_are_refused() -> None:
    now = 1_000_000
    windows = series(*(update(ACTIVE_USERS, end) for end in range(105_000, 205_000, 5_000)), now=now)
    assert not windows.take(update(ACTIVE_USERS, 100_000), now)
    assert windows.take(update(ACTIVE_USERS, 205_000), now)
    assert [point.window_end for point in windows.points(now)] == list(range(110_000, 210_000, 5_000))


def test_memory_is_bounded() -> None:
    windows = Series(20)
    for n in range(1, 500):
        windows.take(update(ACTIVE_USERS, 5_000 * n), 5_000 * n)
        windows.take(update(ACTIVE_USERS, 10**9 + 5_000 * n), 5_000 * n)
        assert len(windows._updates) == len(windows._ends) <= 20 + MAX_OPEN


def test_no_more_open_windows_are_kept_than_honest_clocks_make() -> None:
    windows = series(*(update(ACTIVE_USERS, 5_000 * n) for n in range(1, 1_000)))
    assert len(windows.points(10**9)) == 20
    assert _end(windows.ended(10**9)) == 5_000 * MAX_OPEN


def test_the_next_turn_is_the_next_begin_or_end() -> None:
    windows = series(update(ACTIVE_USERS, 10_000), update(ACTIVE_USERS, 20_000))
    assert [windows.next_turn(now) for now in (0, 5_000, 10_000, 15_000, 20_000)] == [
        5_000,
        10_000,
        15_000,
        20_000,
        None,
    ]

"""The windows on drawn timelines: what each number is, worked out by hand. One character is a second."""

import random

import msgspec

from streams.windows.partition import PartitionWindows
from tests.support.reference import DEFAULT_FUNNEL
from tests.support.stages import LATENESS_MS, Results, consumed, run
from tests.support.timeline import log_of, then_tick, timeline
from tidemark.events import Event
from tidemark.results import (
    ACTIVE_USERS,
    AVERAGE_SESSION_DURATION,
    BOUNCE_RATE,
    CONVERSION_RATE,
    PAGE_VIEWS_PER_SECOND,
    POPULAR_CONTENT,
    REVENUE_PER_USER,
    Dimension,
    MetricUpdate,
)

#: Far behind the drawings: every window that they touch is closed by a tick then.
LATER = 40 * 60_000


def results(drawing: str, *, step_ms: int = 1_000, until: int = LATER) -> Results:
    """Put a drawing and a tick at ``until`` through both stages, as one partition."""
    log = then_tick(log_of(timeline(drawing, step_ms=step_ms)), until + LATENESS_MS)
    return run(log, random.Random(1), partitions=1).results


def final(seen: Results, metric: str, start_s: int, site: str = "default") -> MetricUpdate:
    """Return the final of the window that starts at ``start_s`` (s)."""
    [found] = [
        one for one in seen.finals if (one.site_id, one.metric, one.window_start) == (site, metric, start_s * 1_000)
    ]
    return found


def test_a_tumbling_window_counts_its_start_and_not_its_end() -> None:
    seen = results("""
        ann   P....|P
        bob   ....P|.
    """)
    assert final(seen, PAGE_VIEWS_PER_SECOND, 0).value == 0.4
    assert final(seen, PAGE_VIEWS_PER_SECOND, 5).value == 0.2
    assert final(seen, ACTIVE_USERS, 0).value == 2
    assert final(seen, ACTIVE_USERS, 5).value == 1


def test_a_visit_stops_being_a_bounce_in_the_window_of_its_second_page() -> None:
    seen = results("""
        ann   P....|..a..
        bob   .P...|*....
    """)
    assert (final(seen, BOUNCE_RATE, 0).value, final(seen, BOUNCE_RATE, 0).count) == (1.0, 2)
    assert (final(seen, BOUNCE_RATE, 5).value, final(seen, BOUNCE_RATE, 5).count) == (0.5, 2)


def test_the_duration_is_that_of_the_visits_with_an_event_so_far() -> None:
    seen = results("""
        ann   P...a|..b
        bob   .P...|...
    """)
    assert final(seen, AVERAGE_SESSION_DURATION, 0).value == 2.0
    assert final(seen, AVERAGE_SESSION_DURATION, 5).value == 7.0


def test_an_event_is_in_the_six_sliding_windows_around_it() -> None:
    seen = results("""
        ann   ..........|.....P
    """)
    counts = {one.window_start // 1_000: one.count for one in seen.finals if one.metric == POPULAR_CONTENT}
    assert [start for start, count in counts.items() if count] == [-40, -30, -20, -10, 0, 10]


def test_conversions_and_revenue_are_shares_of_a_minute() -> None:
    seen = results("""
        ann   P.C..|...E.|.P...
        bob   .P..9|.....|.....
        cat   ...P.|.....|.....
    """)
    rate, revenue = final(seen, CONVERSION_RATE, -40), final(seen, REVENUE_PER_USER, -40)
    assert (rate.value, rate.count) == (0.5, 4)  # ann's second visit is one of its own
    assert (revenue.value, revenue.count) == (3.333333, 3)


def test_urls_are_ranked_by_views_then_by_name() -> None:
    seen = results("""
        ann   abcab
        bob   c.a..
    """)
    assert final(seen, POPULAR_CONTENT, -50).dimensions == [Dimension("/a", 3), Dimension("/b", 2), Dimension("/c", 2)]


def test_sites_do_not_mix() -> None:
    seen = results("""
        one:ann   P.P..
        two:ann   .P...
    """)
    assert final(seen, PAGE_VIEWS_PER_SECOND, 0, "one").value == 0.4
    assert final(seen, PAGE_VIEWS_PER_SECOND, 0, "two").value == 0.2
    assert len(seen.sessions) == 2


def test_a_visit_ends_by_its_end_or_after_thirty_minutes_and_not_before() -> None:
    seen = results(
        """
        ann   P.E.a
        bob   P..............................a
        cat   P.............................a
        """,
        step_ms=60_000,
        until=4 * LATER,
    )
    visits = {(visit.visitor, visit.start_time // 60_000): visit.page_views for visit in seen.sessions}
    assert visits == {("ann", 0): 1, ("ann", 4): 1, ("bob", 0): 1, ("bob", 31): 1, ("cat", 0): 2}


def test_a_visit_that_is_quiet_for_exactly_thirty_minutes_is_still_open() -> None:
    until = 30 * 60_000
    assert not results("ann P", until=until).sessions
    assert [visit.visitor for visit in results("ann P", until=until + 5_000).sessions] == ["ann"]


def test_exactly_one_page_view_in_five_minutes_is_an_alert() -> None:
    seen = results(
        """
        ann   P....|a
        bob   PP...|.
        cat   *..S.|.
        """,
        step_ms=60_000,
    )
    assert {(alert.user_id, alert.window_start) for alert in seen.alerts} == {("ann", 0), ("ann", 300_000)}


def test_a_site_has_zeros_for_less_than_thirty_minutes_after_its_last_event() -> None:
    seen = results("ann ...P")
    starts = [one.window_start for one in seen.finals if one.metric == ACTIVE_USERS]
    assert starts == list(range(0, 3_000 + 30 * 60_000, 5_000))
    assert [one.value for one in seen.finals if one.metric == ACTIVE_USERS][1:] == [0.0] * (len(starts) - 1)


def test_a_visitor_is_one_although_a_visit_of_theirs_ends_between_two_others() -> None:
    # At 2100 s a bounce window ends; at 2120 s the first visit is over, when the second one, just before, is over too.
    drawing = f"""
        ann/1  {"." * 315}P{"." * 1_807}P
        ann/2  {"." * 2_099}E
        bob    {"." * 2_122}P
    """
    windows = PartitionWindows(0, lateness_ms=LATENESS_MS, funnel=DEFAULT_FUNNEL)
    partials = [
        partial
        for record in then_tick(log_of(timeline(drawing)), LATER + LATENESS_MS)
        for partial in windows.feed([consumed(record)]).partials
    ]
    visitors = {part.end: part.visitors for partial in partials for part in partial.sliding}
    assert visitors[2_130_000] == 2


def test_an_event_whose_pane_has_closed_is_late_and_the_others_are_not() -> None:
    early, held_up, on_the_end, past_it = timeline("ann ..P.P|..PP")
    assert judged(early, past_it, held_up) == (2, ["LATE"])
    assert judged(early, on_the_end, held_up) == (2, ["LATE"])  # the watermark is on the pane's end: 7 s − 2 s
    assert judged(early, held_up, past_it) == (3, [])


def test_the_same_id_again_is_a_duplicate_for_ten_minutes() -> None:
    first, within, after = timeline("ann P.........a|b", step_ms=60_000)
    again = msgspec.structs.replace(first, timestamp=within.timestamp)
    assert judged(first, again) == (1, [])
    assert judged(first, after, msgspec.structs.replace(first, timestamp=after.timestamp)) == (3, [])


def judged(*events: Event) -> tuple[int, list[str]]:
    """Return how many of these events, in this order, are accepted, and the reasons of the dead letters."""
    windows = PartitionWindows(0, lateness_ms=LATENESS_MS, funnel=DEFAULT_FUNNEL)
    out = windows.feed([consumed(record) for record in log_of(events, held_up_ms=60_000)])
    return out.accepted, [letter.reason for letter in out.dead]

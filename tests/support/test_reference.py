"""The reference itself, against cases small enough to work out by hand."""

import json
from fractions import Fraction
from typing import Any

import pytest

from tests.support.reference import Expected, LogRecord, reference, rounded
from tests.support.reference_events import read
from tests.support.reference_visits import url_path
from tests.support.timeline import event_id, log_of, then_tick, timeline
from tidemark.events import Event, PageViewData, SessionData, encode_event
from tidemark.results import Dimension

HOUR = 3_600_000


def of(events: list[Event], *, until: int = 3 * HOUR, lateness_ms: int = 0) -> Expected:
    return reference(then_tick(log_of(events), until), partitions=1, lateness_ms=lateness_ms)


def value(expected: Expected, metric: str, start: int, site: str = "default") -> tuple[float, int]:
    final = expected.finals[site, metric, start]
    return final.value, final.count


def test_page_views_are_counted_per_second_and_start_belongs_while_end_does_not() -> None:
    expected = of(timeline("ann P....|P.P.."))
    assert value(expected, "page_views_per_second", 0) == (0.2, 1)
    assert value(expected, "page_views_per_second", 5_000) == (0.4, 2)


def test_active_users_are_distinct_visitors_with_any_event() -> None:
    drawing = """
    ann    P.P..
    ann/2  .P...
    bob    ..*..
    x:bob  S....
    """
    assert value(of(timeline(drawing)), "active_users", 0) == (2.0, 2)
    assert value(of(timeline(drawing)), "active_users", 0, site="x") == (1.0, 1)


def test_a_visitor_without_user_id_is_the_session_and_a_mis_keyed_one_is_two() -> None:
    anonymous = timeline("ann P....|.")
    anonymous[0].user_id = None
    log = log_of(timeline("ann P....|.")) + log_of(anonymous, partition=1)
    log += [LogRecord(partition, 9, HOUR, None, tick=True) for partition in (0, 1)]
    assert value(reference(log, partitions=2), "active_users", 0) == (2.0, 2)


def test_bounce_rate_takes_visits_with_a_view_so_far_as_of_the_windows_end() -> None:
    drawing = """
    ann  P....|.*...|.P...
    bob  P....|P....|.....
    cid  .....|*....|P....
    """
    expected = of(timeline(drawing))
    assert value(expected, "bounce_rate", 0) == (1.0, 2)
    assert value(expected, "bounce_rate", 5_000) == (0.5, 2)
    assert value(expected, "bounce_rate", 10_000) == (0.5, 2)


def test_session_duration_is_the_mean_from_the_first_event_to_the_last_so_far() -> None:
    expected = of(timeline("ann P...*|.*..*\nbob .P...|P...."))
    assert value(expected, "average_session_duration", 0) == (2.0, 2)
    assert value(expected, "average_session_duration", 5_000) == (6.5, 2)


def test_conversion_rate_counts_visits_of_the_sixty_seconds() -> None:
    expected = of(timeline("ann CC.E.C\nbob P....", step_ms=10_000))
    assert value(expected, "conversion_rate", 0) == (0.666667, 3)
    assert value(expected, "conversion_rate", 50_000) == (1.0, 1)
    assert value(expected, "conversion_rate", 60_000) == (0.0, 0)


def test_revenue_is_divided_by_visitors_and_other_events_money_is_none() -> None:
    events = timeline("ann 5.7\nbob P\ncid .*")
    events[2].conversion_data = events[0].conversion_data
    assert value(of(events), "revenue_per_user", 0) == (4.0, 3)


def test_popular_content_is_the_ten_most_seen_with_ties_by_url() -> None:
    final = of(timeline("ann llkjihgfedcbaa")).finals["default", "popular_content", 0]
    assert final.dimensions is not None
    assert [entry.key for entry in final.dimensions] == ["/a", "/l", *(f"/{letter}" for letter in "bcdefghi")]
    assert (final.value, final.count) == (12.0, 10)


def test_countries_count_distinct_visitors_and_an_empty_country_is_none() -> None:
    events = timeline("ann P.PP\nbob .P\ncid .P\ndan P")
    for event, country in zip(events, ["DE", "", "FR", "FR", "FR", "DE"], strict=True):
        event.session_data = SessionData(country=country)
    final = of(events).finals["default", "geographic_distribution", 0]
    assert final.dimensions == [Dimension("FR", 3), Dimension("DE", 1)]
    assert (final.value, final.count) == (4.0, 2)


@pytest.mark.parametrize(("time", "last"), [(0, 1_795_000), (1, 1_800_000), (5_000, 1_800_000), (5_001, 1_805_000)])
def test_a_site_gets_zeros_until_a_window_starts_thirty_minutes_after_its_event(time: int, last: int) -> None:
    expected = of(timeline("ann P", start_ms=time))
    starts = sorted(start for _, metric, start in expected.finals if metric == "active_users")
    assert starts == list(range(time // 5_000 * 5_000, last + 1, 5_000))


def test_sliding_windows_begin_before_the_epoch() -> None:
    starts = {start for _, metric, start in of(timeline("ann ...P")).finals if metric == "conversion_rate"}
    assert min(starts) == -50_000


def test_a_final_needs_every_partitions_watermark_and_carries_the_sum_of_closing_offsets() -> None:
    log = log_of(timeline("ann P..P..P.P"), partition=0)
    assert reference(log, partitions=2).finals == {}
    log += [LogRecord(1, 40, 6_999, None, tick=True)]
    assert reference(log, partitions=2).finals == {}
    log += [LogRecord(1, 41, 7_000, None, tick=True), LogRecord(1, 42, 8_000, None, tick=True)]
    finals = reference(log, partitions=2).finals
    assert {(start, final.revision) for (_, _, start), final in finals.items()} == {(0, 3 + 41)}


@pytest.mark.parametrize(("held_up", "dead"), [(4_999, {}), (5_000, {(0, 1): "LATE"})])
def test_a_record_is_late_when_its_panes_end_has_been_reached(held_up: int, dead: dict[Any, str]) -> None:
    first, second = timeline("ann PP", step_ms=held_up)
    assert reference(log_of([second, first]), partitions=1, lateness_ms=0).dead == dead


def test_without_a_watermark_nothing_is_late_and_ticks_make_one() -> None:
    log = log_of(timeline("ann P"))
    assert reference(log, partitions=1).accepted == 1
    ahead = [LogRecord(0, -1, 10**6, None, tick=True), *log]
    assert reference(ahead, partitions=1).dead == {(0, 0): "LATE"}


def test_a_fast_clock_hurries_nobody() -> None:
    fast, normal = timeline("ann P\nbob P")
    fast.timestamp += 250_000
    log = [LogRecord(0, 0, 1_000, encode_event(fast)), LogRecord(0, 1, 1_000, encode_event(normal))]
    assert reference(log, partitions=1, lateness_ms=0).accepted == 2


def test_a_duplicate_is_dropped_in_any_letter_case_until_the_watermark_is_ten_minutes_on() -> None:
    event = timeline("ann P", start_ms=2_000)[0]
    event.event_id = "ABCDEF00-0000-4000-8000-000000000000"
    again = timeline("ann P", start_ms=602_000)[0]
    again.event_id = event.event_id.lower()
    for tick, accepted in [(601_999, 1), (602_000, 2)]:
        log = [LogRecord(0, 0, 2_000, encode_event(event)), LogRecord(0, 1, tick, None, tick=True)]
        log += [LogRecord(0, 2, 602_000, encode_event(again))]
        expected = reference(log, partitions=1, lateness_ms=0)
        assert (expected.accepted, expected.duplicates) == (accepted, 2 - accepted)


@pytest.mark.parametrize(("gap", "visits"), [(1_800_000, 1), (1_800_001, 2)])
def test_more_than_thirty_minutes_make_a_new_visit(gap: int, visits: int) -> None:
    assert len(of(timeline("ann PP", step_ms=gap)).sessions) == visits


def test_a_visit_is_told_when_a_pane_closes_that_ends_more_than_thirty_minutes_after_it() -> None:
    assert len(of(timeline("ann ....P"), until=1_804_999).sessions) == 0
    assert len(of(timeline("ann ....P"), until=1_805_000).sessions) == 1
    assert len(of(timeline("ann .....P"), until=1_809_999).sessions) == 0
    assert len(of(timeline("ann P...E"), until=4_999).sessions) == 0
    assert len(of(timeline("ann P...E"), until=5_000).sessions) == 1


def test_a_later_event_after_session_end_opens_a_new_visit() -> None:
    first, second = sorted(of(timeline("ann PEP")).sessions.values(), key=lambda visit: visit.start_time)
    assert (first.events, first.end_time, second.events, second.start_time) == (2, 1_000, 1, 2_000)


def test_a_summary_tells_all_of_a_visit() -> None:
    events = timeline("ann/7 SPa.9E", start_ms=100_000)
    events[1].session_data = SessionData(device_type="", browser="Firefox")
    events[3].session_data = SessionData(device_type="phone", browser="Opera", country="PT")
    events[2].page_view_data = PageViewData(url="/a?x#y", referrer="https://example.org/")
    (visit,) = of(events).sessions.values()
    assert (visit.start_time, visit.end_time, visit.duration_seconds) == (100_000, 105_000, 5.0)
    assert (visit.visitor, visit.session_id, visit.events, visit.page_views) == ("ann", "7", 5, 2)
    assert (visit.path, visit.entry_page, visit.exit_page) == (["/", "/a?x#y"], "/", "/a?x#y")
    assert (visit.converted, visit.revenue, visit.behaviour, visit.bounced) == (True, 9.0, "buy", False)
    assert (visit.device_type, visit.browser, visit.country) == ("phone", "Firefox", "PT")
    assert visit.referrer == "https://example.org/"
    assert (visit.funnel_step, visit.abandoned) == (1, False)


@pytest.mark.parametrize(
    ("drawing", "behaviour"),
    [
        ("P", "bounce"),
        ("S", "browse"),
        ("PP", "browse"),
        ("PPPP", "engage"),
        ("PC", "buy"),
        ("S" + "." * 58 + "E", "browse"),
        ("S" + "." * 59 + "E", "engage"),
        ("S" + "." * 59 + "P", "bounce"),
    ],
)
def test_behaviour(drawing: str, behaviour: str) -> None:
    (visit,) = of(timeline(f"ann {drawing}")).sessions.values()
    assert visit.behaviour == behaviour


@pytest.mark.parametrize(
    ("urls", "step", "abandoned"),
    [
        (["/cart", "/"], 1, False),
        (["https://shop.example", "/products/7?x=/cart"], 2, True),
        (["/", "/cart", "/products", "/cart#top", "/checkout"], 4, True),
        (["/", "/products", "/cart", "CONVERSION", "/checkout"], 4, True),
        (["/", "/products", "/cart", "/checkout", "CONVERSION"], 5, False),
    ],
)
def test_the_funnel_is_walked_strictly_in_order(urls: list[str], step: int, abandoned: bool) -> None:
    events = timeline("ann " + "".join("C" if url == "CONVERSION" else "P" for url in urls))
    for event, url in zip(events, urls, strict=True):
        if event.page_view_data:
            event.page_view_data.url = url
    (visit,) = of(events).sessions.values()
    assert (visit.funnel_step, visit.abandoned) == (step, abandoned)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://a.example", "/"),
        ("https://a.example/x/y?q#f", "/x/y"),
        ("/x#?", "/x"),
        ("?q=://", "/"),
        ("//host/x", "//host/x"),
        ("x", "x"),
    ],
)
def test_the_path_of_a_url(url: str, path: str) -> None:
    assert url_path(url) == path


def test_exactly_one_page_view_in_five_minutes_is_an_alert_when_the_window_closes() -> None:
    drawing = "ann P....PP...\nbob *....C...."
    expected = of(timeline(drawing, step_ms=60_000), until=600_000)
    (alert,) = expected.alerts.values()
    assert (alert.user_id, alert.window_start, alert.timestamp, alert.severity) == ("ann", 0, 300_000, "MEDIUM")
    assert len(of(timeline("ann P"), until=300_000).alerts) == 1
    assert len(of(timeline("ann P"), until=299_999).alerts) == 0


def test_numbers_round_half_to_even_at_the_sixth_place() -> None:
    assert rounded(Fraction(5, 10**7)) == 0.0
    assert rounded(Fraction(15, 10**7)) == 0.000002
    assert rounded(Fraction(2, 3)) == 0.666667


GOOD: dict[str, Any] = {"eventId": event_id(1), "timestamp": 5, "eventType": "scroll", "sessionId": "s"}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "UNDECODABLE"),
        (b"", "UNDECODABLE"),
        (b"\xff", "UNDECODABLE"),
        (b"\xef\xbb\xbf{}", "UNDECODABLE"),
        (b'{"x": NaN}', "UNDECODABLE"),
        (b'{"x": [-Infinity]}', "UNDECODABLE"),
        (rb'{"x": "\ud800"}', "UNDECODABLE"),
        (rb'{"\udc00\ud800": 1, "timestamp": "x"}', "UNDECODABLE"),
        (b'{"timestamp": "x"', "UNDECODABLE"),
        (b"[" * 100_000 + b"]" * 100_000, "UNDECODABLE"),
        (b"[]", "INVALID_FIELD"),
        (b"null", "INVALID_FIELD"),
        (b"{}", "INVALID_FIELD"),
    ],
)
def test_what_is_no_event_at_all(value: bytes | None, reason: str) -> None:
    assert read(LogRecord(0, 0, 0, value)) == reason


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("eventId", "0" * 36),
        ("eventId", "0" * 32),
        ("eventId", None),
        ("timestamp", -1),
        ("timestamp", 1.0),
        ("timestamp", True),
        ("timestamp", "5"),
        ("eventType", ""),
        ("eventType", "x" * 65),
        ("eventType", "PAGE_VIEW"),
        ("sessionId", ""),
        ("sessionId", "é" * 129),
        ("userId", ""),
        ("userId", 7),
        ("siteId", "x" * 65),
        ("pageViewData", []),
        ("pageViewData", {"url": ""}),
        ("pageViewData", {"url": "x" * 2001}),
        ("pageViewData", {"pageLoadTime": "1"}),
        ("pageViewData", {"pageLoadTime": True}),
        ("sessionData", {"city": 1}),
        ("conversionData", {"value": -0.01}),
        ("conversionData", {"value": 10**400}),
        ("conversionData", {"orderId": []}),
    ],
)
def test_one_wrong_field_makes_it_invalid(field: str, wrong: Any) -> None:
    value = json.dumps(GOOD | {field: wrong}).encode()
    assert read(LogRecord(0, 0, 10, value)) == "INVALID_FIELD"


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"userId": None, "siteId": None, "pageViewData": None, "conversionData": {"value": None}},
        {"siteId": "", "sessionId": "é" * 128, "eventType": "x" * 64},
        {"unknown": {"deep": [1.5, None, "😀"]}},
        {"conversionData": {"value": 1e308}, "pageViewData": {"pageLoadTime": -1}},
        {"timestamp": 300_010},
    ],
)
def test_what_is_allowed_is_accepted(more: dict[str, Any]) -> None:
    event = read(LogRecord(0, 0, 10, json.dumps(GOOD | more).encode()))
    assert not isinstance(event, str)
    assert event.site == "default"


def test_more_than_five_minutes_ahead_is_the_future() -> None:
    value = json.dumps(GOOD | {"timestamp": 300_011}).encode()
    assert read(LogRecord(0, 0, 10, value)) == "FUTURE_TIMESTAMP"


def test_numbers_no_double_holds_are_wrong_only_in_a_known_field() -> None:
    text = json.dumps(GOOD)[:-1]
    assert read(LogRecord(0, 0, 10, f'{text}, "conversionData": {{"value": 1e400}}}}'.encode())) == "INVALID_FIELD"
    assert not isinstance(read(LogRecord(0, 0, 10, f'{text}, "unknown": 1e400, "long": {"9" * 5000}}}'.encode())), str)

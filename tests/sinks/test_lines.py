"""A result becomes exactly these lines."""

import pytest

from sinks.lines import (
    InvalidResultError,
    alert_line,
    door_lines,
    escape_tag,
    metric_lines,
    quote_field,
    session_line,
)
from tests.sinks.results import NOW, alert, final, ranking, visit
from tidemark.counts import DoorCounts

END_NS = NOW * 1_000_000


@pytest.mark.parametrize(
    ("value", "escaped"),
    [
        ("plain", "plain"),
        ("", ""),
        ("a b", r"a\ b"),
        ("a,b", r"a\,b"),
        ("a=b", r"a\=b"),
        ('"quoted"', '"quoted"'),
        ("zürich 東京 🙂", r"zürich\ 東京\ 🙂"),
        ("a\nb", r"a\x0ab"),
        ("a\r\tb\0", r"a\x0d\x09b\x00"),
        ("a\u2028b", r"a\u2028b"),
        ("ends\\", r"ends\x5c"),
        (r"a\,b", r"a\x5c\,b"),
    ],
)
def test_a_tag_can_end_neither_itself_nor_its_line(value: str, escaped: str) -> None:
    assert escape_tag(value) == escaped


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("", '""'),
        ("plain, a=b", '"plain, a=b"'),
        ('say "hi"', r'"say \"hi\""'),
        ("ends\\", r'"ends\\"'),
        ('\\"', r'"\\\""'),
        ("two\nlines", '"two\nlines"'),
    ],
)
def test_a_string_field_ends_at_its_own_quote_only(value: str, quoted: str) -> None:
    assert quote_field(value) == quoted


def test_a_scalar_metric_is_one_point_at_the_end_of_its_window() -> None:
    assert metric_lines(final("active_users", value=8.0)) == [
        f"active_users,metric=real_time,site=shop value=8.0,count=8i {END_NS}"
    ]
    assert metric_lines(final("revenue_per_user", value=1e-06)) == [
        f"revenue_per_user,metric=business,site=shop value=1e-06,count=8i {END_NS}"
    ]


@pytest.mark.parametrize(("metric", "kind"), [("bounce_rate", "real_time"), ("conversion_rate", "business")])
def test_a_rate_is_in_percent_without_the_noise_of_binary_fractions(metric: str, kind: str) -> None:
    assert metric_lines(final(metric, value=0.07)) == [f"{metric},metric={kind},site=shop value=7.0,count=8i {END_NS}"]
    (line,) = metric_lines(final(metric, value=0.285714))
    assert " value=28.5714," in line


def test_lists_are_one_point_an_entry() -> None:
    assert metric_lines(ranking("popular_content", ('/a "b"', 5), ("", 2))) == [
        rf'popular_content,metric=business,rank=1,site=shop url="/a \"b\"",views=5i {END_NS}',
        f'popular_content,metric=business,rank=2,site=shop url="",views=2i {END_NS}',
    ]
    assert metric_lines(ranking("geographic_distribution", ("New Zealand", 5), ("", 2))) == [
        rf"geographic_distribution,country=New\ Zealand,metric=business,site=shop visitors=5i {END_NS}",
        f"geographic_distribution,metric=business,site=shop visitors=2i {END_NS}",
    ]
    assert metric_lines(ranking("events_by_outcome", ("accepted", 5), ("invalid_field", 2))) == [
        f"events_by_outcome,metric=pipeline,outcome=accepted,site=shop events=5i {END_NS}",
        f"events_by_outcome,metric=pipeline,outcome=invalid_field,site=shop events=2i {END_NS}",
    ]
    assert metric_lines(final("popular_content", value=0.0, count=0)) == []


def test_an_early_result_is_no_point() -> None:
    assert metric_lines(final("active_users", final=False)) == []


def test_an_unknown_metric_is_named_with_what_was_expected() -> None:
    with pytest.raises(InvalidResultError, match=r"^metric: expected one of page_views_per_second, .*, got 'clicks'$"):
        metric_lines(final("clicks"))


def test_a_visit_has_a_time_and_slot_that_depend_on_its_id_alone() -> None:
    line = session_line(visit(visit_id="v1"), session_id_tag=False)
    assert line == (
        'sessions,site=shop,slot=29 visit_id="v1",visitor="ann",session_id="s-1",behaviour="buy",entry_page="/",'
        f'exit_page="/cart",start_time={NOW - 90_500}i,end_time={NOW - 500}i,duration_seconds=90.0,events=4i,'
        "page_views=3i,revenue=19.99,funnel_step=3i,bounced=False,converted=True,abandoned=True "
        f"{(NOW - 500) * 1_000_000 + 155_596}"
    )


def test_visits_that_end_together_do_not_overwrite_each_other() -> None:
    lines = [session_line(visit(visit_id=f"v{n}"), session_id_tag=False) for n in range(5_000)]
    assert len({(line.split(" ")[0], line.rsplit(" ", 1)[1]) for line in lines}) == 5_000


def test_the_session_id_is_a_tag_only_where_a_setting_asks_for_it() -> None:
    line = session_line(visit(session_id="a b"), session_id_tag=True)
    assert line.startswith(r"sessions,session_id=a\ b,site=shop,slot=")
    assert 'session_id="' not in line


def test_what_a_visit_does_not_know_is_left_out() -> None:
    line = session_line(visit(country="NZ", referrer=None), session_id_tag=False)
    assert 'country="NZ"' in line
    assert "referrer" not in line


def test_an_alert_lies_inside_its_window_at_a_time_its_id_decides() -> None:
    times = {int(alert_line(alert(alert_id=f"a{n}")).rsplit(" ", 1)[1]) for n in range(1_000)}
    assert len(times) == 1_000
    assert min(times) >= END_NS - 300_000 * 1_000_000
    assert max(times) < END_NS
    assert alert_line(alert(alert_id="a1")) == alert_line(alert(alert_id="a1"))


def test_an_alert_of_an_empty_window_is_refused() -> None:
    with pytest.raises(InvalidResultError, match=r"^windowEnd: expected more than windowStart 5, got 5$"):
        alert_line(alert(window_start=5, window_end=5))


def test_what_the_door_counts_is_a_point_an_outcome_at_its_own_time() -> None:
    assert door_lines(DoorCounts("my shop", 1_500_000_007, {"accepted": 2, "no_key": 1})) == [
        r"events_at_the_door,metric=pipeline,outcome=accepted,site=my\ shop events=2i 1500000007",
        r"events_at_the_door,metric=pipeline,outcome=no_key,site=my\ shop events=1i 1500000007",
    ]
    assert door_lines(DoorCounts("", 7, {"wrong_key": 1})) == [
        "events_at_the_door,metric=pipeline,outcome=wrong_key events=1i 7"
    ]

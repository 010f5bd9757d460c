"""What each kind of rule says of windows, and files that are refused with the field that is wrong."""

import pytest

from streams.alerts.app import load_rules
from streams.alerts.rules import RulesError, read_rules
from streams.windows import SLIDE_MS
from tests.streams.alerts.made import alerts, final, finals, rules, times
from tidemark.results import BOUNCE_RATE, CONVERSION_RATE, POPULAR_CONTENT
from tidemark.settings import Settings

USUAL = [100.0, 104.0, 97.0, 101.0, 99.0, 95.0, 103.0, 98.0] * 5
NAMED = '[[rules]]\nname = "a"\n'


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[[rules]", "line 1"),
        ("", "`rules`"),
        ("[[rules]]\nkind = 'bounce_rate'\nabove = 0.5", "`name` - at `$.rules[0]`"),
        (NAMED + "kind = 'bounced'", "'bounced' - at `$.rules[0].kind`"),
        (NAMED + "kind = 'bounce_rate'\nabove = 50", "<= 1.0 - at `$.rules[0].above`"),
        (NAMED + "kind = 'bounce_rate'\nabove = 0.5\nbelow = 0.1", "unknown field `below` - at `$.rules[0]`"),
        (NAMED + "kind = 'bounce_rate'\nabove = 0.5\nclear = 0.6", "clear: expected the good side"),
        (NAMED + "kind = 'bounce_rate'\nabove = 0.5\nfor = 30", "90s, 15m, 1h or 7d, got 30 - at `$.rules[0].for`"),
        (NAMED + "kind = 'bounce_rate'\nabove = 0.5\nrearm = '2 min'", "got '2 min' - at `$.rules[0].rearm`"),
        (NAMED + "kind = 'threshold'\nmetric = 'popular_content'\nabove = 1", "at `$.rules[0].metric`"),
        (NAMED + "kind = 'threshold'\nmetric = 'bounce_rate'", "one of above and below - at `$.rules[0]`"),
        (NAMED + "kind = 'threshold'\nmetric = 'bounce_rate'\nabove = 1\nbelow = 0", "one of above and below"),
        (NAMED + "kind = 'traffic_drop'\nchange = 2", "<= 1.0 - at `$.rules[0].change`"),
        (NAMED + "kind = 'traffic_drop'\nfor = '10m'", "for: expected at most 300s with 120 windows"),
        (NAMED + "kind = 'anomaly'\nmetric = 'active_users'\ndirection = 'below'\nchange = 2", "change: expected"),
        (NAMED + "kind = 'funnel_step'\nfrom = '/'\nbelow = 0.1", "`to` - at `$.rules[0]`"),
        (2 * (NAMED + "kind = 'traffic_drop'\n"), "got twice: a"),
    ],
)  # fmt: skip
def test_wrong_rules_name_the_field(text: str, named: str) -> None:
    with pytest.raises(RulesError) as refused:
        read_rules(text)
    assert named in str(refused.value)


def test_the_default_rules_are_read() -> None:
    assert [rule.name for rule in load_rules(Settings().alert_rules)] == [
        "traffic-drop", "traffic-spike", "bounce-rate", "cart-to-checkout",
    ]  # fmt: skip


def test_half_the_traffic_is_a_drop_and_twice_a_spike_from_a_quarter_of_the_history_on() -> None:
    both = rules('kind = "traffic_drop"\nwindows = 40', 'kind = "traffic_spike"\nwindows = 40')
    assert [alert.alert_type for alert in alerts(both, finals([*USUAL, 49.0]))] == ["TRAFFIC_DROP"]
    assert [alert.alert_type for alert in alerts(both, finals([*USUAL, 201.0]))] == ["TRAFFIC_SPIKE"]
    assert alerts(both, finals([*USUAL, 52.0, 195.0])) == []
    assert alerts(both, finals([*USUAL[:9], 0.0])) == []
    assert times(alerts(both, finals([*USUAL[:10], 0.0]))) == [11]


def test_what_scatters_widely_must_go_further_and_a_few_wild_windows_do_not_matter() -> None:
    drop = rules('kind = "traffic_drop"\nwindows = 40')
    wide = [100.0, 160.0, 60.0, 120.0, 75.0, 140.0, 90.0, 110.0] * 5
    assert alerts(drop, finals([*wide, 45.0])) == []
    assert times(alerts(drop, finals([*USUAL[:30], *[9_000.0] * 5, *USUAL[:5], 45.0]))) == [41]


def test_a_site_with_few_views_is_not_judged() -> None:
    assert alerts(rules('kind = "traffic_drop"'), finals([4.9] * 60 + [0.0] * 10)) == []


def test_an_anomaly_is_of_any_metric_in_its_direction() -> None:
    fall = rules(f'kind = "anomaly"\nmetric = "{CONVERSION_RATE}"\ndirection = "below"\nwindows = 8\nmin_count = 100')
    usual = finals([0.1] * 8, CONVERSION_RATE)
    assert times(alerts(fall, [*usual, final(9, 0.02, CONVERSION_RATE)]), SLIDE_MS) == [9]
    assert alerts(fall, [*usual, final(9, 0.9, CONVERSION_RATE)]) == []
    assert alerts(fall, [*usual, final(9, 0.02, CONVERSION_RATE, count=99)]) == []
    passed_over = [final(number, 0.1, CONVERSION_RATE, count=99) for number in range(1, 9)]
    assert alerts(fall, [*passed_over, final(9, 0.0, CONVERSION_RATE)]) == []


def test_a_bounce_rate_counts_from_so_many_visits_on_and_says_what_is_wrong() -> None:
    high = rules('kind = "bounce_rate"\nabove = 0.8\nmin_count = 50\nseverity = "HIGH"')
    assert alerts(high, [final(1, 0.8, BOUNCE_RATE), final(2, 1.0, BOUNCE_RATE, count=49)]) == []
    [alert] = alerts(high, [final(3, 0.875, BOUNCE_RATE, count=1_200)])
    assert alert.description == "shop: 87.5% of 1,200 visits saw one page only, above 80.0% [rule-0]"
    assert (alert.alert_type, alert.severity, alert.title, alert.user_id) == ("BOUNCE_RATE", "HIGH", "Bounce rate", "")
    assert alert.window_end == alert.timestamp == alert.window_start + 5_000


def test_a_funnel_step_is_views_of_one_page_for_views_of_another() -> None:
    step = rules('kind = "funnel_step"\nfrom = "/products*"\nto = "/cart"\nbelow = 0.1')
    few = {"/products/1": 80, "https://shop.example/products/2?x=1": 20, "/cart?a": 9, "/else": 1}
    assert len(alerts(step, [final(1, 110, POPULAR_CONTENT, urls=few)])) == 1
    assert alerts(step, [final(1, 111, POPULAR_CONTENT, urls=few | {"/cart#2": 1})]) == []
    assert alerts(step, [final(1, 49, POPULAR_CONTENT, urls={"/products": 49})]) == []
    assert alerts(step, [final(1, 900, POPULAR_CONTENT, urls={"/": 900})]) == []


def test_a_page_that_a_full_list_does_not_show_may_have_as_many_views_as_the_last() -> None:
    step = rules('kind = "funnel_step"\nfrom = "/products*"\nto = "/cart"\nbelow = 0.1')
    full = {"/products/0": 100} | {f"/{n}": 20 for n in range(8)}
    assert alerts(step, [final(1, 300, POPULAR_CONTENT, urls=full | {"/last": 10})]) == []
    assert len(alerts(step, [final(1, 300, POPULAR_CONTENT, urls=full | {"/last": 9})])) == 1


def test_a_rule_is_for_the_sites_it_names() -> None:
    some = rules('kind = "threshold"\nmetric = "active_users"\nabove = 5\nsites = ["shop", "blog-*"]')
    found = alerts(some, [final(1, 9, "active_users", site=site) for site in ("shop", "blog-1", "blog", "default")])
    assert [alert.site_id for alert in found] == ["shop", "blog-1"]

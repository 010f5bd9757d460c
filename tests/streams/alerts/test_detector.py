"""`for`, re-arming, repetitions and restarts: alerts are a function of the finals and the rules."""

import random
from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from streams.alerts.detector import FORGET_MS, Detector
from streams.windows import PANE_MS, SLIDE_MS
from tests.streams.alerts.made import T, alerts, final, finals, rules, times
from tidemark.results import MetricUpdate

HELD = rules('kind = "threshold"\nmetric = "active_users"\nabove = 10\nclear = 5\nfor = "15s"\nrearm = "10s"')
#: b: in breach, c: clear, -: between the two, !: in breach and an alert is due.
VALUES = {"b": 11.0, "!": 11.0, "c": 5.0, "-": 8.0}


def check(drawing: str) -> None:
    found = alerts(HELD, finals([VALUES[each] for each in drawing], "active_users"))
    assert times(found) == [number for number, each in enumerate(drawing, 1) if each == "!"]


def test_nothing_fires_before_it_has_held_for_so_long() -> None:
    check("bbbcbbb-bbb")
    check("bbb!")
    check("cc-bbb!bbb")


def test_it_is_armed_again_when_all_was_well_for_so_long_and_not_before() -> None:
    check("bbb!bbbbccbbbbbb")
    check("bbb!c-cbbbbb")
    check("bbb!ccbccbbbb")
    check("bbb!cccbbb!")
    check("bbb!ccc----bbb!")


def test_after_windows_that_are_missing_everything_begins_anew() -> None:
    first = finals([11.0] * 4, "active_users")
    later = [final(number, 11.0, "active_users") for number in range(400, 405)]
    assert times(alerts(HELD, [*first, *later])) == [4, 403]
    assert times(alerts(HELD, [*first[:3], *later[:3]])) == []


def test_an_alert_is_of_the_windows_in_breach() -> None:
    [alert] = alerts(HELD, finals([5.0, 11.0, 12.0, 13.0, 14.0], "active_users"))
    assert (alert.window_start, alert.window_end) == (T + PANE_MS, T + 5 * PANE_MS)
    assert alert.description == "shop: active_users is 14.0, above 10.0 for 20 s [rule-0]"


def test_early_results_and_other_metrics_do_not_count() -> None:
    early = [final(number, 11.0, "active_users", final=False) for number in range(1, 9)]
    assert alerts(HELD, [*early, *finals([11.0] * 8, "revenue_per_user")]) == []


THREE = rules(
    'kind = "traffic_drop"\nwindows = 8\nfor = "5s"\nrearm = "10s"',
    'kind = "threshold"\nmetric = "page_views_per_second"\nabove = 90\nclear = 70\nfor = "5s"\nrearm = "15s"',
    'kind = "threshold"\nmetric = "bounce_rate"\nbelow = 30\n',
)
LOGS = st.lists(
    st.tuples(
        st.sampled_from(["shop", "blog"]),
        st.sampled_from(["page_views_per_second", "bounce_rate"]),
        st.lists(st.sampled_from([0.0, 20.0, 80.0, 100.0]), min_size=1, max_size=12),
        st.integers(0, 2),
    ),
    max_size=12,
)


def log_of(runs: list[tuple[str, str, list[float], int]]) -> list[MetricUpdate]:
    """Windows in runs, after each a gap of so many; each site's and metric's have their numbers in turn."""
    numbers: dict[tuple[str, str], int] = {}
    log = []
    for site, metric, values, gap in runs:
        for value in values:
            number = numbers[site, metric] = numbers.get((site, metric), 0) + 1
            log.append(final(number, value, metric, site=site))
        numbers[site, metric] += gap
    return log


def restarted(log: list[MetricUpdate], at: list[int]) -> list[bytes]:
    """Judge with restarts from what was written down, folded, at these places of the log."""
    entries: dict[bytes, bytes] = {}
    found = []
    for start, end in pairwise([0, *sorted(at), len(log)]):
        detector = Detector.restored(entries, THREE) if entries else Detector(THREE)
        assert detector.offset == start
        for update in log[start:end]:
            found += [msgspec.json.encode(alert) for alert in detector.take(update)]
        detector.offset = end
        for key, value in detector.changes():
            if value is None:
                del entries[key]
            else:
                entries[key] = value
    return found


@given(LOGS, st.data())
def test_restarts_change_nothing(runs: list[tuple[str, str, list[float], int]], data: st.DataObject) -> None:
    log = log_of(runs)
    at = data.draw(st.lists(st.integers(0, len(log)), max_size=4))
    assert restarted(log, at) == restarted(log, [])


@given(LOGS, st.data())
def test_what_a_worker_sends_again_changes_nothing(
    runs: list[tuple[str, str, list[float], int]], data: st.DataObject
) -> None:
    log = log_of(runs)
    back, until = sorted(data.draw(st.tuples(st.integers(0, len(log)), st.integers(0, len(log)))))
    assert alerts(THREE, [*log[:until], *log[back:]]) == alerts(THREE, log)


@given(LOGS)
def test_an_alert_has_an_id_of_its_own_and_two_of_a_rule_are_apart(
    runs: list[tuple[str, str, list[float], int]],
) -> None:
    found = alerts(THREE, log_of(runs))
    assert len({alert.alert_id for alert in found}) == len(found)
    for site in ("shop", "blog"):
        ends = [a.timestamp for a in found if (a.site_id, a.alert_type) == (site, "TRAFFIC_DROP")]
        # Clear for 10 s, then in breach for 5 s: three windows and two; a gap of windows begins anew.
        assert all(later - earlier >= 3 * PANE_MS for earlier, later in pairwise(ends))


def test_a_changed_rule_begins_anew_and_the_others_go_on() -> None:
    log = [*finals([11.0] * 3, "active_users"), *finals([0.5] * 3, "bounce_rate")]
    threshold = 'kind = "threshold"\nmetric = "active_users"\nabove = 10\nfor = "15s"'
    bounce = 'kind = "bounce_rate"\nabove = 0.4\nfor = "15s"'
    detector = Detector(rules(threshold, bounce))
    assert [detector.take(update) for update in log] == [[]] * 6
    entries = {key: value for key, value in detector.changes() if value is not None}
    changed = rules(threshold.replace("15s", "10s"), bounce)
    after = Detector.restored(entries, changed)
    next_ones = [final(n, *of) for n in (4, 5) for of in ((11.0, "active_users"), (0.5, "bounce_rate"))]
    found = [alert for update in next_ones for alert in after.take(update)]
    assert [(alert.alert_type, *times([alert])) for alert in found] == [("BOUNCE_RATE", 4)]
    gone = Detector.restored(entries, changed[:1])
    assert (b'["rule-1","shop"]', None) in gone.changes()


def test_what_is_held_is_bounded() -> None:
    detector = Detector(rules('kind = "traffic_drop"\nwindows = 8'))
    values = random.Random(7)
    for number in range(1, 2_000):
        detector.take(final(number, values.random()))
    assert max(len(value or b"") for _, value in detector.changes()) < 400
    later = 2_000 + FORGET_MS // PANE_MS
    for number in range(later, later + 13):
        detector.take(final(number, 1.0, site="blog"))
    assert [key for key, value in detector.changes() if value is None] == [b'["rule-0","shop"]']


def test_a_sliding_window_comes_every_ten_seconds() -> None:
    held = rules('kind = "threshold"\nmetric = "conversion_rate"\nbelow = 0.1\nfor = "20s"')
    assert times(alerts(held, finals([0.0] * 5, "conversion_rate")), SLIDE_MS) == [3]

"""Results go in at Kafka and are read back from InfluxDB; what cannot be kept is a dead letter."""

from pathlib import Path

import pytest

from sinks.app import GROUP
from sinks.batch import Batch
from tests.sinks.results import NOW, alert, final, ranking, send, visit, visits
from tests.sinks.running import SINK, sink_thread, wait_until_written
from tests.sinks.store import Row, points, rows
from tests.support import wait
from tests.support.kafka_log import lag, read_log
from tests.support.parts import running
from tidemark.results import LISTS, METRICS, DeadLetter, decode_dead_letter
from tidemark.settings import Settings
from tidemark.topics import ALERTS, DEAD_LETTERS, SESSIONS
from tidemark.topics import METRICS as METRIC_TOPIC

END_NS = NOW * 1_000_000
SCALARS = [metric for metric in METRICS if metric not in LISTS]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "sink.log"


def dead_letters(settings: Settings) -> list[DeadLetter]:
    return [decode_dead_letter(record.value or b"") for record in read_log(settings, DEAD_LETTERS)]


def by(rows: list[Row], name: str) -> list[Row]:
    return sorted(rows, key=lambda row: str(row[name]))


def test_every_kind_of_result_is_read_back_as_it_was_sent(settings: Settings, log: Path) -> None:
    send(settings, METRIC_TOPIC, [final(metric) for metric in SCALARS])
    send(settings, METRIC_TOPIC, [ranking("popular_content", ("/", 9), ('/a b?q="1",2', 4))])
    send(settings, METRIC_TOPIC, [ranking("geographic_distribution", ("NZ", 3), ("Côte d'Ivoire", 1))])
    send(settings, METRIC_TOPIC, [ranking("events_by_outcome", ("accepted", 3), ("late", 1))])
    send(settings, SESSIONS, [visit(visit_id="v1", device_type="mobile", browser="Firefox", country="NZ")])
    send(settings, ALERTS, [alert(alert_id="a1")])
    with running(settings, log, *SINK):
        wait_until_written(settings)

    for metric in SCALARS:
        rate = metric in ("bounce_rate", "conversion_rate")
        kind = "business" if metric in ("conversion_rate", "revenue_per_user") else "real_time"
        expected = {"site": "shop", "metric": kind, "value": 25.0 if rate else 0.25, "count": 8}
        assert rows(settings, metric) == [{"_measurement": metric, "ns": END_NS} | expected]
    common = {"site": "shop", "metric": "business", "ns": END_NS}
    assert by(rows(settings, "popular_content"), "rank") == [
        common | {"_measurement": "popular_content", "rank": "1", "url": "/", "views": 9},
        common | {"_measurement": "popular_content", "rank": "2", "url": '/a b?q="1",2', "views": 4},
    ]
    assert by(rows(settings, "geographic_distribution"), "country") == [
        common | {"_measurement": "geographic_distribution", "country": "Côte d'Ivoire", "visitors": 1},
        common | {"_measurement": "geographic_distribution", "country": "NZ", "visitors": 3},
    ]
    assert by(rows(settings, "events_by_outcome"), "outcome") == [
        common | {"_measurement": "events_by_outcome", "metric": "pipeline", "outcome": "accepted", "events": 3},
        common | {"_measurement": "events_by_outcome", "metric": "pipeline", "outcome": "late", "events": 1},
    ]
    (session,) = rows(settings, "sessions")
    assert (NOW - 500) * 1_000_000 <= session.pop("ns") < (NOW - 499) * 1_000_000
    assert 0 <= int(session.pop("slot")) < 64
    assert session == {
        "_measurement": "sessions",
        "site": "shop",
        "visit_id": "v1",
        "visitor": "ann",
        "session_id": "s-1",
        "behaviour": "buy",
        "entry_page": "/",
        "exit_page": "/cart",
        "device_type": "mobile",
        "browser": "Firefox",
        "country": "NZ",
        "start_time": NOW - 90_500,
        "end_time": NOW - 500,
        "duration_seconds": 90.0,
        "events": 4,
        "page_views": 3,
        "revenue": 19.99,
        "funnel_step": 3,
        "bounced": False,
        "converted": True,
        "abandoned": True,
    }
    (stored,) = rows(settings, "alerts")
    assert END_NS - 300_000 * 1_000_000 <= stored.pop("ns") < END_NS
    assert stored == {
        "_measurement": "alerts",
        "site": "shop",
        "alert_id": "a1",
        "alert_type": "HIGH_BOUNCE_RATE",
        "severity": "MEDIUM",
        "title": "High bounce rate",
        "description": 'One page view in 5 minutes, "/"',
        "user_id": "ann",
        "window_start": NOW - 300_000,
        "window_end": NOW,
    }


def test_early_results_are_passed_over_and_count_as_read(settings: Settings, log: Path) -> None:
    send(settings, METRIC_TOPIC, [final("active_users", final=False, revision=n) for n in range(3)])
    with running(settings, log, *SINK):
        wait_until_written(settings)
        assert rows(settings, "active_users") == []
        send(settings, METRIC_TOPIC, [final("active_users", value=5.0)])
        wait_until_written(settings)
    assert [row["value"] for row in rows(settings, "active_users")] == [5.0]


def test_results_that_are_sent_again_are_the_same_points(settings: Settings, log: Path) -> None:
    ended = visits(300)
    alerts = [alert() for _ in range(300)]
    with running(settings, log, *SINK):
        for _ in range(2):
            send(settings, SESSIONS, ended)
            send(settings, ALERTS, alerts)
            wait_until_written(settings)
    assert points(settings, "sessions", "visit_id") == 300
    assert points(settings, "alerts", "alert_id") == 300


def test_a_record_that_is_no_result_is_a_dead_letter_and_its_neighbours_are_written(
    settings: Settings, log: Path
) -> None:
    send(settings, SESSIONS, [visit(), b"not json", visit(), b'{"siteId": 7}', b"\xff\xfe", visit()])
    send(settings, METRIC_TOPIC, [final("clicks")])
    with running(settings, log, *SINK):
        wait_until_written(settings)
    assert points(settings, "sessions", "visit_id") == 3
    letters = dead_letters(settings)
    found = {letter.record: letter for letter in letters}
    assert len(letters) == 4
    assert found[b"not json"].reason == found[b"\xff\xfe"].reason == "UNDECODABLE"
    assert found[b'{"siteId": 7}'].reason == "INVALID_FIELD"
    assert found[b'{"siteId": 7}'].text == "Expected `str`, got `int` - at `$.siteId`"
    (unknown,) = (letter for letter in letters if letter.topic == settings.topic(METRIC_TOPIC.name))
    assert unknown.text.startswith("metric: expected one of")


def test_a_refused_point_is_a_dead_letter_that_says_where_it_was_read(settings: Settings, log: Path) -> None:
    too_large = final("active_users", site_id="odd", count=2**63)
    send(settings, METRIC_TOPIC, [final("active_users", site_id=f"s{n}") for n in range(20)] + [too_large])
    with running(settings, log, *SINK):
        wait_until_written(settings)
    assert points(settings, "active_users", "count") == 20
    (letter,) = dead_letters(settings)
    (source,) = (record for record in read_log(settings, METRIC_TOPIC) if record.value == letter.record)
    assert letter.reason == "REFUSED"
    assert "value out of range" in letter.text
    assert b'"odd"' in letter.record
    assert (letter.topic, letter.partition, letter.offset) == (
        settings.topic(METRIC_TOPIC.name),
        source.partition,
        source.offset,
    )


def test_a_stop_writes_and_commits_what_is_held(settings: Settings) -> None:
    batch = Batch(max_seconds=3_600)
    with sink_thread(settings, batch):
        send(settings, SESSIONS, visits(10))
        wait.until(lambda: len(batch.points) == 10, 20.0)
        assert points(settings, "sessions", "visit_id") == 0
    assert points(settings, "sessions", "visit_id") == 10
    assert lag(settings, GROUP, [SESSIONS]) == {}


def test_sigterm_amid_the_work_leaves_each_record_written_or_unread(settings: Settings, log: Path) -> None:
    with running(settings, log, *SINK) as sink:
        send(settings, SESSIONS, visits(2_500))
        wait.until(lambda: points(settings, "sessions", "visit_id") > 0, 20.0)
        assert sink.stop(within_s=5) == 0
    unread = sum(lag(settings, GROUP, [SESSIONS]).values())
    assert points(settings, "sessions", "visit_id") + unread == 2_500

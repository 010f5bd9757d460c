"""The whole pipeline is exact: log = manifest, topics = reference, InfluxDB = topics, WebSocket = topics."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.local.addresses import free_ports
from tests.conftest import provisioned
from tests.end_to_end.pipeline import EVENTS_SENT, SITES, Finished, finished_run
from tests.end_to_end.shown import last_points, points_told, shown, wire_name
from tests.monitoring.told import check, total
from tests.sinks.store import rows
from tests.support import wait
from tests.support.exactness import missing, unexpected
from tests.support.reference import LogRecord
from tests.support.reference_events import Seen, read
from tests.support.stored import MEASUREMENTS, NS_PER_MS, in_influxdb, to_be_stored
from tidemark.results import HIGH_BOUNCE_RATE, METRICS, Alert
from tidemark.settings import Settings


@pytest.fixture(scope="module")
def run(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    settings = provisioned(stack).model_copy(update={"gateway_port": free_ports()})
    with finished_run(settings, tmp_path_factory.mktemp("run")) as finished:
        yield finished


# ---- The log is the manifest


def readings(run: Finished) -> list[Seen | str]:
    """Each record of the log but the ticks: its event, or the reason why it is none."""
    return [
        read(LogRecord(record.partition, record.offset, record.append_time, record.value))
        for record in run.log
        if not record.tick
    ]


def figures(events: list[Seen]) -> dict[str, Any]:
    """What a manifest tells of good events, each event once."""
    once = {event.event_id: event for event in events}.values()
    by_type = Counter(event.event_type for event in once)
    return {
        "events": dict(by_type),
        "visits": len({(event.site, event.visitor, event.session_id) for event in once}),
        "conversions": by_type["CONVERSION"],
        "revenueMicros": sum(event.micros for event in once if event.event_type == "CONVERSION"),
    }


def test_the_log_is_what_the_manifest_says(run: Finished) -> None:
    manifest = run.manifest
    read_back = readings(run)
    events = [reading for reading in read_back if isinstance(reading, Seen)]
    ids = {event.event_id for event in events}
    assert len(read_back) == manifest["recordsAcknowledged"] == manifest["recordsSent"]
    assert len(ids) == manifest["distinctEventIds"] == EVENTS_SENT
    assert len(events) - len(ids) == manifest["duplicates"]
    assert Counter(reading for reading in read_back if isinstance(reading, str)) == manifest["bad"]["byReason"]
    assert {name: manifest[name] for name in figures(events)} == figures(events)
    assert {site: figures([event for event in events if event.site == site]) for site in SITES} == manifest["sites"]
    assert manifest["firstEventTime"] == min(event.time for event in events)
    assert manifest["lastEventTime"] == max(event.time for event in events)


# ---- The topics are the reference


def test_every_result_on_the_topics_is_the_references_and_there_is_no_other(run: Finished) -> None:
    assert missing(run.due, run.seen) == []
    assert unexpected(run.allowed, run.seen) == []
    assert run.seen.conflicts == []


def test_each_record_of_the_log_had_exactly_one_fate(run: Finished) -> None:
    records = run.manifest["recordsSent"]
    reasons = Counter(run.seen.dead.values())
    assert run.due.accepted + run.due.duplicates + len(run.seen.dead) == records
    assert Counter(reasons) - Counter(LATE=reasons["LATE"]) == run.manifest["bad"]["byReason"]
    assert 0 < reasons["LATE"] <= run.manifest["late"] * 1.02
    fates = {"accepted": run.due.accepted, "duplicate": run.due.duplicates}
    assert run.seen.outcomes() == fates | {reason.lower(): count for reason, count in reasons.items()}


def test_the_run_was_worth_looking_at(run: Finished) -> None:
    """All kinds of results, with numbers in them; visits that ended by SESSION_END and by their gap."""
    named = {(final.site_id, final.metric) for final in run.seen.finals.values() if final.value}
    assert named == {(site, metric) for site in SITES for metric in METRICS}
    assert len(run.seen.finals) > 10_000
    assert {visit.behaviour for visit in run.seen.sessions.values()} == {"bounce", "browse", "engage", "buy"}
    assert len(run.seen.sessions) > 1_000
    assert len(run.seen.alerts) > 1_000


# ---- The metrics are the topics


def test_the_metrics_tell_what_became_of_each_record(run: Finished) -> None:
    check("streams", run.told)
    dead = Counter(reason.lower() for reason in run.seen.dead.values())
    fates = dead | {"accepted": run.due.accepted, "duplicate": run.due.duplicates}
    for outcome, count in fates.items():
        assert total(run.told, "analytics_pipeline_events_total", stage="streams", outcome=outcome) == count
    for reason, count in dead.items():
        assert total(run.told, "analytics_dead_letters_total", stage="streams", reason=reason) == count
    assert (
        len(run.due.alerts) <= total(run.told, "analytics_alerts_total", type=HIGH_BOUNCE_RATE) <= len(run.seen.alerts)
    )
    assert total(run.told, "analytics_pipeline_lag_records") < 100


# ---- InfluxDB is the topics


@pytest.mark.parametrize("measurement", MEASUREMENTS)
def test_influxdb_has_each_result_once(run: Finished, measurement: str) -> None:
    assert in_influxdb(run.settings, measurement) == to_be_stored(run.seen, measurement)


def test_influxdb_tells_all_of_a_visit(run: Finished) -> None:
    for row in rows(run.settings, "sessions"):
        visit = run.seen.sessions[row["visit_id"]]
        assert row["ns"] // NS_PER_MS == visit.end_time
        told = {name: getattr(visit, name) for name in row if hasattr(visit, name)}
        assert {name: row[name] for name in told} == told
        assert {"revenue", "converted", "page_views", "duration_seconds", "funnel_step", "visitor"} <= told.keys()
        assert row["site"] == visit.site_id


def test_influxdb_tells_all_of_an_alert(run: Finished) -> None:
    for row in rows(run.settings, "alerts"):
        alert: Alert = run.seen.alerts[row["alert_id"]]
        assert (row["site"], row["user_id"]) == (alert.site_id, alert.user_id)
        assert alert.window_start <= row["ns"] // NS_PER_MS < alert.window_end


# ---- A WebSocket client sees the topics


@pytest.mark.parametrize("site", SITES)
def test_a_page_that_opens_now_gets_the_last_points_of_each_metric(run: Finished, site: str) -> None:
    def settled() -> bool:
        snapshot = run.page.subscribe(site)
        told = {metric: points_told(snapshot, metric) for metric in METRICS}
        expected = {metric: last_points(run.seen, site, metric, snapshot["timestamp"]) for metric in METRICS}
        assert any(value for points in expected.values() for _, final, value in points if final)
        return told == expected

    wait.until(settled, 20.0, f"the snapshot of {site} is not the last points on the topic")


def test_a_page_that_was_open_all_the_time_was_shown_nothing_else(run: Finished) -> None:
    for site in SITES:
        run.page.subscribe(site)
    finals = {
        (site, wire_name(metric), final.window_end): final for (site, metric, _), final in run.seen.finals.items()
    }
    assert {key[:2] for key in run.page.finals} == {(site, wire_name(metric)) for site in SITES for metric in METRICS}
    assert {key: shown(finals[key]) for key in run.page.finals} == run.page.finals
    assert len(run.page.alerts) > 10
    for alert_id, alert in run.page.alerts.items():
        known = run.seen.alerts[alert_id]
        assert (alert["userId"], alert["windowStart"]) == (known.user_id, known.window_start)

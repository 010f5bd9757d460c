"""Every query of every panel, asked of the real Prometheus and the real InfluxDB as Grafana would ask it."""

import json
import time
from collections.abc import Iterator
from math import isnan
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from confluent_kafka import Producer

from monitoring.grafana.__main__ import DASHBOARDS
from monitoring.grafana.flux import SITES
from monitoring.grafana.model import Flux, PromQL
from tests.deploy.measured import send_an_event
from tests.support import wait
from tidemark.flux import quoted, rows
from tidemark.results import HIGH_BOUNCE_RATE, MEDIUM, Alert, encode
from tidemark.settings import Settings
from tidemark.topics import ALERTS

#: With every job, instance and site chosen; the interval is four scrapes, as Grafana's is.
CHOSEN_ALL = {
    "$job": ".+",
    "$instance": ".+",
    "$__rate_interval": "20s",
    "${site:regex}": ".*",
    "v.timeRangeStart": "-10m",
    "v.timeRangeStop": "now()",
    "v.windowPeriod": "5s",
}
RANGE_S, STEP_S = 120, 5


def wait_until_every_panel_shows_something(settings: Settings, prometheus: str, deadline_s: float) -> None:
    """Fail with the queries that answered with nothing; at once with one that Prometheus or InfluxDB refuses."""
    empty = dict(_queries())
    _send_an_alert(settings)

    def all_shown() -> bool:
        # A rate is of something that happens again.
        send_an_event(settings)
        for name in [name for name, query in empty.items() if _shows(settings, prometheus, query)]:
            del empty[name]
        return not empty

    wait.until(all_shown, deadline_s, lambda: f"nothing to show: {list(empty)}")


def _send_an_alert(settings: Settings) -> None:
    """Send what a visitor who leaves after one page brings only when the five minutes are over."""
    now = time.time_ns() // 1_000_000
    alert = Alert(
        alert_id="an-alert",
        alert_type=HIGH_BOUNCE_RATE,
        severity=MEDIUM,
        title="High bounce rate",
        description="one page",
        site_id="default",
        user_id="a-user",
        window_start=now - 60_000,
        window_end=now,
        timestamp=now,
    )
    producer = Producer({"bootstrap.servers": settings.kafka_bootstrap_servers})
    producer.produce(settings.topic(ALERTS.name), encode(alert), alert.key())
    assert producer.flush(10) == 0


def _queries() -> Iterator[tuple[str, PromQL | Flux]]:
    yield "variable: site", Flux(SITES)
    for dashboard in DASHBOARDS:
        for row in dashboard.rows:
            for panel in row.panels:
                for place, query in enumerate(panel.queries):
                    yield f"{dashboard.name}: {panel.title}: {place}", query


def _shows(settings: Settings, prometheus: str, query: PromQL | Flux) -> bool:
    text = query.text
    for variable, value in (CHOSEN_ALL | {"v.defaultBucket": quoted(settings.influxdb_bucket)}).items():
        text = text.replace(variable, value)
    if isinstance(query, Flux):
        return any(row.get("_value") != "" for row in rows(_flux(settings, text)))
    now = time.time()
    asked = urlencode({"query": text, "start": now - RANGE_S, "end": now, "step": STEP_S})
    answer = json.loads(_read(f"{prometheus}api/v1/query_range", asked.encode()))
    points: list[Any] = [point for series in answer["data"]["result"] for point in series["values"]]
    return any(not isnan(float(value)) for _, value in points)


def _flux(settings: Settings, text: str) -> str:
    url = f"{settings.influxdb_url}/api/v2/query?org={quote(settings.influxdb_org)}"
    headers = {"Content-Type": "application/vnd.flux", "Accept": "application/csv"}
    return _read(url, text.encode(), headers)


def _read(url: str, body: bytes, headers: dict[str, str] | None = None) -> str:
    try:
        with urlopen(Request(url, body, headers or {}), timeout=20) as answer:
            text: str = answer.read().decode()
            return text
    except HTTPError as refused:
        raise AssertionError(f"{body.decode()}\n{refused.read().decode()}") from refused

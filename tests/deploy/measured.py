"""All /metrics of a running ``tidemark up``: every part's, Kafka's and InfluxDB's."""

import json
import time
from collections.abc import Iterator
from urllib.error import URLError
from urllib.request import Request, urlopen

from monitoring.metrics import PARTS, WEBHOOK
from tests.ingestion.made import page_view
from tests.monitoring.told import Told, check, label_values, told, total, untold
from tests.support import wait
from tidemark.settings import Settings
from tidemark.topics import ALL, EVENTS, METRICS, PARTIALS

LATENCY, LAG = "analytics_pipeline_latency_seconds", "analytics_pipeline_lag_records"
#: What is there when events and results have gone all the way: part, metric, label, value.
SERIES = (
    ("streams", LATENCY, "stage", "streams"),
    ("streams", LATENCY, "stage", "merge"),
    ("streams", LAG, "topic", EVENTS.name),
    ("streams", LAG, "topic", PARTIALS.name),
    ("sink", LATENCY, "stage", "sink"),
    ("sink", LAG, "topic", METRICS.name),
    ("gateway", LATENCY, "stage", "gateway"),
    ("gateway", LATENCY, "stage", "end_to_end"),
    ("gateway", LAG, "topic", METRICS.name),
    ("ingestion", LATENCY, "stage", "ingestion"),
)


#: Nobody has asked for a webhook.
_RUNNING = [part for part in PARTS if part != WEBHOOK]


def measured_while_it_runs(settings: Settings) -> None:
    """Wait until every part has told all it will, one event for the door included; then look at it."""
    assert settings.metrics_port is not None
    urls = {part: f"http://127.0.0.1:{settings.metrics_port + n}/metrics" for n, part in enumerate(_RUNNING)}
    wait.until(lambda: send_an_event(settings), 90, "the door takes no event")
    seen: dict[str, Told] = {}

    def all_is_told() -> bool:
        seen.update({part: told(url) for part, url in urls.items()})
        return not any(_missing(seen))

    wait.until(all_is_told, 60, lambda: str(list(_missing(seen))))
    for part, metrics in seen.items():
        check(part, metrics, seldom_shown=part != "ingestion")
    _check_streams(seen["streams"])
    _check_ends(seen)
    _check_servers(settings)


def _missing(seen: dict[str, Told]) -> Iterator[object]:
    for part, metrics in seen.items():
        yield from untold(part, metrics)
    for part, name, label, value in SERIES:
        if name not in seen[part] or value not in label_values(seen[part], name, label):
            yield part, name, value


def send_an_event(settings: Settings) -> bool:
    """Send one to the door; say whether it was taken."""
    url, body = (
        f"http://127.0.0.1:{settings.ingestion_port}/event",
        json.dumps(page_view(timestamp=time.time_ns() // 1_000_000)).encode(),
    )
    try:
        with urlopen(Request(url, body, {"User-Agent": "Mozilla/5.0"}), timeout=5) as reply:
            return bool(reply.status == 200)
    except URLError:
        return False


def _check_streams(metrics: Told) -> None:
    accepted = total(metrics, "analytics_pipeline_events_total", stage="streams", outcome="accepted")
    assert accepted > 100
    assert total(metrics, "analytics_pipeline_open", kind="visit") > 10
    assert 0 < total(metrics, "analytics_pipeline_open", kind="event_id") <= accepted + 1_000
    assert label_values(metrics, "analytics_pipeline_watermark_delay_seconds", "partition") == {
        str(partition) for partition in range(EVENTS.partitions)
    }
    assert total(metrics, "analytics_event_loop_lag_seconds_count", part="streams") > 2


def _check_ends(seen: dict[str, Told]) -> None:
    sink, gateway, door = seen["sink"], seen["gateway"], seen["ingestion"]
    assert total(sink, "analytics_sink_points_total") >= total(sink, "analytics_sink_batches_total") > 0
    assert total(gateway, "websocket_server_active_connections") == 1  # tidemark watch
    assert total(gateway, "websocket_server_connection_limit") == Settings().gateway_max_connections
    assert total(gateway, "websocket_server_sent_bytes_total") > 1_000
    assert total(door, "analytics_ingestion_events_total", site="shop", outcome="accepted") == 1
    assert total(door, "analytics_ingestion_responses_total", code="200") == 1
    assert total(seen["simulator"], "analytics_pipeline_events_total", outcome="acknowledged") > 0


def _check_servers(settings: Settings) -> None:
    kafka = told(f"http://127.0.0.1:{settings.kafka_metrics_port}/metrics")
    assert total(kafka, "kafka_controller_kafkacontroller_activecontrollercount") == 1
    assert total(kafka, "kafka_server_brokertopicmetrics_messagesin_total", topic=EVENTS.name) > 100
    assert {topic.name for topic in ALL} <= label_values(kafka, "kafka_log_size_bytes", "topic")
    assert total(kafka, "jmx_scrape_error") == 0
    assert total(told(f"{settings.influxdb_url}/metrics"), "go_goroutines") > 0

"""Every Prometheus metric of Tidemark, named once; parts import them from here and serve them."""

import os

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    start_http_server,
)
from prometheus_client.multiprocess import MultiProcessCollector

#: prometheus_client's own variable: a part of several processes names a folder there before it imports this module.
_SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

EVENTS = Counter(
    "analytics_pipeline_events", "Records a stage has dealt with, by what became of them.", ["stage", "outcome"]
)
ERRORS = Counter("analytics_pipeline_errors", "Failures a stage has met, by reason.", ["stage", "reason"])
POSITION = Gauge(
    "analytics_pipeline_position",
    "The offset of the next record that the state of a partition needs, on the worker that owns it.",
    ["topic", "partition"],
)
CHECKPOINTS = Counter("analytics_pipeline_checkpoints", "Checkpoints of a state, by what became of them.", ["outcome"])
CHECKPOINT_BYTES = Counter("analytics_pipeline_checkpoint_bytes", "Keys and values written to checkpoints.")
CHECKPOINT_SECONDS = Histogram("analytics_pipeline_checkpoint_seconds", "How long a checkpoint's transaction took.")
CHECKPOINT_TIME = Gauge(
    "analytics_pipeline_checkpoint_timestamp_seconds",
    "When the last checkpoint of a state was made; its age is the time since. By partition of stream-checkpoints.",
    ["partition"],
)
CONNECTIONS = Gauge("websocket_server_active_connections", "WebSocket clients that are connected.")
OUTBOX_CONFLATED = Counter(
    "websocket_server_conflated_updates", "Updates a slow client never saw because a newer one replaced them."
)
SINK_POINTS = Counter("analytics_sink_points", "Points written to InfluxDB.")
INGESTION_EVENTS = Counter(
    "analytics_ingestion_events",
    "Events the HTTP door was sent, by what became of them: accepted, bot, or why they were refused.",
    ["site", "outcome"],
)
INGESTION_SPOOL_BYTES = Gauge(
    "analytics_ingestion_spool_bytes", "What waits on the door's disk for Kafka.", multiprocess_mode="mostrecent"
)


def registry() -> CollectorRegistry:
    """Return where this part's metrics are: its own process, or all that share a folder."""
    if _SHARED_FOLDER not in os.environ:
        return REGISTRY
    shared = CollectorRegistry()
    MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
    return shared


def exposition() -> tuple[str, bytes]:
    """Return the metrics' content type and text."""
    return CONTENT_TYPE_LATEST, generate_latest(registry())


def serve_metrics(host: str, port: int | None) -> None:
    """Serve /metrics; without a port none are served."""
    if port is not None:
        start_http_server(port, addr=host, registry=registry())

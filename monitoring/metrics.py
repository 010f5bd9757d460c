"""Every Prometheus metric of Tidemark, named once; parts import them from here and serve them on loopback."""

from prometheus_client import Counter, Gauge, start_http_server

EVENTS = Counter(
    "analytics_pipeline_events", "Records a stage has dealt with, by what became of them.", ["stage", "outcome"]
)
ERRORS = Counter("analytics_pipeline_errors", "Failures a stage has met, by reason.", ["stage", "reason"])
CONNECTIONS = Gauge("websocket_server_active_connections", "WebSocket clients that are connected.")
OUTBOX_CONFLATED = Counter(
    "websocket_server_conflated_updates", "Updates a slow client never saw because a newer one replaced them."
)
SINK_POINTS = Counter("analytics_sink_points", "Points written to InfluxDB.")


def serve_metrics(port: int | None) -> None:
    """Serve /metrics on loopback; None serves none."""
    if port is not None:
        start_http_server(port, addr="127.0.0.1")

"""Every Prometheus metric of Tidemark, named once: its unit, its labels, its meaning and the parts that serve it."""

from typing import Literal, NamedTuple

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

STREAMS, SINK, GATEWAY, INGESTION, SITE_ALERTS, WEBHOOK, SIMULATOR = PARTS = (
    "streams",
    "sink",
    "gateway",
    "ingestion",
    "alerts",
    "webhook",
    "simulator",
)

# When each series began: one more series for each of them, which nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]

#: Of all histograms, in seconds: close where the targets are (0.1, 0.2), an edge where the alert is (0.5).
BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)

#: What a label says. There is none for a user, a visit or a url: each value is a series, and their number has no bound.
LABELS = {
    "code": "the HTTP status",
    "kind": "pane (its events wait for the watermark), visit, event_id (remembered for duplicates)",
    "outcome": "what became of it",
    "part": ", ".join(PARTS),
    "partition": "the number of the topic's partition; of a checkpoint that of stream-checkpoints",
    "reason": "from a fixed list of the stage's, or the Kafka client's name of an error",
    "site": "one of a bounded number; empty: not known, (others): beyond the bound",
    "stage": "ingestion, streams (events to partials), merge (partials to results), sink, gateway, alerts, "
    "webhook; of events also simulator, of latencies end_to_end",
    "topic": "with its prefix",
    "type": "the alert's type",
    "version": "of the package",
}


class Defined(NamedTuple):
    """A metric as it is served: a counter's name ends with _total."""

    name: str
    kind: str
    unit: str
    labels: tuple[str, ...]
    parts: tuple[str, ...]
    meaning: str
    collector: Counter | Gauge | Histogram


DEFINED: list[Defined] = []


def _counter(name: str, unit: str, parts: tuple[str, ...], meaning: str, labels: tuple[str, ...] = ()) -> Counter:
    counter = Counter(name, meaning, labels)
    DEFINED.append(Defined(name, "counter", unit, labels, parts, meaning, counter))
    return counter


def _gauge(name: str, unit: str, parts: tuple[str, ...], meaning: str, labels: tuple[str, ...] = ()) -> Gauge:
    # Of what the door's processes tell the newest word counts.
    mode: Literal["mostrecent", "all"] = "mostrecent" if INGESTION in parts else "all"
    gauge = Gauge(name, meaning, labels, multiprocess_mode=mode)
    DEFINED.append(Defined(name, "gauge", unit, labels, parts, meaning, gauge))
    return gauge


def _histogram(name: str, parts: tuple[str, ...], meaning: str, labels: tuple[str, ...] = ()) -> Histogram:
    histogram = Histogram(name, meaning, labels, buckets=BUCKETS)
    DEFINED.append(Defined(name, "histogram", "seconds", labels, parts, meaning, histogram))
    return histogram


EVENTS = _counter(
    "analytics_pipeline_events_total",
    "records",
    (STREAMS, SINK, GATEWAY, SITE_ALERTS, WEBHOOK, SIMULATOR),
    "Records a stage has dealt with, by what became of them.",
    ("stage", "outcome"),
)
ERRORS = _counter(
    "analytics_pipeline_errors_total",
    "failures",
    (STREAMS, SINK, GATEWAY, INGESTION, SITE_ALERTS, WEBHOOK),
    "Failures a stage has met, by reason.",
    ("stage", "reason"),
)
LATENCY = _histogram(
    "analytics_pipeline_latency_seconds",
    (STREAMS, SINK, GATEWAY, INGESTION, WEBHOOK),
    "ingestion: a request with events to its last acknowledgement, or to the disk. streams: an event's append time to "
    "the first partial with it, of the oldest event in it. merge: a window's end + lateness to its final. sink: a "
    "record's time to its batch in InfluxDB, of the oldest record in it. gateway: a record's time to its frames, of "
    "the oldest record in them. end_to_end: the append time of the newest event in an early result to its frame.",
    ("stage",),
)
LAG = _gauge(
    "analytics_pipeline_lag_records",
    "records",
    (STREAMS, SINK, GATEWAY, WEBHOOK),
    "Records between what a stage has dealt with (sink, webhook: committed) and the end of the log.",
    ("stage", "topic", "partition"),
)
WATERMARK_DELAY = _gauge(
    "analytics_pipeline_watermark_delay_seconds",
    "seconds",
    (STREAMS,),
    "Now − the watermark of a partition of website-analytics-events, on the worker that owns it.",
    ("partition",),
)
OPEN = _gauge(
    "analytics_pipeline_open",
    "things",
    (STREAMS,),
    "What a worker's states hold that is not over, the source partitions' together.",
    ("kind",),
)
POSITION = _gauge(
    "analytics_pipeline_position",
    "offset",
    (STREAMS, SITE_ALERTS),
    "The offset of the next record that the state of a partition needs, on the worker that owns it.",
    ("topic", "partition"),
)
CHECKPOINTS = _counter(
    "analytics_pipeline_checkpoints_total",
    "checkpoints",
    (STREAMS,),
    "Checkpoints of a state, by what became of them.",
    ("outcome",),
)
CHECKPOINT_BYTES = _counter(
    "analytics_pipeline_checkpoint_bytes_total", "bytes", (STREAMS,), "Keys and values written to checkpoints."
)
CHECKPOINT_SECONDS = _histogram(
    "analytics_pipeline_checkpoint_seconds", (STREAMS,), "How long a checkpoint's transaction took."
)
CHECKPOINT_TIME = _gauge(
    "analytics_pipeline_checkpoint_timestamp_seconds",
    "seconds since the epoch",
    (STREAMS,),
    "When the last checkpoint of a state was made; its age is the time since.",
    ("partition",),
)
DEAD_LETTERS = _counter(
    "analytics_dead_letters_total",
    "records",
    (STREAMS, SINK, WEBHOOK),
    "Records sent to dead-letter-events.",
    ("stage", "reason"),
)
ALERTS = _counter("analytics_alerts_total", "alerts", (STREAMS, SITE_ALERTS), "Alerts made.", ("type",))
SINK_BATCHES = _counter(
    "analytics_sink_batches_total",
    "batches",
    (SINK,),
    "Batches of points that were written, or for which InfluxDB was unavailable.",
    ("outcome",),
)
SINK_RETRIES = _counter(
    "analytics_sink_retries_total", "tries", (SINK, WEBHOOK), "Tries to write again what the store could not take."
)
SINK_BATCH_SECONDS = _histogram(
    "analytics_sink_batch_seconds", (SINK,), "How long InfluxDB took for a batch, written or not."
)
SINK_POINTS = _counter("analytics_sink_points_total", "points", (SINK,), "Points written to InfluxDB.")
CONNECTIONS = _gauge(
    "websocket_server_active_connections",
    "connections",
    (GATEWAY,),
    "Live clients that are connected, over WebSocket or Server-Sent Events.",
)
CONNECTION_LIMIT = _gauge(
    "websocket_server_connection_limit", "connections", (GATEWAY,), "So many live clients may be connected."
)
SENT_BYTES = _counter(
    "websocket_server_sent_bytes_total", "bytes", (GATEWAY,), "Messages to clients, before framing and compression."
)
CONFLATED = _counter(
    "websocket_server_conflated_updates_total",
    "updates",
    (GATEWAY,),
    "Updates a slow client never saw because a newer one replaced them.",
)
DROPPED = _counter(
    "websocket_server_dropped_connections_total",
    "connections",
    (GATEWAY,),
    "Clients that the gateway has cut off: stalled, no_pong, too_fast, expired.",
    ("reason",),
)
INGESTION_EVENTS = _counter(
    "analytics_ingestion_events_total",
    "events",
    (INGESTION,),
    "Events the HTTP door was sent, by what became of them: accepted, bot, or why they were refused.",
    ("site", "outcome"),
)
INGESTION_SPOOL_BYTES = _gauge(
    "analytics_ingestion_spool_bytes", "bytes", (INGESTION,), "What waits on the door's disk for Kafka."
)
INGESTION_SPOOL_LIMIT = _gauge(
    "analytics_ingestion_spool_limit_bytes", "bytes", (INGESTION,), "So much may wait there, of all workers together."
)
INGESTION_RESPONSES = _counter(
    "analytics_ingestion_responses_total", "responses", (INGESTION,), "The door's answers, by their status.", ("code",)
)
EVENT_LOOP_LAG = _histogram(
    "analytics_event_loop_lag_seconds",
    (STREAMS, GATEWAY, INGESTION),
    "How much later than asked for the event loop has woken a task that looks twice a second.",
    ("part",),
)
BUILD_INFO = _gauge("tidemark_build_info", "1", PARTS, "Always 1; its labels tell the build.", ("part", "version"))

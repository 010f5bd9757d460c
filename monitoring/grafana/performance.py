"""The dashboard of speed: where the time between an event and the screens goes, and what an event costs."""

from monitoring.grafana.model import Dashboard, Panel, PromQL, Row, Threshold
from monitoring.grafana.promql import mean, quantile, rate, series
from monitoring.metrics import (
    CHECKPOINT_BYTES,
    CHECKPOINT_SECONDS,
    CONFLATED,
    EVENT_LOOP_LAG,
    EVENTS,
    INGESTION_RESPONSES,
    LATENCY,
    SENT_BYTES,
    SINK_BATCH_SECONDS,
    SINK_POINTS,
    SINK_RETRIES,
)

_STREAMS, _WORKERS, _P99 = 'stage="streams"', 'job="streams"', 'quantile="0.99"'


def _latency(stage: str, title: str, description: str) -> Panel:
    chosen = f'stage="{stage}"'
    shares = ((0.5, "P50"), (0.95, "P95"), (0.99, "P99"))
    return Panel(
        title=title,
        description=description,
        unit="s",
        queries=tuple(PromQL(quantile(share, LATENCY, chosen), name) for share, name in shares),
        thresholds=(Threshold(0.5, "red"),) if stage == "end_to_end" else (),
    )


_LATENCY = Row(
    "Latency",
    (
        _latency(
            "end_to_end", "From event to screen", "The append time of the newest event in an early result to its frame."
        ),
        _latency(
            "streams", "Streams", "An event's append time to the first partial with it, of the oldest event in it."
        ),
        _latency("merge", "Merge", "A window's end + lateness to its final."),
        _latency("gateway", "Gateway", "A result's time to its frames, of the oldest record in them."),
        _latency("sink", "Sink", "A result's time to its batch in InfluxDB, of the oldest record in it."),
        _latency("ingestion", "HTTP door", "A request with events to its last acknowledgement, or to the disk."),
    ),
)

_THROUGHPUT = Row(
    "Throughput and its cost",
    (
        Panel(
            title="Events by worker",
            description="Records that each worker of the streams has dealt with, a second. Very uneven: "
            "partitions, or keys, are.",
            unit="ops",
            queries=(PromQL(rate(EVENTS, _STREAMS, by="instance"), "{{instance}}"),),
        ),
        Panel(
            title="CPU an event",
            description="CPU time of all workers of the streams for each event they dealt with; high when there "
            "are few events.",
            unit="s",
            queries=(
                PromQL(
                    f"{rate('process_cpu_seconds_total', _WORKERS)} / {rate(EVENTS, _STREAMS)}",
                    "CPU time",
                ),
            ),
        ),
        Panel(
            title="CPU by part",
            description="CPU cores in use. A worker of ours is one process, so one core is its limit; those of the "
            "door count together.",
            unit="short",
            queries=(PromQL(rate("process_cpu_seconds_total", by="job, instance"), "{{job}} {{instance}}"),),
        ),
        Panel(
            title="Event loop lag, P99",
            description="How late a part's event loop wakes what is due: whatever holds it up delays all it does.",
            unit="s",
            queries=(PromQL(quantile(0.99, EVENT_LOOP_LAG, by="part"), "{{part}}"),),
        ),
        Panel(
            title="Requests at the HTTP door",
            description="Answers a second, by their status.",
            unit="reqps",
            queries=(PromQL(rate(INGESTION_RESPONSES, by="code"), "{{code}}"),),
        ),
        Panel(
            title="Kafka's requests, P99",
            description="How long the brokers took for requests, by kind. Fetches wait for records, so theirs are "
            "long when little comes.",
            unit="ms",
            queries=(
                PromQL(
                    f"max by (request) ({series('kafka_network_request_milliseconds', _P99)})",
                    "{{request}}",
                ),
            ),
        ),
    ),
)

_WRITING = Row(
    "Sink, checkpoints, gateway",
    (
        Panel(
            title="Points into InfluxDB",
            description="Points written, and tries to write again what InfluxDB could not take, a second.",
            unit="ops",
            queries=(PromQL(rate(SINK_POINTS), "points"), PromQL(rate(SINK_RETRIES), "retries")),
        ),
        Panel(
            title="InfluxDB's time for a batch",
            description="How long InfluxDB took for a batch of points, written or not.",
            unit="s",
            queries=(
                PromQL(quantile(0.95, SINK_BATCH_SECONDS), "P95"),
                PromQL(mean(SINK_BATCH_SECONDS), "mean"),
            ),
        ),
        Panel(
            title="Checkpoint time",
            description="How long a checkpoint's transaction took; a worker reads on only after it.",
            unit="s",
            queries=(
                PromQL(quantile(0.95, CHECKPOINT_SECONDS), "P95"),
                PromQL(mean(CHECKPOINT_SECONDS), "mean"),
            ),
        ),
        Panel(
            title="Checkpoint bytes",
            description="Keys and values written to checkpoints, a second: it grows with the visitors, not with "
            "the events.",
            unit="Bps",
            queries=(PromQL(rate(CHECKPOINT_BYTES), "written"),),
        ),
        Panel(
            title="Bytes to live clients",
            description="Messages to clients, a second, before framing and compression.",
            unit="Bps",
            queries=(PromQL(rate(SENT_BYTES, by="instance"), "{{instance}}"),),
        ),
        Panel(
            title="Updates left out for slow clients",
            description="Updates a second that a slow client never saw because a newer one replaced them.",
            unit="ops",
            queries=(PromQL(rate(CONFLATED, by="instance"), "{{instance}}"),),
        ),
    ),
)

PERFORMANCE = Dashboard(
    "performance",
    "performance",
    "Where the time between an event and the screens goes, and what an event costs.",
    (_LATENCY, _THROUGHPUT, _WRITING),
)

"""The dashboard that one opens first: are numbers made, are they fresh, and if not, at which stage does it hang."""

from monitoring.grafana.model import Dashboard, Panel, PromQL, Row, Threshold
from monitoring.grafana.promql import or_zero, quantile, rate, series, total
from monitoring.metrics import (
    CONNECTIONS,
    DEAD_LETTERS,
    ERRORS,
    EVENTS,
    INGESTION_EVENTS,
    LAG,
    LATENCY,
    OPEN,
    WATERMARK_DELAY,
)

_AT_A_GLANCE = Row(
    "At a glance",
    (
        Panel(
            title="From event to screen, P95",
            description="19 of 20 early results were sent within this time of their newest event. Recorded over 5 "
            "min; an alert from 500 ms on.",
            unit="s",
            kind="stat",
            width=4,
            height=4,
            queries=(PromQL('stage:analytics_pipeline_latency_seconds:p95_rate5m{stage="end_to_end"}', "P95"),),
            thresholds=(Threshold(0.2, "yellow"), Threshold(0.5, "red")),
        ),
        Panel(
            title="Events",
            description="Records of website-analytics-events that the streams have dealt with, a second.",
            unit="ops",
            kind="stat",
            width=4,
            height=4,
            queries=(PromQL(rate(EVENTS, 'stage="streams"'), "events"),),
        ),
        Panel(
            title="Furthest behind",
            description="Records between what a stage has dealt with and the end of its topic, of the stage and "
            "topic with the most.",
            unit="short",
            kind="stat",
            width=4,
            height=4,
            queries=(PromQL("max(stage_topic:analytics_pipeline_lag_records:sum)", "records"),),
            thresholds=(Threshold(1_000, "yellow"), Threshold(10_000, "red")),
        ),
        Panel(
            title="Watermark",
            description="Now − the watermark of the partition furthest behind: no window becomes final before it. "
            "An alert from 30 s on.",
            unit="s",
            kind="stat",
            width=4,
            height=4,
            queries=(PromQL(f"max({series(WATERMARK_DELAY)})", "behind"),),
            thresholds=(Threshold(10, "yellow"), Threshold(30, "red")),
        ),
        Panel(
            title="Targets down",
            description="Parts and servers of which Prometheus gets no metrics.",
            unit="short",
            kind="stat",
            width=4,
            height=4,
            queries=(PromQL(or_zero(f"count({series('up')} == 0)"), "down"),),
            thresholds=(Threshold(1, "red"),),
        ),
        Panel(
            title="Alerts firing",
            description="Of Prometheus' rules; the dashboard of alerts says which.",
            unit="short",
            kind="stat",
            width=4,
            height=4,
            queries=(PromQL(or_zero('count(ALERTS{alertstate="firing"})'), "firing"),),
            thresholds=(Threshold(1, "red"),),
        ),
    ),
)

_FLOW = Row(
    "The data's way",
    (
        Panel(
            title="Events at the HTTP door",
            description="Events that the door was sent, a second, by what became of them.",
            unit="ops",
            stacked=True,
            queries=(PromQL(or_zero(rate(INGESTION_EVENTS, by="outcome")), "{{outcome}}"),),
        ),
        Panel(
            title="Events in the streams",
            description="Records of website-analytics-events, a second, by what became of them.",
            unit="ops",
            stacked=True,
            queries=(PromQL(rate(EVENTS, 'stage="streams"', by="outcome"), "{{outcome}}"),),
        ),
        Panel(
            title="Records by stage",
            description="Records that each stage has dealt with, a second. The merge reads partials, sink and "
            "gateway results.",
            unit="ops",
            queries=(PromQL(rate(EVENTS, by="stage"), "{{stage}}"),),
        ),
        Panel(
            title="Latency by stage, P95",
            description="What each stage adds, and end_to_end from an event to the screens; docs/metrics.md says "
            "from when to when.",
            unit="s",
            queries=(PromQL(quantile(0.95, LATENCY, by="stage"), "{{stage}}"),),
            thresholds=(Threshold(0.5, "red"),),
        ),
        Panel(
            title="Lag by stage and topic",
            description="Records between what a stage has dealt with and the end of the log. Rising: the stage "
            "does not keep up.",
            unit="short",
            queries=(
                PromQL(
                    f"sum by (stage, topic) (max by (stage, topic, partition) ({series(LAG)}))", "{{stage}}: {{topic}}"
                ),
            ),
        ),
        Panel(
            title="Watermark delay by partition",
            description="Now − the watermark of each partition. One line above the others: that partition holds up "
            "all finals.",
            unit="s",
            queries=(PromQL(f"max by (partition) ({series(WATERMARK_DELAY)})", "{{partition}}"),),
            thresholds=(Threshold(30, "red"),),
        ),
    ),
)

_LOSSES = Row(
    "What goes wrong, and what is held",
    (
        Panel(
            title="Dead letters",
            description="Records a second that could not be used, by stage and reason; `tidemark dead-letters "
            "list` shows them.",
            unit="ops",
            queries=(PromQL(or_zero(rate(DEAD_LETTERS, by="stage, reason")), "{{stage}}: {{reason}}"),),
        ),
        Panel(
            title="Errors",
            description="Failures a second, by stage and reason; among the gateway's what its clients do wrong.",
            unit="ops",
            queries=(PromQL(or_zero(rate(ERRORS, by="stage, reason")), "{{stage}}: {{reason}}"),),
        ),
        Panel(
            title="Held by the workers",
            description="Open panes, open visits, and event ids that are remembered for duplicates. Always rising: "
            "something is never over.",
            unit="short",
            queries=(PromQL(total(OPEN, by="kind"), "{{kind}}"),),
        ),
        Panel(
            title="Live clients",
            description="Clients connected to each gateway, over WebSocket or Server-Sent Events.",
            unit="short",
            queries=(PromQL(series(CONNECTIONS), "{{instance}}"),),
        ),
    ),
)

OVERVIEW = Dashboard(
    "overview",
    "pipeline overview",
    "Are numbers made, are they fresh, and if not, at which stage does it hang.",
    (_AT_A_GLANCE, _FLOW, _LOSSES),
)

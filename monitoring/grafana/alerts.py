"""The dashboard of Prometheus' alerts: which fire, since when, and how far each number is from its limit."""

import re
from pathlib import Path

from monitoring.grafana.model import Dashboard, Panel, PromQL, Row, Threshold, Unit
from monitoring.grafana.promql import or_zero, rate, series
from monitoring.metrics import ALERTS, CHECKPOINT_TIME, CONNECTION_LIMIT, CONNECTIONS, WATERMARK_DELAY

_RULES = Path(__file__).parents[1] / "prometheus" / "rules" / "alerts.yml"
#: The alerts in the order of their file.
NAMES = re.findall(r"- alert: (\w+)", _RULES.read_text())


def _firing(title: str, matchers: str, description: str, colour: str) -> Panel:
    return Panel(
        title=title,
        description=description,
        unit="short",
        kind="stat",
        width=8,
        height=4,
        queries=(PromQL(or_zero(f"count(ALERTS{{{matchers}}})"), "alerts"),),
        thresholds=(Threshold(1, colour),),
    )


def _limit(
    alert: str, unit: Unit, limit: float, query: PromQL, description: str, *, maximum: float | None = None
) -> Panel:
    runbook = re.sub(r"(?<!^)(?=[A-Z])", "-", alert).lower()
    return Panel(
        title=alert,
        description=f"{description} The line is the limit; what to do: docs/runbooks/{runbook}.md.",
        unit=unit,
        queries=(query,),
        thresholds=(Threshold(limit, "red"),),
        maximum=maximum,
    )


_FIRING = Row(
    "What fires",
    (
        _firing(
            "Critical, firing",
            'alertstate="firing", severity="critical"',
            "Alerts that wake someone: numbers are late, or events will be lost.",
            "red",
        ),
        _firing(
            "Warnings, firing",
            'alertstate="firing", severity="warning"',
            "Alerts to be looked at by daylight.",
            "orange",
        ),
        _firing("Pending", 'alertstate="pending"', "Conditions that hold, but not for long enough yet.", "yellow"),
        Panel(
            title="Alerts over time",
            description="When each alert has fired, whichever of its series; its runbook is in docs/runbooks.",
            unit="short",
            kind="state-timeline",
            width=24,
            height=10,
            queries=tuple(
                PromQL(or_zero(f'group(ALERTS{{alertname="{name}", alertstate="firing"}})'), name) for name in NAMES
            ),
            texts=(("0", "quiet", "green"), ("1", "firing", "red")),
        ),
    ),
)

_LIMITS = Row(
    "How far from its limit",
    (
        _limit(
            "LatencyHigh",
            "s",
            0.5,
            PromQL('stage:analytics_pipeline_latency_seconds:p95_rate5m{stage="end_to_end"}', "P95"),
            "P95 from an early result's newest event to the screens, over 5 min.",
        ),
        _limit(
            "ErrorRateHigh",
            "percentunit",
            0.01,
            PromQL(or_zero("stage:analytics_pipeline_errors:ratio_rate5m"), "{{stage}}"),
            "Failures for each record or request of a stage, over 5 min.",
        ),
        _limit(
            "LagGrowing",
            "short",
            1_000,
            PromQL(
                or_zero(
                    "(stage_topic:analytics_pipeline_lag_records:min2m"
                    " - stage_topic:analytics_pipeline_lag_records:min2m offset 5m)"
                ),
                "{{stage}}: {{topic}}",
            ),
            "Records by which a stage is further behind than 5 min ago.",
        ),
        _limit(
            "WatermarkStuck",
            "s",
            30,
            PromQL(f"max by (partition) ({series(WATERMARK_DELAY)})", "{{partition}}"),
            "Now − the watermark of a partition.",
        ),
        _limit(
            "CheckpointTooOld",
            "s",
            60,
            PromQL(f"time() - max by (partition) ({series(CHECKPOINT_TIME)})", "{{partition}}"),
            "Time since the last checkpoint of a state, by partition of stream-checkpoints.",
        ),
        _limit(
            "PartDown",
            "short",
            1,
            PromQL(or_zero(f"count by (job) ({series('up')} == 0)"), "{{job}}"),
            "Targets of which Prometheus gets no metrics.",
        ),
        _limit(
            "DeadLetterRateHigh",
            "percentunit",
            0.05,
            PromQL(or_zero("stage:analytics_dead_letters:ratio_rate5m"), "{{stage}}"),
            "Dead letters for each record that a stage has dealt with, over 5 min.",
        ),
        _limit(
            "GatewayNearLimit",
            "percentunit",
            0.8,
            PromQL(f"{series(CONNECTIONS)} / {series(CONNECTION_LIMIT)}", "{{instance}}"),
            "Live clients as a share of what a gateway takes.",
            maximum=1,
        ),
        _limit(
            "SpoolFilling",
            "percentunit",
            0.8,
            PromQL("instance:analytics_ingestion_spool:ratio", "{{instance}}"),
            "What waits on the door's disk as a share of what may; it also fires when it will be full in half an hour.",
            maximum=1,
        ),
        _limit(
            "DiskFilling",
            "percentunit",
            0.1,
            PromQL("instance_mountpoint:node_filesystem_avail:ratio", "{{instance}} {{mountpoint}}"),
            "The share of a disk that is free; it also fires when there will be none in 4 h.",
            maximum=1,
        ),
    ),
)

_SITES = Row(
    "Alerts about the sites",
    (
        Panel(
            title="Alerts the streams have made",
            description="Alerts about what a site's visitors do, a second, by type; the business dashboard shows them.",
            unit="ops",
            width=24,
            queries=(PromQL(or_zero(rate(ALERTS, by="type")), "{{type}}"),),
        ),
    ),
)

ALERTING = Dashboard(
    "alerts",
    "alerts",
    "Which alerts fire, since when, and how far each number is from its limit.",
    (_FIRING, _LIMITS, _SITES),
    minutes=180,
)

"""The metrics as a page: ``python -m monitoring.page > docs/metrics.md``."""

import sys

from monitoring.metrics import BUCKETS, DEFINED, LABELS, Defined

_PAGE = """\
# Metrics

Each part serves its own at `/metrics`, on loopback, at the port `TIDEMARK_METRICS_PORT`; none without it. Under
`tidemark up` the ports begin there (default 9101), one a part in this order: the workers of the streams, sink, gateway,
ingestion, simulator. The gateway and the HTTP door serve theirs on their own ports too, the door's workers as one.

| metric | type | unit | labels | served by | what |
|---|---|---|---|---|---|
{metrics}

Histograms have the buckets {buckets} s. Each part serves `process_*` and
`python_*` of prometheus-client besides; CPU, memory and open files of the HTTP door are those of all its processes.

| label | what |
|---|---|
{labels}

## Kafka

A broker that is started here serves its own with Prometheus' JMX exporter (a Java agent, from Maven) at
`TIDEMARK_KAFKA_METRICS_PORT`, further brokers at the ports after it; under `tidemark up` from 9191 on by default, with
`tidemark stack up` only if the variable is set. Those of `deploy/compose.yaml` do
so at 9101. [exporter.yaml](../monitoring/kafka/exporter.yaml) says what is told and under which names; it is for any
broker of Kafka's. To look at first:

| metric | what |
|---|---|
| `kafka_controller_kafkacontroller_activecontrollercount` | 1 on one broker of the cluster |
| `kafka_controller_kafkacontroller_offlinepartitionscount` | partitions without a leader |
| `kafka_server_replicamanager_underreplicatedpartitions`, `…_underminisrpartitioncount` | with too few copies |
| `kafka_server_brokertopicmetrics_messagesin_total`, `…_bytesin_total`, `…_bytesout_total` | by `topic` |
| `kafka_server_alltopics_failedproducerequests_total`, `…_failedfetchrequests_total` | requests that failed |
| `kafka_network_request_milliseconds`, `kafka_network_requests_total` | by `request` (and `quantile`) |
| `kafka_server_request_handlers_idle_ratio` | 0: every request waits |
| `kafka_log_size_bytes` | on disk, by `topic` and `partition` |
| `kafka_log_logmanager_offlinelogdirectorycount` | folders that cannot be used |

## InfluxDB

It serves `/metrics` at `TIDEMARK_INFLUXDB_URL`, without a token. InfluxDB 1.8 tells of its process and of Go's runtime
(`process_*`, `go_*`); with `auth-enabled` and `ping-auth-enabled` it wants a user's name and password.
"""


def page() -> str:
    """Return the page; the same for the same metrics."""
    return _PAGE.format(
        metrics="\n".join(_row(metric) for metric in DEFINED),
        buckets=", ".join(f"{bucket:g}" for bucket in BUCKETS),
        labels="\n".join(f"| `{name}` | {meaning} |" for name, meaning in LABELS.items()),
    )


def _row(metric: Defined) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    cells = (f"`{metric.name}`", metric.kind, metric.unit, labels, ", ".join(metric.parts), metric.meaning)
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.stdout.write(page())

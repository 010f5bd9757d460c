"""The dashboard of system health: is every part and server there, and has each what it needs to go on."""

from monitoring.grafana.model import Dashboard, Panel, PromQL, Row, Threshold
from monitoring.grafana.promql import or_zero, quantile, rate, series
from monitoring.metrics import (
    BUILD_INFO,
    CHECKPOINT_TIME,
    CHECKPOINTS,
    CONNECTION_LIMIT,
    CONNECTIONS,
    DROPPED,
    EVENT_LOOP_LAG,
    INGESTION_SPOOL_BYTES,
    INGESTION_SPOOL_LIMIT,
)

_NEARLY_FULL = (Threshold(0.8, "red"),)
_OURS, _OLDEST, _INFLUXDB = 'job=~"streams|sinks|gateway|ingestion"', 'generation="2"', 'job="influxdb"'


def _wrong(title: str, metric: str, description: str) -> Panel:
    return Panel(
        title=title,
        description=description,
        unit="short",
        kind="stat",
        width=6,
        height=4,
        queries=(PromQL(f"sum({series(metric)})", "now"),),
        thresholds=(Threshold(1, "red"),),
    )


_PARTS = Row(
    "Parts and servers",
    (
        Panel(
            title="Up",
            description="Whether Prometheus gets each target's metrics: every part, every server, the node exporter.",
            unit="short",
            kind="state-timeline",
            width=16,
            queries=(PromQL(series("up"), "{{job}} {{instance}}"),),
            thresholds=(),
            texts=(("0", "down", "red"), ("1", "up", "green")),
        ),
        Panel(
            title="Versions",
            description="Processes of each part by the version of the package; two versions of a part: an upgrade "
            "under way.",
            unit="short",
            kind="bargauge",
            queries=(PromQL(f"count by (part, version) ({series(BUILD_INFO)})", "{{part}} {{version}}"),),
        ),
        Panel(
            title="Memory",
            description="Resident memory of each process; of the door's processes and Kafka's heap together.",
            unit="bytes",
            queries=(PromQL(series("process_resident_memory_bytes"), "{{job}} {{instance}}"),),
        ),
        Panel(
            title="CPU",
            description="CPU cores in use by each part and server.",
            unit="short",
            queries=(PromQL(rate("process_cpu_seconds_total", by="job, instance"), "{{job}} {{instance}}"),),
        ),
        Panel(
            title="Open files",
            description="Open files and sockets as a share of what the process may have; at 1 nothing can connect "
            "any more.",
            unit="percentunit",
            maximum=1,
            queries=(PromQL(f"{series('process_open_fds')} / {series('process_max_fds')}", "{{job}} {{instance}}"),),
            thresholds=_NEARLY_FULL,
        ),
        Panel(
            title="Event loop lag, P95",
            description="How late a part's event loop wakes what is due. High with low CPU: something blocks it.",
            unit="s",
            queries=(PromQL(quantile(0.95, EVENT_LOOP_LAG, by="part, instance"), "{{part}} {{instance}}"),),
        ),
        Panel(
            title="Garbage collections",
            description="Collections of Python's oldest generation in each part, a minute: each goes through all "
            "that lives.",
            unit="cpm",
            queries=(
                PromQL(
                    f"60 * {rate('python_gc_collections_total', _OURS, _OLDEST, by='job, instance')}",
                    "{{job}} {{instance}}",
                ),
            ),
        ),
        Panel(
            title="Restarts",
            description="How often a process began anew in the last hour; a part that dies is started again by its "
            "supervisor.",
            unit="short",
            queries=(
                PromQL(
                    f"sum by (job, instance) (changes({series('process_start_time_seconds')}[1h]))",
                    "{{job}} {{instance}}",
                ),
            ),
        ),
    ),
)

_KAFKA = Row(
    "Kafka and InfluxDB",
    (
        _wrong(
            "Partitions without a leader",
            "kafka_controller_kafkacontroller_offlinepartitionscount",
            "Nothing can be written to them or read from them.",
        ),
        _wrong(
            "Under-replicated partitions",
            "kafka_server_replicamanager_underreplicatedpartitions",
            "Partitions with a replica that is away or behind.",
        ),
        _wrong(
            "Below the least copies",
            "kafka_server_replicamanager_underminisrpartitioncount",
            "Partitions with fewer copies than min.insync.replicas: they take no writes.",
        ),
        _wrong(
            "Log folders offline",
            "kafka_log_logmanager_offlinelogdirectorycount",
            "Folders that a broker cannot use, for a disk has failed or is full.",
        ),
        Panel(
            title="Messages into Kafka",
            description="Messages a second, by topic; ticks, markers and checkpoints among them.",
            unit="ops",
            queries=(PromQL(rate("kafka_server_brokertopicmetrics_messagesin_total", by="topic"), "{{topic}}"),),
        ),
        Panel(
            title="Logs on the brokers' disks",
            description="Bytes of each topic's log, its copies included.",
            unit="bytes",
            stacked=True,
            queries=(PromQL(f"sum by (topic) ({series('kafka_log_size_bytes')})", "{{topic}}"),),
        ),
        Panel(
            title="Brokers' request handlers idle",
            description="The share of time in which a broker's request handlers have nothing to do; near 0 every "
            "request waits.",
            unit="percentunit",
            maximum=1,
            queries=(PromQL(series("kafka_server_request_handlers_idle_ratio"), "{{instance}}"),),
        ),
        Panel(
            title="Failed requests to Kafka",
            description="Produce and fetch requests that failed, a second.",
            unit="reqps",
            queries=(
                PromQL(rate("kafka_server_alltopics_failedproducerequests_total"), "produce"),
                PromQL(rate("kafka_server_alltopics_failedfetchrequests_total"), "fetch"),
            ),
        ),
        Panel(
            title="InfluxDB's memory",
            description="What InfluxDB's process has from the system, and what of it is its heap in use: it grows "
            "with the number of series.",
            unit="bytes",
            queries=(
                PromQL(series("go_memstats_sys_bytes", _INFLUXDB), "process {{instance}}"),
                PromQL(series("go_memstats_heap_inuse_bytes", _INFLUXDB), "heap {{instance}}"),
            ),
        ),
        Panel(
            title="InfluxDB's goroutines",
            description="Rising without an end: queries or writes pile up.",
            unit="short",
            queries=(PromQL(series("go_goroutines", _INFLUXDB), "{{instance}}"),),
        ),
    ),
)

_LIMITS = Row(
    "Disks, limits, checkpoints",
    (
        Panel(
            title="Disk left",
            description="The share of each disk that is free; Kafka and InfluxDB stop at none. An alert below 0.1.",
            unit="percentunit",
            maximum=1,
            queries=(PromQL("instance_mountpoint:node_filesystem_avail:ratio", "{{instance}} {{mountpoint}}"),),
        ),
        Panel(
            title="The door's spool",
            description="What waits on the door's disk for Kafka, as a share of what may; when it is full, events "
            "are refused.",
            unit="percentunit",
            maximum=1,
            queries=(PromQL(f"{series(INGESTION_SPOOL_BYTES)} / {series(INGESTION_SPOOL_LIMIT)}", "{{instance}}"),),
            thresholds=_NEARLY_FULL,
        ),
        Panel(
            title="The gateways' places",
            description="Live clients as a share of what the gateway takes; when it is full, new ones are refused.",
            unit="percentunit",
            maximum=1,
            queries=(PromQL(f"{series(CONNECTIONS)} / {series(CONNECTION_LIMIT)}", "{{instance}}"),),
            thresholds=_NEARLY_FULL,
        ),
        Panel(
            title="Clients cut off",
            description="Live clients that a gateway has cut off, a second, by reason.",
            unit="ops",
            queries=(PromQL(or_zero(rate(DROPPED, by="reason")), "{{reason}}"),),
        ),
        Panel(
            title="Age of the oldest checkpoint",
            description="What was done since then is done again after a crash. An alert from 60 s on.",
            unit="s",
            queries=(PromQL(f"max(time() - max by (partition) ({series(CHECKPOINT_TIME)}))", "oldest"),),
            thresholds=(Threshold(60, "red"),),
        ),
        Panel(
            title="Checkpoints",
            description="Checkpoints a second; fenced: another worker has taken the partition over.",
            unit="ops",
            queries=(PromQL(rate(CHECKPOINTS, by="outcome"), "{{outcome}}"),),
        ),
    ),
)

SYSTEM = Dashboard(
    "system",
    "system health",
    "Is every part and server there, and has each what it needs to go on.",
    (_PARTS, _KAFKA, _LIMITS),
)

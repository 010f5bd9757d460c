"""Every Kafka topic of Tidemark: its name, key, partitions, retention and cleanup; named here and nowhere else."""

from dataclasses import dataclass, field

DAY_MS = 86_400_000
MIB = 1024 * 1024

#: The one partitioner of every producer: librdkafka's name for what Kafka's own clients do by default.
PARTITIONER = "murmur2_random"
#: The events topic has so many partitions at most: a worker has a producer for each of them.
MAX_EVENT_PARTITIONS = 1_000
#: The largest event record, in bytes; a dead letter carries one in base64 and may be twice as large.
MAX_EVENT_BYTES = MIB
MAX_DEAD_LETTER_BYTES = 2 * MAX_EVENT_BYTES
#: Marks a tick (punctuation) on the events topic: null key, null value, this header. Only its append time counts.
TICK_HEADER = "tidemark-tick"
#: On the first record of each partition of an events topic that goes on from another one, whose name is its value. It
#: is a tick besides, and does not count: the state that goes with it is in the checkpoints, and stands behind it.
GROWN_FROM_HEADER = "tidemark-grown-from"
#: On the first of early results that are sent together: the append time (ms) of the newest event in them.
NEWEST_EVENT_HEADER = "tidemark-newest-event"
#: On a record that was sent again: the place of the one that was dead, ``topic-partition-offset`` without prefix.
REDRIVEN_FROM_HEADER = "tidemark-redriven-from"
#: On a dead letter that was written once more: its record stands again at this place.
REDRIVEN_TO_HEADER = "tidemark-redriven-to"


@dataclass(frozen=True)
class Topic:
    """One topic. ``config`` holds the broker's topic settings; ``retention_ms`` None keeps records for ever.

    What counts is ``Settings.partitions``: ``partitions`` of EVENTS and CHECKPOINTS are those of an installation that
    has not grown.
    """

    name: str
    partitions: int
    retention_ms: int | None
    cleanup: str = "delete"
    config: dict[str, str] = field(default_factory=dict)

    def broker_config(self, replication_factor: int) -> dict[str, str]:
        """Return the topic's broker settings; with three replicas two must be in sync to acknowledge a write."""
        return {
            "cleanup.policy": self.cleanup,
            "retention.ms": str(-1 if self.retention_ms is None else self.retention_ms),
            "min.insync.replicas": "2" if replication_factor >= 3 else "1",
            **self.config,
        }


EVENTS = Topic(
    "website-analytics-events",
    12,
    7 * DAY_MS,
    config={
        "compression.type": "snappy",
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": str(MAX_EVENT_BYTES),
    },
)
#: Events of crawlers: the same records as in EVENTS, kept apart so that they count nowhere.
BOTS = Topic("bot-events", 3, 7 * DAY_MS, config=EVENTS.config)
#: What became of the events at the HTTP door, by site and second; keyed by site.
DOOR_COUNTS = Topic("ingestion-counts", 3, 7 * DAY_MS)
PARTIALS = Topic("metric-partials", 6, DAY_MS)
METRICS = Topic(
    "processed-metrics",
    6,
    DAY_MS,
    cleanup="compact,delete",
    config={"segment.bytes": str(64 * MIB), "compression.type": "snappy"},
)
SESSIONS = Topic("session-summaries", 12, 7 * DAY_MS)
ALERTS = Topic("cep-alerts", 3, 3 * DAY_MS)
DEAD_LETTERS = Topic("dead-letter-events", 3, 7 * DAY_MS, config={"max.message.bytes": str(MAX_DEAD_LETTER_BYTES)})
CHECKPOINTS = Topic(
    "stream-checkpoints",
    EVENTS.partitions + PARTIALS.partitions,
    None,
    cleanup="compact",
    config={"segment.bytes": str(32 * MIB), "min.cleanable.dirty.ratio": "0.1"},
)
#: What the rules for sites know of each partition of METRICS, in the partition of the same number.
ALERT_CHECKPOINTS = Topic("alert-checkpoints", METRICS.partitions, None, cleanup="compact", config=CHECKPOINTS.config)

ALL = (EVENTS, BOTS, DOOR_COUNTS, PARTIALS, METRICS, SESSIONS, ALERTS, DEAD_LETTERS, CHECKPOINTS, ALERT_CHECKPOINTS)

"""The least rights of each part's user on Kafka and in InfluxDB; named here and nowhere else. Pure."""

from collections.abc import Iterator
from hashlib import blake2b
from typing import Literal, NamedTuple

from tidemark.topics import (
    ALERT_CHECKPOINTS,
    ALERTS,
    ALL,
    BOTS,
    CHECKPOINTS,
    DEAD_LETTERS,
    DOOR_COUNTS,
    EVENTS,
    METRICS,
    PARTIALS,
    SESSIONS,
    Topic,
)

Kind = Literal["topic", "group", "transactional id"]
Operation = Literal["READ", "WRITE", "DESCRIBE", "DESCRIBE_CONFIGS"]

#: The consumer groups, without prefix: those of the workers and of the sink, whose members share the partitions.
STREAMS_GROUP = "tidemark-streams"
SINK_GROUP = "influxdb-sink"
#: What the names of the webhook's groups begin with: each address has one.
WEBHOOK_GROUP = "webhook-sink"
#: Also the transactional id: there is one. Never joined either.
ALERTS_GROUP = "tidemark-alerts"
#: librdkafka wants a group of every reader, and asks for its coordinator; these are never joined.
WATCHDOG_GROUP = "tidemark-watchdog"
LOG_READER_GROUP = "tidemark-log-reader"
REPLAY_GROUP = "tidemark-replay"
GATEWAY_GROUP = "websocket-gateway"
OPERATIONS_GROUP = "operations"


class AccessRefused(Exception):
    """Kafka does not let the user in, or do something; the text is for people and names the user and what it is."""


class Right(NamedTuple):
    """What a user may do with one resource, by its name without prefix; READ and WRITE include DESCRIBE.

    ``begins``: with all resources whose names begin so.
    """

    operation: Operation
    kind: Kind
    name: str
    begins: bool = False


class Rights(NamedTuple):
    """``kafka``: what the part does there; ``influxdb``: whether it reads or writes the bucket, None for neither."""

    kafka: tuple[Right, ...]
    influxdb: Literal["read", "write"] | None = None


def _topics(operation: Operation, *topics: Topic) -> Iterator[Right]:
    return (Right(operation, "topic", topic.name) for topic in topics)


def _groups(operation: Operation, *names: str) -> Iterator[Right]:
    return (Right(operation, "group", name) for name in names)


#: By part. Who creates topics, users and rights (`tidemark stack up`, `tidemark access create`) is an administrator.
RIGHTS: dict[str, Rights] = {
    "streams": Rights(
        (
            *_topics("READ", EVENTS, PARTIALS, CHECKPOINTS),
            *_topics("WRITE", EVENTS, PARTIALS, METRICS, SESSIONS, ALERTS, DEAD_LETTERS, CHECKPOINTS),
            *_groups("READ", STREAMS_GROUP),
            *_groups("DESCRIBE", WATCHDOG_GROUP, LOG_READER_GROUP),
            Right("WRITE", "transactional id", f"{STREAMS_GROUP}.", begins=True),
        )
    ),
    "sink": Rights(
        (
            *_topics("READ", METRICS, SESSIONS, ALERTS, DOOR_COUNTS),
            *_topics("WRITE", DEAD_LETTERS),
            *_groups("READ", SINK_GROUP),
        ),
        influxdb="write",
    ),
    "gateway": Rights(
        (*_topics("READ", METRICS, SESSIONS, ALERTS), *_groups("DESCRIBE", GATEWAY_GROUP)), influxdb="read"
    ),
    "ingestion": Rights(tuple(_topics("WRITE", EVENTS, BOTS, DOOR_COUNTS)), influxdb="read"),
    "alerts": Rights(
        (
            *_topics("READ", METRICS, ALERT_CHECKPOINTS),
            *_topics("WRITE", ALERTS, ALERT_CHECKPOINTS),
            *_groups("DESCRIBE", ALERTS_GROUP, LOG_READER_GROUP),
            Right("WRITE", "transactional id", ALERTS_GROUP),
        )
    ),
    "webhook": Rights(
        (
            *_topics("READ", ALERTS),
            *_topics("WRITE", DEAD_LETTERS),
            Right("READ", "group", WEBHOOK_GROUP, begins=True),
        )
    ),
    "simulator": Rights(tuple(_topics("WRITE", EVENTS))),
    # Whoever looks at states and dead letters, sends these again, replays the past, and asks the doctor.
    "operator": Rights(
        (
            *_topics("READ", EVENTS, PARTIALS, METRICS, SESSIONS, ALERTS, DEAD_LETTERS, CHECKPOINTS),
            *_topics("WRITE", EVENTS, METRICS, SESSIONS, ALERTS, DOOR_COUNTS, DEAD_LETTERS),
            *_topics("DESCRIBE", BOTS, ALERT_CHECKPOINTS),
            *_topics("DESCRIBE_CONFIGS", *ALL),
            *_groups("DESCRIBE", STREAMS_GROUP, SINK_GROUP, LOG_READER_GROUP, REPLAY_GROUP, OPERATIONS_GROUP),
            Right("DESCRIBE", "group", WEBHOOK_GROUP, begins=True),
        ),
        influxdb="read",
    ),
}


def webhook_group(url: str) -> str:
    """Return an address's consumer group: each has offsets of its own, whatever else there is."""
    return f"{WEBHOOK_GROUP}-{blake2b(url.encode(), digest_size=8).hexdigest()}"


def user_of(part: str) -> str:
    """Return the user's name, without prefix, that `tidemark access create` makes for a part."""
    return f"tidemark-{part}"

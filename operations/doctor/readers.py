"""Looks how far each consumer group is behind its logs, and what the newest event tells of the broker's clock."""

from collections.abc import Iterator, Mapping

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.admin._metadata import ClusterMetadata

from operations.doctor.brokers import ANSWER_SECONDS
from operations.doctor.findings import Finding, failed, ok, warning
from tidemark.rights import SINK_GROUP, STREAMS_GROUP
from tidemark.settings import Settings
from tidemark.topics import ALERTS, DOOR_COUNTS, EVENTS, METRICS, PARTIALS, SESSIONS, Topic

#: Whoever has not dealt with a record after so long is behind; commits come with the checkpoints, every 10 s.
BEHIND_SECONDS = 60
#: A broker's clock may be ahead of ours by so much.
AHEAD_SECONDS = 1.0
_STARTS = {STREAMS_GROUP: "tidemark streams run", SINK_GROUP: "tidemark sink influxdb"}
_READS: Mapping[str, tuple[Topic, ...]] = {
    STREAMS_GROUP: (EVENTS, PARTIALS),
    SINK_GROUP: (METRICS, SESSIONS, ALERTS, DOOR_COUNTS),
}

_FIRST, _END = OffsetSpec.earliest(), OffsetSpec.latest()  # type: ignore[no-untyped-call]
_NEWEST = OffsetSpec.max_timestamp()  # type: ignore[no-untyped-call]

#: A topic's name on the broker and a partition.
Place = tuple[str, int]


def readers(admin: AdminClient, settings: Settings, cluster: ClusterMetadata, now_ms: int) -> Iterator[Finding]:
    """Yield a finding for each consumer group. Raises KafkaException when the broker does not answer."""
    for group, read in _READS.items():
        places = _places(settings, cluster, read)
        if not places:
            yield warning(f"group {settings.topic(group)}", "its topics are not there", "tidemark stack up --detach")
        else:
            yield _group(admin, settings, group, places, now_ms)


def clock(admin: AdminClient, settings: Settings, cluster: ClusterMetadata, now_ms: int) -> Iterator[Finding]:
    """Yield how the newest append time on the events' topic stands to our clock. Raises KafkaException.

    Kafka tells its time to nobody who does not write: that its clock is behind can only be seen while records come.
    """
    check = "clock, kafka"
    places = _places(settings, cluster, (EVENTS,))
    newest = max((time for _, time in _listed(admin, places, _NEWEST).values()), default=-1)
    if newest < 0:
        yield warning(
            check, "no event yet, and it cannot be measured without writing", "tidemark simulate --duration 5"
        )
        return
    age = (now_ms - newest) / 1_000
    if age < -AHEAD_SECONDS:
        yield warning(
            check, f"the broker's is {-age:,.1f} s or more ahead of ours", "timedatectl status, here and there"
        )
    elif age > BEHIND_SECONDS:
        found = (
            f"not ahead; nothing was appended for {age:,.0f} s by it, so it may be behind: else unseen without writing"
        )
        yield warning(check, found, "tidemark streams run (its ticks show it), or timedatectl status, here and there")
    else:
        yield ok(check, f"not ahead of ours, and at most {max(age, 0):,.1f} s behind")


def _group(admin: AdminClient, settings: Settings, group: str, places: list[Place], now_ms: int) -> Finding:
    name, start = settings.topic(group), _STARTS[group]
    committed, members = _committed(admin, name, places), _members(admin, name)
    first, end = (_listed(admin, places, spec) for spec in (_FIRST, _END))
    due = _listed(admin, places, OffsetSpec.for_timestamp(now_ms - BEHIND_SECONDS * 1_000))
    # Who has committed nothing begins at the log's start.
    lags = {place: max(0, end[place][0] - committed.get(place, first[place][0])) for place in places}
    behind = [place for place in places if lags[place] > _since(due[place][0], end[place][0])]
    found = f"read by {members}, {sum(lags.values()):,} records to go"
    if members == 0:
        return failed(f"group {name}", f"nobody reads; {sum(lags.values()):,} records to go", start)
    if behind:
        topic, partition = max(behind, key=lags.__getitem__)
        text = f"{found}, partitions over {BEHIND_SECONDS} s behind: {len(behind)}, most {topic}-{partition}"
        return failed(f"group {name}", text, f"start another one: {start}; docs/runbooks/lag-growing.md")
    return ok(f"group {name}", f"{found}, none older than {BEHIND_SECONDS} s")


def _since(due: int, end: int) -> int:
    """Return how many records there are from an offset on; no offset (-1) is the log's end."""
    return end - due if due >= 0 else 0


def _places(settings: Settings, cluster: ClusterMetadata, topics: tuple[Topic, ...]) -> list[Place]:
    names = [settings.topic(topic.name) for topic in topics]
    return [
        (name, partition) for name in names if name in cluster.topics for partition in cluster.topics[name].partitions
    ]


def _committed(admin: AdminClient, group: str, places: list[Place]) -> dict[Place, int]:
    asked = ConsumerGroupTopicPartitions(group, [TopicPartition(*place) for place in places])
    [answer] = admin.list_consumer_group_offsets([asked], request_timeout=ANSWER_SECONDS).values()
    return {(each.topic, each.partition): each.offset for each in answer.result().topic_partitions if each.offset >= 0}


def _members(admin: AdminClient, group: str) -> int:
    [answer] = admin.describe_consumer_groups([group], request_timeout=ANSWER_SECONDS).values()
    return len(answer.result().members)


def _listed(admin: AdminClient, places: list[Place], spec: OffsetSpec) -> dict[Place, tuple[int, int]]:
    """Return the offset that is asked for and its record's time (ms), -1 where there is none."""
    if not places:
        return {}
    asked = {TopicPartition(*place): spec for place in places}
    answers = admin.list_offsets(asked, request_timeout=ANSWER_SECONDS)
    return {(at.topic, at.partition): (told.result().offset, told.result().timestamp) for at, told in answers.items()}

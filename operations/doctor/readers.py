"""Looks how far each consumer group is behind its logs, and what the newest event tells of the broker's clock."""

from collections.abc import Iterator, Mapping

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.admin._metadata import ClusterMetadata

from operations.doctor.access import not_looked_at
from operations.doctor.brokers import ANSWER_SECONDS
from operations.doctor.findings import Finding, ok, problem, warning
from operations.doctor.offsets import END, FIRST, Place, listed, newest_ms, places
from operations.doctor.unread import next_records
from tidemark.access import is_refusal
from tidemark.kafka import committed_offsets
from tidemark.rights import SINK_GROUP, STREAMS_GROUP, webhook_group
from tidemark.settings import Settings
from tidemark.topics import ALERTS, DOOR_COUNTS, EVENTS, METRICS, PARTIALS, SESSIONS, Topic

#: Whoever has not dealt with a record after so long is behind; commits come with the checkpoints, every 10 s.
BEHIND_SECONDS = 60
#: A broker's clock may be ahead of ours by so much.
AHEAD_SECONDS = 1.0


def readers(admin: AdminClient, settings: Settings, cluster: ClusterMetadata, now_ms: int) -> Iterator[Finding]:
    """Yield a finding for each consumer group. Raises KafkaException when the broker does not answer."""
    for group, start, read in _groups(settings):
        name = settings.topic(group)
        if logs := places(settings, cluster, *read):
            yield _seen(admin, settings, name, start, logs, now_ms)
        else:
            yield warning(f"group {name}", "its topics are not there", "tidemark init")


def _groups(settings: Settings) -> Iterator[tuple[str, str, tuple[Topic, ...]]]:
    """Yield the groups that commit, the commands that start their members, and what they read."""
    yield STREAMS_GROUP, "tidemark streams run", (EVENTS, PARTIALS)
    yield SINK_GROUP, "tidemark sink influxdb", (METRICS, SESSIONS, ALERTS, DOOR_COUNTS)
    if settings.webhook_url:
        yield webhook_group(settings.webhook_url), "tidemark sink webhook", (ALERTS,)


def clock(admin: AdminClient, settings: Settings, cluster: ClusterMetadata, now_ms: int) -> Iterator[Finding]:
    """Yield how the newest append time on the events' topic stands to our clock. Raises KafkaException.

    Kafka tells its time to nobody who does not write: that its clock is behind can only be seen while records come.
    """
    check = "clock, kafka"
    newest = newest_ms(admin, places(settings, cluster, EVENTS))
    if newest is None:
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


def _seen(admin: AdminClient, settings: Settings, name: str, start: str, logs: list[Place], now_ms: int) -> Finding:
    try:
        return _group(admin, settings, name, start, logs, now_ms)
    except KafkaException as error:
        if is_refusal(error.args[0]):
            return not_looked_at(f"group {name}")
        raise


def _group(admin: AdminClient, settings: Settings, name: str, start: str, logs: list[Place], now_ms: int) -> Finding:
    # First who reads: here Kafka says that a right is missing, asked for what is committed it is silent.
    members = _members(admin, name)
    committed = committed_offsets(settings, name, logs, ANSWER_SECONDS)
    first, end = (listed(admin, logs, spec) for spec in (FIRST, END))
    due = listed(admin, logs, OffsetSpec.for_timestamp(now_ms - BEHIND_SECONDS * 1_000))
    # Who has committed nothing begins at the log's start, and so does who has committed what was deleted since.
    stands = {place: max(committed.get(place, 0), first[place][0]) for place in logs}
    lags = {place: max(0, end[place][0] - stands[place]) for place in logs}
    late = [place for place in logs if lags[place] > _since(due[place][0], end[place][0])]
    behind = _with_records(settings, late, stands, {place: offset for place, (offset, _) in due.items()})
    found = f"read by {members}, {sum(lags.values()):,} records to go"
    if members == 0:
        return problem(f"group {name}", f"nobody reads; {sum(lags.values()):,} records to go", start)
    if behind:
        topic, partition = max(behind, key=lags.__getitem__)
        text = f"{found}, partitions over {BEHIND_SECONDS} s behind: {len(behind)}, most {topic}-{partition}"
        return problem(f"group {name}", text, f"start another one: {start}; docs/runbooks/lag-growing.md")
    return ok(f"group {name}", f"{found}, none older than {BEHIND_SECONDS} s")


def _with_records(
    settings: Settings, late: list[Place], stands: Mapping[Place, int], due: Mapping[Place, int]
) -> list[Place]:
    """Return the logs of these in which there is a record to read that is due, not only a transaction's marker."""
    alerts = settings.topic(ALERTS.name)  # nothing else that groups read is written in transactions
    marked = {place: stands[place] for place in late if place[0] == alerts}
    records = next_records(settings, marked) if marked else {}
    return [
        place for place in late if place not in marked or (place in records and not 0 <= due[place] <= records[place])
    ]


def _since(due: int, end: int) -> int:
    """Return how many records there are from an offset on; no offset (-1) is the log's end."""
    return end - due if due >= 0 else 0


def _members(admin: AdminClient, group: str) -> int:
    [answer] = admin.describe_consumer_groups([group], request_timeout=ANSWER_SECONDS).values()
    return len(answer.result().members)

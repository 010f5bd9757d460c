"""Where logs begin and end, by Kafka's admin client: nothing of their records is read."""

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.admin._metadata import ClusterMetadata

from operations.doctor.brokers import ANSWER_SECONDS
from tidemark.settings import Settings
from tidemark.topics import Topic

FIRST, END = OffsetSpec.earliest(), OffsetSpec.latest()  # type: ignore[no-untyped-call]
_NEWEST = OffsetSpec.max_timestamp()  # type: ignore[no-untyped-call]

#: A topic's name on the broker and a partition.
Place = tuple[str, int]


def places(settings: Settings, cluster: ClusterMetadata, *topics: Topic) -> list[Place]:
    """Return the partitions of those topics that are there."""
    names = [settings.topic(topic.name) for topic in topics]
    return [
        (name, partition) for name in names if name in cluster.topics for partition in cluster.topics[name].partitions
    ]


def listed(admin: AdminClient, asked: list[Place], spec: OffsetSpec) -> dict[Place, tuple[int, int]]:
    """Return the offset that is asked for and its record's time (ms), -1 where there is none. Raises KafkaException."""
    if not asked:
        return {}
    answers = admin.list_offsets({TopicPartition(*place): spec for place in asked}, request_timeout=ANSWER_SECONDS)
    return {(at.topic, at.partition): (told.result().offset, told.result().timestamp) for at, told in answers.items()}


def newest_ms(admin: AdminClient, asked: list[Place]) -> int | None:
    """Return the time of the newest record (ms), None where there is none. Raises KafkaException."""
    newest = max((time for _, time in listed(admin, asked, _NEWEST).values()), default=-1)
    return newest if newest >= 0 else None

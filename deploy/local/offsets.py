"""Where topics end, asked of the leader of each of their partitions."""

from collections.abc import Iterable

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from tidemark.kafka import client_config
from tidemark.settings import Settings
from tidemark.topics import Topic

TIMEOUT_SECONDS = 10.0

#: By topic (without prefix) and partition: the offset the next record will get.
Offsets = dict[tuple[str, int], int]


def end_offsets(settings: Settings, topics: Iterable[Topic]) -> Offsets:
    """Return where each partition of the topics ends now. Raises KafkaException when a leader does not answer."""
    wanted = {
        TopicPartition(settings.topic(topic.name), partition): (topic.name, partition)
        for topic in topics
        for partition in range(settings.partitions(topic))
    }
    admin = AdminClient(client_config(settings))  # the answers come only while there is a reference to it
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    found = admin.list_offsets(dict.fromkeys(wanted, latest), request_timeout=TIMEOUT_SECONDS)
    return {wanted[partition]: done.result().offset for partition, done in found.items()}

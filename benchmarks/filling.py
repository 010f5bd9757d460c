"""The logs that are read: filled by the simulator before a contender starts, all of it past-dated."""

import json
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from deploy.local.provision import TIMEOUT_SECONDS, create_topics
from simulator.people import site_name
from tidemark.kafka import client_config
from tidemark.settings import Settings
from tidemark.topics import ALL, EVENTS, TICK_HEADER

#: In event time, events a second.
RATE = 2_000
USERS = 50_000
SITES = 3
FAULTS = ("--late", "1%", "--duplicates", "0.5%", "--bad", "0.1%")
LOAD = ("--rate", str(RATE), "--users", str(USERS), "--sites", str(SITES), "--seed", "1", "--disorder-ms", "1500")
HOUR_MS = 3_600_000

Manifest = dict[str, Any]


def fill(settings: Settings, events: int, *, faults: bool, own: Iterable[str] = ()) -> Manifest:
    """Create the topics, a contender's own too, and fill the events'; return what the log holds.

    Raises CalledProcessError when the simulator fails.
    """
    create_topics(settings)
    _create(settings, own)
    now = time.time_ns() // 1_000_000
    start = (now - events * 1_000 // RATE - 2 * HOUR_MS) // HOUR_MS * HOUR_MS
    manifest = Path(settings.data_dir) / f"manifest-{settings.topic_prefix}json"
    options = ["--max-speed", "--count", str(events), "--start-time", str(start), "--manifest", str(manifest)]
    subprocess.run(
        [sys.executable, "-m", "tidemark", "simulate", *LOAD, *options, *(FAULTS if faults else ())],
        env=settings.environment(),
        check=True,
        capture_output=True,
    )
    content: Manifest = json.loads(manifest.read_text())
    return content


def _create(settings: Settings, names: Iterable[str]) -> None:
    topics = [NewTopic(settings.topic(name), EVENTS.partitions, settings.kafka_replication_factor) for name in names]
    if topics:
        admin = AdminClient(client_config(settings))  # the answers come only while there is a reference to it
        for done in admin.create_topics(topics).values():
            done.result()


def end_with_ticks(settings: Settings) -> None:
    """Append to each partition the tick its owner would: every window and every visit of the log closes."""
    producer = Producer(client_config(settings) | {"acks": "all"})
    for partition in range(EVENTS.partitions):
        producer.produce(settings.topic(EVENTS.name), partition=partition, headers=[(TICK_HEADER, b"")])
    producer.flush()


def end_with_later_events(settings: Settings) -> None:
    """Append to each partition an event of each site, so much later that every window before it closes.

    The log ends two hours ago, and brokers refuse records more than an hour ahead.
    """
    producer = Producer(client_config(settings) | {"acks": "all"})
    later = time.time_ns() // 1_000_000 + HOUR_MS // 2
    for partition in range(EVENTS.partitions):
        for number in range(SITES):
            event = {"timestamp": later, "eventType": "LATER", "siteId": site_name(number), "sessionId": "later"}
            producer.produce(settings.topic(EVENTS.name), json.dumps(event).encode(), b"later", partition)
    producer.flush()


def mean_bytes(settings: Settings) -> float:
    """Return how long events are, of the first thousand of a partition."""
    consumer = Consumer(client_config(settings) | {"group.id": "mean-bytes", "enable.auto.commit": False})
    consumer.assign([TopicPartition(settings.topic(EVENTS.name), 0, 0)])
    lengths = [len(message.value() or b"") for message in consumer.consume(1_000, 5.0)]
    consumer.close()
    return sum(lengths) / len(lengths)


def forget_run(settings: Settings, group: str) -> None:
    """Bring all back to before a run, but for the events: new topics, no committed offsets."""
    admin = AdminClient(client_config(settings))
    _delete_group(admin, group)
    _delete(admin, [settings.topic(topic.name) for topic in ALL if topic is not EVENTS])
    create_topics(settings)


def delete_all(settings: Settings) -> None:
    """Delete all topics with the prefix, those the contender made itself too."""
    admin = AdminClient(client_config(settings))
    _delete(
        admin, [name for name in admin.list_topics(timeout=TIMEOUT_SECONDS).topics if settings.topic_prefix in name]
    )


def _delete(admin: AdminClient, names: list[str]) -> None:
    """Delete topics and wait until the broker does not tell of them any more."""
    for done in admin.delete_topics(names, operation_timeout=TIMEOUT_SECONDS).values():
        done.result()
    while set(names) & set(admin.list_topics(timeout=TIMEOUT_SECONDS).topics):
        time.sleep(0.05)


def _delete_group(admin: AdminClient, group: str) -> None:
    """Delete it as soon as its last member has left."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            admin.delete_consumer_groups([group])[group].result()
            return
        except KafkaException as error:
            if error.args[0].code() != KafkaError.NON_EMPTY_GROUP or time.monotonic() > deadline:
                raise
        time.sleep(0.2)

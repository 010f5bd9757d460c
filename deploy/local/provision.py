"""Creates Tidemark's topics and bucket on the servers the settings name; what is there already is left as it is."""

import json
import time
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.domain.bucket_retention_rules import BucketRetentionRules
from influxdb_client.rest import ApiException

from deploy.local.errors import StackError
from deploy.local.influxdb import influxdb_version
from deploy.local.offsets import end_offsets
from tidemark.influxdb import RETENTION_DAYS
from tidemark.kafka import client_config
from tidemark.settings import Settings
from tidemark.topics import ALL, CHECKPOINTS, EVENTS, Topic

TIMEOUT_SECONDS = 30
SHARD_HOURS = 24


def create_topics(settings: Settings) -> list[str]:
    """Create the topics that are missing, with the settings' prefix and replication factor; return their names.

    All topics can be written and read when it returns. Raises StackError when a topic exists with another partition
    count (results depend on it) or Kafka refuses.
    """
    admin = AdminClient(client_config(settings))
    existing = _partitions(admin, settings)
    _refuse_other_counts(settings, existing)
    missing = [topic for topic in ALL if settings.topic(topic.name) not in existing]
    _create(admin, settings, missing)
    _await_leaders(admin, settings)
    return [settings.topic(topic.name) for topic in missing]


def _partitions(admin: AdminClient, settings: Settings) -> dict[str, int]:
    """Return how many partitions each topic on the broker has."""
    try:
        found = admin.list_topics(timeout=TIMEOUT_SECONDS).topics
    except KafkaException as error:
        text = error.args[0].str()
        raise StackError(f"Kafka at {settings.kafka_bootstrap_servers} does not answer: {text}") from None
    return {name: len(topic.partitions) for name, topic in found.items()}


def _await_leaders(admin: AdminClient, settings: Settings) -> None:
    """Wait until every partition's leader answers: a broker tells of a topic a moment before it serves it."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        known = _partitions(admin, settings)
        if all(settings.topic(topic.name) in known for topic in ALL):
            _refuse_other_counts(settings, known)
            try:
                end_offsets(settings, ALL)
                return
            except KafkaException as error:
                why = error.args[0].str()
        else:
            why = "the broker does not tell of them"
        if time.monotonic() > deadline:
            raise StackError(f"the topics cannot be used after {TIMEOUT_SECONDS} s: {why}")
        time.sleep(0.02)


def _refuse_other_counts(settings: Settings, existing: dict[str, int]) -> None:
    grown = settings.grown_to(existing)
    beside = "set TIDEMARK_TOPIC_PREFIX to start beside it"
    grown_todo = beside if grown is None else f"set TIDEMARK_EVENT_PARTITIONS={grown}, as it was made with"
    wrong = [
        f"topic {name}: expected {settings.partitions(topic)} partitions, it has {existing[name]}; "
        f"{grown_todo if topic in (EVENTS, CHECKPOINTS) else beside}"
        for topic in ALL
        if (name := settings.topic(topic.name)) in existing and existing[name] != settings.partitions(topic)
    ]
    if wrong:
        raise StackError("\n".join(wrong))


def _create(admin: AdminClient, settings: Settings, topics: list[Topic]) -> None:
    if not topics:
        return
    copies = settings.kafka_replication_factor
    wanted = [
        NewTopic(
            settings.topic(topic.name),
            num_partitions=settings.partitions(topic),
            replication_factor=copies,
            config=topic.broker_config(copies),
        )
        for topic in topics
    ]
    for name, done in admin.create_topics(wanted, operation_timeout=TIMEOUT_SECONDS).items():
        try:
            done.result()
        except KafkaException as error:
            # Two starts at once may both find it missing.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise StackError(f"topic {name} cannot be created: {error.args[0].str()}") from None


def create_bucket(settings: Settings) -> bool:
    """Create the bucket if it is missing: 30 days, shards of 24 hours; return whether it was.

    On InfluxDB 1.x it is a database of that name whose default retention policy is ``autogen``; on 2.x a bucket of the
    organisation. Raises StackError when InfluxDB does not answer or refuses.
    """
    version = influxdb_version(settings.influxdb_url)
    if version is None:
        raise StackError(f"no InfluxDB answers at {settings.influxdb_url}")
    if version.startswith("2"):
        return _create_bucket_of_2(settings)
    return _create_database_of_1(settings)


def _create_database_of_1(settings: Settings) -> bool:
    name = settings.influxdb_bucket
    found = query_influxdb_1(settings, "SHOW DATABASES")["results"][0]["series"][0].get("values", [])
    if [name] in found:
        return False
    quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    policy = f"WITH DURATION {RETENTION_DAYS}d REPLICATION 1 SHARD DURATION {SHARD_HOURS}h NAME autogen"
    query_influxdb_1(settings, f"CREATE DATABASE {quoted} {policy}")
    return True


def query_influxdb_1(settings: Settings, statement: str) -> dict[str, Any]:
    """Have InfluxDB 1.x do it; return its answer. Raises StackError, whose text names no password."""
    shown = statement.partition(" WITH PASSWORD ")[0]
    request = Request(f"{settings.influxdb_url.rstrip('/')}/query", data=urlencode({"q": statement}).encode())
    token = settings.influxdb_token.get_secret_value()
    if token:
        request.add_header("Authorization", f"Token {token}")
    try:
        with urlopen(request, timeout=TIMEOUT_SECONDS) as reply:
            answer: dict[str, Any] = json.load(reply)
    except HTTPError as error:
        raise StackError(f"InfluxDB refuses {shown!r}: {error.code} {error.read().decode()}") from None
    except URLError as error:
        raise StackError(f"InfluxDB at {settings.influxdb_url} does not answer: {error.reason}") from None
    refused = answer["results"][0].get("error")
    if refused:
        raise StackError(f"InfluxDB refuses {shown!r}: {refused}")
    return answer


def _create_bucket_of_2(settings: Settings) -> bool:
    token = settings.influxdb_token.get_secret_value()
    retention = BucketRetentionRules(  # type: ignore[no-untyped-call]
        type="expire", every_seconds=RETENTION_DAYS * 86_400, shard_group_duration_seconds=SHARD_HOURS * 3_600
    )
    with InfluxDBClient(settings.influxdb_url, token=token, org=settings.influxdb_org) as client:
        buckets = client.buckets_api()
        try:
            if buckets.find_bucket_by_name(settings.influxdb_bucket) is not None:
                return False
            buckets.create_bucket(bucket_name=settings.influxdb_bucket, retention_rules=retention)
        except ApiException as error:
            raise StackError(
                f"InfluxDB refuses bucket {settings.influxdb_bucket!r} of organisation {settings.influxdb_org!r}: "
                f"{error.status} {error.message}; check TIDEMARK_INFLUXDB_TOKEN and TIDEMARK_INFLUXDB_ORG"
            ) from None
    return True

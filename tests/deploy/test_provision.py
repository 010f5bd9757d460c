"""Topics and bucket on the real servers."""

import json
import time
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewPartitions

from deploy.local.errors import StackError
from deploy.local.provision import create_bucket, create_topics
from tidemark.kafka import client_config
from tidemark.settings import Settings
from tidemark.topics import ALERTS, ALL, Topic


@pytest.mark.parametrize("topic", ALL, ids=lambda topic: topic.name)
def test_each_topic_has_its_partitions_and_configuration(topic: Topic, stack: Settings) -> None:
    create_topics(stack)
    admin = AdminClient(client_config(stack))
    name = stack.topic(topic.name)
    assert _partitions(admin, name) == topic.partitions
    resource = ConfigResource(ResourceType.TOPIC, name)
    config = admin.describe_configs([resource])[resource].result()
    wanted = topic.broker_config(stack.kafka_replication_factor)
    assert {key: config[key].value for key in wanted} == wanted


def test_what_exists_is_left_as_it_is(settings: Settings) -> None:
    assert create_topics(settings) == []
    assert create_bucket(settings) is False


def _partitions(admin: AdminClient, topic: str) -> int:
    return len(admin.list_topics(topic, timeout=10).topics[topic].partitions)


def test_another_partition_count_is_refused(settings: Settings) -> None:
    name = settings.topic(ALERTS.name)
    admin = AdminClient(client_config(settings))
    admin.create_partitions([NewPartitions(name, ALERTS.partitions + 1)])[name].result()
    deadline = time.monotonic() + 10
    while _partitions(admin, name) == ALERTS.partitions and time.monotonic() < deadline:
        time.sleep(0.02)
    with pytest.raises(StackError, match=rf"topic {name}: expected 3 partitions, it has 4"):
        create_topics(settings)


def test_a_bucket_keeps_its_points_for_30_days_in_shards_of_a_day(settings: Settings) -> None:
    query = urlencode({"q": f'SHOW RETENTION POLICIES ON "{settings.influxdb_bucket}"'})
    with urlopen(f"{settings.influxdb_url}/query?{query}") as reply:
        series = json.load(reply)["results"][0]["series"][0]
    policies = [dict(zip(series["columns"], values, strict=True)) for values in series["values"]]
    assert [(policy["name"], policy["duration"], policy["shardGroupDuration"]) for policy in policies] == [
        ("autogen", "720h0m0s", "24h0m0s")
    ]


def test_servers_that_do_not_answer_are_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.local.provision.TIMEOUT_SECONDS", 0.5)
    nowhere = settings.model_copy(
        update={"kafka_bootstrap_servers": "127.0.0.1:1", "influxdb_url": "http://127.0.0.1:1"}
    )
    with pytest.raises(StackError, match=r"Kafka at 127\.0\.0\.1:1 does not answer"):
        create_topics(nowhere)
    with pytest.raises(StackError, match=r"no InfluxDB answers at http://127\.0\.0\.1:1"):
        create_bucket(nowhere)

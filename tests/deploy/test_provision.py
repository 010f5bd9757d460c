"""Topics and bucket on the real servers."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import urlopen

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewPartitions
from pydantic import SecretStr

from deploy.access import token_of_2
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


def test_topics_with_more_event_partitions_than_the_settings_name_the_setting(settings: Settings) -> None:
    with pytest.raises(StackError) as refused:
        create_topics(settings.model_copy(update={"event_partitions": 9}))
    events, checkpoints = str(refused.value).splitlines()
    assert events.endswith("expected 9 partitions, it has 12; set TIDEMARK_EVENT_PARTITIONS=12, as it was made with")
    assert checkpoints.endswith(
        "expected 15 partitions, it has 18; set TIDEMARK_EVENT_PARTITIONS=12, as it was made with"
    )


def test_a_bucket_keeps_its_points_for_30_days_in_shards_of_a_day(settings: Settings) -> None:
    query = urlencode({"q": f'SHOW RETENTION POLICIES ON "{settings.influxdb_bucket}"'})
    with urlopen(f"{settings.influxdb_url}/query?{query}") as reply:
        series = json.load(reply)["results"][0]["series"][0]
    policies = [dict(zip(series["columns"], values, strict=True)) for values in series["values"]]
    assert [(policy["name"], policy["duration"], policy["shardGroupDuration"]) for policy in policies] == [
        ("autogen", "720h0m0s", "24h0m0s")
    ]


class InfluxDB2(BaseHTTPRequestHandler):
    """A stand-in for InfluxDB 2.7, which cannot be built here: the calls of its API that provisioning makes."""

    buckets: ClassVar[list[dict[str, Any]]] = []
    authorizations: ClassVar[list[dict[str, Any]]] = []

    def do_GET(self) -> None:
        if self.path == "/ping":
            return self._reply(204, None)
        if self.headers["Authorization"] != "Token secret":
            return self._reply(401, {"code": "unauthorized", "message": "unauthorized access"})
        name = parse_qs(urlsplit(self.path).query).get("name", [""])[0]
        if self.path.startswith("/api/v2/orgs"):
            return self._reply(200, {"orgs": [{"id": "0123456789abcdef", "name": "analytics"}]})
        return self._reply(200, {"buckets": [bucket for bucket in self.buckets if bucket["name"] == name]})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/api/v2/authorizations":
            self.authorizations.append(asked)
            return self._reply(201, asked | {"token": f"made-{len(self.authorizations)}"})
        self.buckets.append(asked | {"id": "fedcba9876543210"})
        return self._reply(201, asked)

    def _reply(self, status: int, body: dict[str, Any] | None) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("X-Influxdb-Version", "v2.7.12")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def influxdb_2() -> Iterator[Settings]:
    InfluxDB2.buckets.clear()
    InfluxDB2.authorizations.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), InfluxDB2)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    yield Settings(influxdb_url=url, influxdb_token=SecretStr("secret"))
    server.shutdown()
    server.server_close()


def test_on_influxdb_2_it_is_a_bucket_of_the_organisation(influxdb_2: Settings) -> None:
    assert create_bucket(influxdb_2) is True
    assert create_bucket(influxdb_2) is False
    [bucket] = InfluxDB2.buckets
    assert (bucket["name"], bucket["orgID"]) == ("metrics", "0123456789abcdef")
    assert bucket["retentionRules"] == [
        {"type": "expire", "everySeconds": 30 * 86_400, "shardGroupDurationSeconds": 86_400}
    ]


def test_on_influxdb_2_a_token_may_do_one_thing_with_the_bucket_and_is_made_once(
    influxdb_2: Settings, tmp_path: Path
) -> None:
    create_bucket(influxdb_2)
    for right, name in (("write", "sink"), ("read", "gateway"), ("read", "gateway")):
        token_of_2(influxdb_2, tmp_path / name, name, right)
    asked = [permission for each in InfluxDB2.authorizations for permission in each["permissions"]]
    assert [(may["action"], may["resource"]["type"], may["resource"]["id"]) for may in asked] == [
        ("write", "buckets", "fedcba9876543210"),
        ("read", "buckets", "fedcba9876543210"),
    ]
    assert [(tmp_path / name).read_text() for name in ("sink", "gateway")] == ["made-1", "made-2"]


def test_a_wrong_token_is_named(influxdb_2: Settings) -> None:
    wrong = influxdb_2.model_copy(update={"influxdb_token": SecretStr("wrong")})
    with pytest.raises(StackError, match=r"'metrics' of organisation 'analytics': 401.*TIDEMARK_INFLUXDB_TOKEN"):
        create_bucket(wrong)


def test_servers_that_do_not_answer_are_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.local.provision.TIMEOUT_SECONDS", 0.5)
    nowhere = settings.model_copy(
        update={"kafka_bootstrap_servers": "127.0.0.1:1", "influxdb_url": "http://127.0.0.1:1"}
    )
    with pytest.raises(StackError, match=r"Kafka at 127\.0\.0\.1:1 does not answer"):
        create_topics(nowhere)
    with pytest.raises(StackError, match=r"no InfluxDB answers at http://127\.0\.0\.1:1"):
        create_bucket(nowhere)

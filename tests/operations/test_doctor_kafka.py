"""What ``tidemark doctor`` finds of Kafka where its answers are made up, or there are none."""

import subprocess
import threading
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka.admin._config import ConfigResource
from pydantic import SecretStr

from deploy.local.addresses import free_ports
from operations.doctor.access import rights
from operations.doctor.brokers import brokers
from operations.doctor.findings import Finding
from operations.doctor.topics import topics
from operations.doctor.workers import workers
from tidemark.settings import Settings
from tidemark.topics import ALERTS, ALL, CHECKPOINTS, EVENTS, METRICS, SESSIONS


def cluster_of(settings: Settings) -> Any:
    """Return a cluster whose topics have the partitions that the settings say, each led by its one copy."""
    partition = SimpleNamespace(leader=1, replicas=[1], isrs=[1])
    counts = {settings.topic(topic.name): settings.partitions(topic) for topic in ALL}
    made = {name: dict.fromkeys(range(count), partition) for name, count in counts.items()}
    return SimpleNamespace(topics={name: SimpleNamespace(partitions=partitions) for name, partitions in made.items()})


class Configs:
    """An admin client that tells topics' settings: the platform's own but for a retention."""

    def __init__(self, retention_ms: dict[str, str]) -> None:
        self._retention_ms = retention_ms

    def describe_configs(
        self, asked: list[ConfigResource], request_timeout: float
    ) -> "dict[ConfigResource, Future[Any]]":
        return {resource: self._told(resource.name) for resource in asked}

    def _told(self, name: str) -> "Future[Any]":
        [topic] = [each for each in ALL if each.name == name]
        config = topic.broker_config(1)
        config["retention.ms"] = self._retention_ms.get(name, config["retention.ms"])
        told: Future[Any] = Future()
        told.set_result({key: SimpleNamespace(name=key, value=value) for key, value in config.items()})
        return told


def topics_of(settings: Settings, made: Settings, retention_ms: dict[str, str] | None = None) -> dict[str, Finding]:
    """Return what is found of topics that were made with these settings."""
    admin: Any = Configs(retention_ms or {})
    return {each.check.removeprefix("topic "): each for each in topics(admin, settings, cluster_of(made))}


def test_topics_of_a_platform_that_has_grown_name_the_setting() -> None:
    grown = Settings(event_partitions=24)
    assert {each.level for each in topics_of(grown, grown).values()} == {"ok"}
    found = topics_of(Settings(), grown)
    assert found[EVENTS.name].found == "24 partitions instead of 12: results depend on them"
    assert found[CHECKPOINTS.name].found == "30 partitions instead of 18: results depend on them"
    todo = "set TIDEMARK_EVENT_PARTITIONS=24, as it was made with"
    assert {each.todo for each in found.values() if each.level != "ok"} == {todo}
    fewer = topics_of(grown, Settings())
    assert "TIDEMARK_TOPIC_PREFIX" in fewer[EVENTS.name].todo


def test_only_a_shorter_retention_is_a_warning() -> None:
    longer = {METRICS.name: "604800000", SESSIONS.name: "-1"}
    found = topics_of(Settings(), Settings(), longer | {ALERTS.name: "3600000", CHECKPOINTS.name: "604800000"})
    assert found[METRICS.name].found == "6 partitions, 1 copy, compact,delete, 7 d"
    assert found[SESSIONS.name].found == "12 partitions, 1 copy, delete, for ever"
    assert {name for name, each in found.items() if each.level == "warning"} == {ALERTS.name, CHECKPOINTS.name}
    assert found[ALERTS.name].todo.endswith("--add-config retention.ms=259200000")


def test_the_workers_states_are_read_in_this_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "ours.pem")
    given: dict[str, str] = {}

    def run(command: list[str], env: dict[str, str], **_: Any) -> "subprocess.CompletedProcess[str]":
        given.update(env)
        return subprocess.CompletedProcess(command, 1, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    settings = Settings(lateness_ms=3_000)
    list(workers(settings, cluster_of(settings)))
    assert (given["SSL_CERT_FILE"], given["TIDEMARK_LATENESS_MS"]) == ("ours.pem", "3000")


def test_rights_of_which_nobody_tells_are_a_warning() -> None:
    away = Settings(
        kafka_bootstrap_servers=f"127.0.0.1:{free_ports()}",
        kafka_security_protocol="SASL_PLAINTEXT",
        kafka_username="me",
        kafka_password=SecretStr("hush-hush"),
    )
    [found] = rights(away)
    assert (found.level, found.found) == ("warning", "Kafka has not told all of them within 5 s")


def test_all_brokers_are_asked_for_their_version_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(3)

    async def all_asked(*_: object) -> int:
        together.wait(10.0)
        return 18

    monkeypatch.setattr("operations.doctor.brokers._fetch_version", all_asked)
    three: Any = SimpleNamespace(
        brokers={number: SimpleNamespace(id=number, host="127.0.0.1", port=1) for number in range(3)}
    )
    _, *versions_of = brokers(Settings(), three)
    assert [each.found for each in versions_of] == ["4.1 or newer"] * 3

"""deploy/compose.yaml: by the Compose Specification's schema and its own library, and what it promises."""

import json
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deploy.local.fetch import KAFKA_VERSION
from tests.conftest import ROOT
from tests.deploy.compose import FILE, compose, read
from tidemark.settings import load_settings

SERVICES = sorted(compose()["services"])
PARTS = ("init", "streams", "sink", "gateway", "ingestion", "alerts", "simulator")
BROKERS = ("kafka-1", "kafka-2", "kafka-3")
#: Where each serves its metrics.
METRICS = {
    "kafka": 9101,
    "streams": 9101,
    "sinks": 9101,
    "alerts": 9101,
    "gateway": 8082,
    "ingestion": 8000,
    "influxdb": 8086,
    "node": 9100,
}


def service(name: str) -> dict[str, Any]:
    found: dict[str, Any] = compose()["services"][name]
    return found


def test_a_misspelt_key_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(FILE.read_text().replace("read_only: true", "readonly: true"))
    with pytest.raises(AssertionError, match="readonly"):
        read(wrong)


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_is_read_only_unprivileged_bounded_and_looked_after(name: str) -> None:
    one = service(name)
    assert one["read_only"] is True
    assert one["cap_drop"] == ["ALL"]
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"[1-9]\d*:\d+", one["user"])
    assert {"cpus", "memory", "pids"} <= set(one["deploy"]["resources"]["limits"])
    assert re.fullmatch(r"[a-z/-]+:v?\d+\.\d+\.\d+", one["image"])
    assert one["restart"] == ("on-failure:5" if name == "init" else "unless-stopped")
    assert one["healthcheck"].get("test") or name == "init"


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_loopback_and_those_of_the_servers_not_at_all(name: str) -> None:
    ports = service(name).get("ports", [])
    assert all(port["host_ip"] == "127.0.0.1" for port in ports)
    assert bool(ports) == (name in ("gateway", "ingestion", "prometheus", "grafana"))
    assert ("outside" in service(name)["networks"]) == bool(ports)


def test_the_servers_network_has_no_way_out() -> None:
    assert compose()["networks"]["inside"]["internal"] is True


@pytest.mark.parametrize("name", PARTS)
def test_settings_are_known_and_valid(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment = service(name)["environment"]
    for variable, value in environment.items():
        monkeypatch.setenv(variable, str(tmp_path) if value == "/run/secrets" else value)
    settings = load_settings()
    known = {f"TIDEMARK_{field.upper()}" for field in type(settings).model_fields}
    assert set(environment) <= known
    assert settings.kafka_replication_factor == 3
    assert settings.kafka_bootstrap_servers.count(",") == 2


def test_three_brokers_of_one_cluster_keep_three_copies_of_which_two_are_in_sync() -> None:
    brokers = [service(name)["environment"] for name in BROKERS]
    assert [broker["KAFKA_NODE_ID"] for broker in brokers] == ["1", "2", "3"]
    assert len({broker["CLUSTER_ID"] for broker in brokers}) == 1
    for node, broker in enumerate(brokers, start=1):
        assert broker["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://kafka-{node}:9092"
        assert f"{node}@kafka-{node}:9093" in broker["KAFKA_CONTROLLER_QUORUM_VOTERS"]
        assert (broker["KAFKA_MIN_INSYNC_REPLICAS"], broker["KAFKA_TRANSACTION_STATE_LOG_MIN_ISR"]) == ("2", "2")
        assert broker["KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR"] == "3"


def test_a_broker_serves_its_metrics_and_its_health_check_does_not_want_the_same_port() -> None:
    for broker in map(service, BROKERS):
        assert broker["image"] == f"tidemark-kafka:{KAFKA_VERSION}"
        run, option = broker["command"]
        assert (
            run == "/etc/kafka/docker/run"
        )  # what the image runs by itself; it takes its arguments into its environment
        assert option.startswith("KAFKA_OPTS=-javaagent:")
        assert "KAFKA_OPTS" not in broker["environment"]


def test_the_parts_start_when_the_topics_are_there_and_the_simulator_only_in_the_demo() -> None:
    for name in PARTS[1:]:
        assert service(name)["depends_on"]["init"]["condition"] == "service_completed_successfully"
    assert [name for name in SERVICES if service(name).get("profiles")] == ["simulator"]


def test_prometheus_watches_every_part_and_each_worker() -> None:
    targets = {path.stem: json.loads(path.read_text())[0]["targets"] for path in (ROOT / "deploy/targets").iterdir()}
    streams = [f"{compose()['name']}-streams-{n + 1}" for n in range(service("streams")["deploy"]["replicas"])]
    hosts = {"kafka": [*BROKERS], "streams": streams, "sinks": ["sink"], "node": ["node-exporter"]}
    assert targets == {job: [f"{host}:{port}" for host in hosts.get(job, [job])] for job, port in METRICS.items()}
    assert {host for job in METRICS for host in hosts.get(job, [job])} - set(streams) <= set(SERVICES)


def test_secrets_are_files_that_the_script_makes_and_leaves_as_they_are(tmp_path: Path) -> None:
    script = tmp_path / "secrets.sh"
    script.write_text((ROOT / "deploy/secrets.sh").read_text())
    folder = tmp_path / "secrets"
    folder.mkdir(0o700)
    (folder / "GRAFANA_PASSWORD").write_text("mine")
    subprocess.run(["sh", str(script)], check=True)
    made = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(made) == {Path(secret["file"]).name for secret in compose()["secrets"].values()}
    assert made.pop("GRAFANA_PASSWORD") == "mine"
    assert len(set(made.values())) == 2
    assert all(re.fullmatch(r"[0-9a-f]{64}", secret) for secret in made.values())
    assert stat.S_IMODE((folder / "INFLUXDB_PASSWORD").stat().st_mode) == 0o644

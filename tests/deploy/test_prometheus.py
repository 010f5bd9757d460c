"""``tidemark up --prometheus``: the real Prometheus watches every part, with our rules, for Grafana's dashboards."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import pytest

from deploy.local.addresses import Address, free_ports, influxdb_address
from deploy.local.parts import Options, part_problems
from deploy.local.prometheus import node_exporter_address, prometheus_url
from tests.conftest import local_settings
from tests.deploy.conftest import Tidemark
from tests.deploy.panels import wait_until_every_panel_shows_something
from tests.support import wait
from tidemark.settings import Settings


@pytest.fixture
def tidemark(tidemark: Tidemark) -> Tidemark:
    """The command with ports for Prometheus and its node exporter too."""
    tidemark.settings = tidemark.settings.model_copy(update={"prometheus_port": free_ports(2)})
    return tidemark


def _ask(settings: Settings, path: str) -> Any:
    try:
        with urlopen(f"{prometheus_url(settings)}api/v1/{path}", timeout=5) as answer:
            return json.load(answer)["data"]
    except OSError:
        return None


def _targets(settings: Settings) -> dict[str, dict[str, str]]:
    """Return each target's health by job and address; none before Prometheus answers."""
    found: dict[str, dict[str, str]] = {}
    for target in (_ask(settings, "targets") or {"activeTargets": []})["activeTargets"]:
        found.setdefault(target["labels"]["job"], {})[target["labels"]["instance"]] = target["health"]
    return found


def _rules(settings: Settings) -> list[dict[str, Any]]:
    groups = (_ask(settings, "rules") or {"groups": []})["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_prometheus_sees_every_part_evaluates_every_rule_and_has_what_each_panel_shows(tidemark: Tidemark) -> None:
    settings = tidemark.settings
    assert settings.metrics_port is not None
    assert settings.kafka_metrics_port is not None
    up = tidemark("up", "--prometheus", "--workers", "2", "--rate", "50")
    ports = [Address("127.0.0.1", settings.metrics_port + n) for n in range(6)]
    watched = {
        "kafka": [Address("127.0.0.1", settings.kafka_metrics_port)],
        "influxdb": [influxdb_address(settings.influxdb_url)],
        "node": [node_exporter_address(settings)],
        "streams": ports[:2],
        "sinks": ports[2:3],
        "gateway": ports[3:4],
        "ingestion": ports[4:5],
        "alerts": ports[5:],
    }
    expected = {job: {str(address): "up" for address in addresses} for job, addresses in watched.items()}
    wait.until(lambda: _targets(settings) == expected, 90, lambda: f"{_targets(settings)} is not {expected}")
    wait.until(lambda: {rule["health"] for rule in _rules(settings)} == {"ok"}, 20, lambda: str(_rules(settings)))
    assert [rule["name"] for rule in _rules(settings) if rule.get("state") == "firing"] == []
    # A rule without a metric to evaluate is as healthy as the others.
    recorded = f"query?query={quote('instance_mountpoint:node_filesystem_avail:ratio < 1')}"
    wait.until(lambda: _ask(settings, recorded)["result"], 20)
    wait_until_every_panel_shows_something(settings, prometheus_url(settings), 90)
    up.terminate()
    output, _ = up.communicate(timeout=60)
    assert f"prometheus: {prometheus_url(settings)}\n" in output
    assert up.returncode == 0, output
    assert Address("127.0.0.1", settings.prometheus_port).is_free()
    assert node_exporter_address(settings).is_free()


def test_a_missing_program_is_named_only_if_it_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = local_settings(tmp_path).model_copy(
        update={"metrics_port": free_ports(7), "prometheus_port": free_ports(2)}
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    assert part_problems(settings, Options()) == []
    assert part_problems(settings, Options(prometheus=True)) == [
        f"{program} is missing: install it (Debian, Ubuntu: apt install {program}), or leave --prometheus out"
        for program in ("prometheus", "prometheus-node-exporter")
    ]

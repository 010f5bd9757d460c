"""Prometheus on this machine, and the node exporter that tells it of the disks: what they need, what is watched."""

import json
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from deploy.local.addresses import Address
from deploy.local.preflight import port_problems
from deploy.local.service import Service
from tidemark.settings import Settings

#: The configuration with its rules; the targets are written beside a copy of it.
CONFIGURATION = Path(__file__).parents[2] / "monitoring" / "prometheus"
PROMETHEUS, NODE_EXPORTER = "prometheus", "prometheus-node-exporter"
SETTING = "TIDEMARK_PROMETHEUS_PORT"

#: The addresses of each job of the configuration, a job without any included.
Targets = Mapping[str, Sequence[Address]]


def prometheus_url(settings: Settings) -> str:
    """Return where its pages are."""
    return f"http://{_prometheus(settings)}/"


def node_exporter_address(settings: Settings) -> Address:
    """Return where the node exporter listens: the port beside."""
    return Address("127.0.0.1", settings.prometheus_port + 1)


def prometheus_services(settings: Settings, targets: Targets, run: Path) -> list[Service]:
    """Return both services; ``run`` is where their process ids are written down, and Prometheus' configuration."""
    logs = settings.data_dir.absolute() / "logs"
    data = settings.data_dir.absolute() / "data" / "prometheus"
    node = node_exporter_address(settings)
    return [
        Service("node-exporter", lambda: _node_command(node), node.answers, run=run, log=logs / "node-exporter.log"),
        Service(
            "prometheus",
            partial(_prepare, _prometheus(settings), targets, data, run / "prometheus"),
            partial(_is_ready, prometheus_url(settings)),
            run=run,
            log=logs / "prometheus.log",
        ),
    ]


def prometheus_problems(settings: Settings) -> list[str]:
    """Return what keeps the two from starting; empty when nothing does."""
    problems = [
        f"{program} is missing: install it (Debian, Ubuntu: apt install {program}), or leave --prometheus out"
        for program in (PROMETHEUS, NODE_EXPORTER)
        if shutil.which(program) is None
    ]
    problems += port_problems(_prometheus(settings), "Prometheus", SETTING)
    return problems + port_problems(
        node_exporter_address(settings), "the node exporter (Prometheus' port + 1)", SETTING
    )


def _prometheus(settings: Settings) -> Address:
    return Address("127.0.0.1", settings.prometheus_port)


def _prepare(address: Address, targets: Targets, data: Path, configuration: Path) -> list[str]:
    shutil.rmtree(configuration, ignore_errors=True)
    shutil.copytree(CONFIGURATION, configuration)
    for job, addresses in targets.items():
        path = configuration / "targets" / f"{job}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps([{"targets": [str(address) for address in addresses]}]))
    return [
        PROMETHEUS,
        f"--config.file={configuration / 'prometheus.yml'}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.size=1GB",
        f"--web.listen-address={address}",
    ]


def _node_command(address: Address) -> list[str]:
    return [
        NODE_EXPORTER,
        f"--web.listen-address={address}",
        "--collector.disable-defaults",
        "--collector.filesystem",
    ]


def _is_ready(url: str) -> bool:
    try:
        with urlopen(f"{url}-/ready", timeout=2):
            return True
    except (URLError, OSError):
        return False

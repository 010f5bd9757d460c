"""What must be right before a server is started: tools, ports, folders; each problem comes with its remedy."""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from deploy.local.addresses import INFLUXDB_SETTING, KAFKA_SETTING, Address, influxdb_address, kafka_addresses
from deploy.local.fetch import exporter_path, influxdb_path, kafka_path
from deploy.local.kafka import controller_address
from tidemark.settings import Settings

MIN_JAVA = 17
MIN_FREE_BYTES = 1024**3


def kafka_problems(brokers: Iterable[Address], cache: Path, exporter_ports: Sequence[int] = ()) -> list[str]:
    """Return what keeps these brokers from starting, with metrics at these ports; empty when nothing does."""
    problems = kafka_tool_problems(cache, exporter=bool(exporter_ports))
    for broker in brokers:
        problems += port_problems(broker, "Kafka", KAFKA_SETTING)
        problems += port_problems(controller_address(broker), "Kafka's controller (Kafka's port + 1)", KAFKA_SETTING)
    for port in exporter_ports:
        problems += port_problems(Address("127.0.0.1", port), "Kafka's /metrics", "TIDEMARK_KAFKA_METRICS_PORT")
    return problems


def influxdb_problems(address: Address, cache: Path) -> list[str]:
    """Return what keeps InfluxDB from starting there; empty when nothing does."""
    return port_problems(address, "InfluxDB", INFLUXDB_SETTING) + influxdb_tool_problems(cache)


def missing_tools(settings: Settings) -> list[str] | None:
    """Return which tools are missing to start the settings' servers here; None if none of them is started here.

    Here is a loopback address that has a data folder, or at which nobody answers.
    """
    data, cache = settings.data_dir / "data", settings.data_dir / "cache"
    brokers = kafka_addresses(settings.kafka_bootstrap_servers)
    kafka_here = settings.kafka_security_protocol == "PLAINTEXT" and _is_started_here(brokers[0], data, "kafka-*")
    influxdb_here = _is_started_here(influxdb_address(settings.influxdb_url), data, "influxdb")
    if not kafka_here and not influxdb_here:
        return None
    missing = kafka_tool_problems(cache, exporter=settings.kafka_metrics_port is not None) if kafka_here else []
    return missing + (influxdb_tool_problems(cache) if influxdb_here else [])


def _is_started_here(address: Address, data: Path, folder: str) -> bool:
    return address.is_loopback() and (any(data.glob(folder)) or not address.answers())


def kafka_tool_problems(cache: Path, *, exporter: bool) -> list[str]:
    """Return which tools are missing to start Kafka, with its exporter of metrics or without."""
    programs = [kafka_path(cache), *([exporter_path(cache)] if exporter else [])]
    if all(program.exists() for program in programs) or shutil.which("mvn") is not None:
        return java_problems()
    return [*java_problems(), _missing("mvn", "maven", KAFKA_SETTING)]


def influxdb_tool_problems(cache: Path) -> list[str]:
    """Return the problem of a missing Go, if InfluxDB is still to be built."""
    if influxdb_path(cache).exists() or shutil.which("go") is not None:
        return []
    return [_missing("go", "golang-go", INFLUXDB_SETTING)]


def platform_problems() -> list[str]:
    """Return the problem of a system that cannot end children with their parent."""
    if sys.platform == "linux":
        return []
    return [
        f"servers are started on Linux only, this is {sys.platform}: "
        f"set {KAFKA_SETTING} and {INFLUXDB_SETTING} to servers that run"
    ]


def java_problems() -> list[str]:
    """Return the problem of a missing or too old Java."""
    if shutil.which("java") is None:
        return [_missing("java", "default-jre-headless", KAFKA_SETTING)]
    shown = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(?:1\.)?(\d+)', shown.stderr + shown.stdout)
    if found is None or int(found[1]) < MIN_JAVA:
        got = found[1] if found else (shown.stderr + shown.stdout).strip() or "nothing"
        return [f"java: Kafka needs version {MIN_JAVA} or later, `java -version` says {got}: install a newer one"]
    return []


def port_problems(address: Address, what: str, setting: str) -> list[str]:
    """Return the problem of a port that something else has."""
    if address.is_free():
        return []
    return [
        f"{address} is taken by another program, but {what} should listen there: "
        f"stop that program or change {setting} to another port"
    ]


def folder_problems(folder: Path, what: str) -> list[str]:
    """Return the problem of a folder that cannot be written or has less than 1 GiB left."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return [f"the {what} {folder} cannot be written ({error.strerror}): change TIDEMARK_DATA_DIR"]
    free = shutil.disk_usage(folder).free
    if free < MIN_FREE_BYTES:
        return [f"the {what} {folder} has {free / 1024**3:.1f} GiB left, 1 GiB is needed: change TIDEMARK_DATA_DIR"]
    return []


def _missing(tool: str, package: str, setting: str) -> str:
    return (
        f"{tool} is missing: install it (Debian, Ubuntu: apt install {package}), or set {setting} to a server that runs"
    )

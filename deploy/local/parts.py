"""The parts of the pipeline as services of this machine: their commands, their environment, where they answer."""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from msgspec import Struct

from deploy.local.addresses import Address, influxdb_address
from deploy.local.preflight import port_problems
from deploy.local.prometheus import (
    Targets,
    node_exporter_address,
    prometheus_problems,
    prometheus_services,
    prometheus_url,
)
from deploy.local.service import Service
from tidemark.settings import FIRST_METRICS_PORT, Settings

#: The first broker's, likewise; TIDEMARK_KAFKA_METRICS_PORT moves them.
FIRST_KAFKA_METRICS_PORT = 9191
LOOPBACK = "127.0.0.1"
#: A small shop with the tracker, as the site "shop": the HTTP door serves it at / if it has no other pages to serve.
SHOP = Path(__file__).parent / "shop"
#: The Prometheus job of each kind of part. The simulator has none: a platform has none.
JOBS = {
    "streams": "streams",
    "sink": "sinks",
    "gateway": "gateway",
    "ingestion": "ingestion",
    "alerts": "alerts",
    "webhook": "sinks",
}


class Options(Struct, frozen=True, kw_only=True):
    """What ``tidemark up`` was asked for; ``rate`` in events a second, ``duration`` in seconds."""

    rate: float = 200
    sites: int = 1
    workers: int = 1
    brokers: int = 1
    duration: float | None = None
    simulator: bool = True
    prometheus: bool = False


def up_folder(settings: Settings) -> Path:
    """Return where the parts' process ids are written down."""
    return settings.data_dir.absolute() / "run" / "up"


def state_path(settings: Settings) -> Path:
    """Return the file that holds the parts' states."""
    return settings.data_dir.absolute() / "run" / "state.json"


def manifest_path(settings: Settings) -> Path:
    """Return the file in which the simulator writes what it has sent."""
    return settings.data_dir.absolute() / "run" / "manifest.json"


def page_url(settings: Settings) -> str:
    """Return the dashboard's address."""
    scheme = "http" if settings.gateway_tls_certificate is None else "https"
    return f"{scheme}://{settings.gateway_host}:{settings.gateway_port}/"


def door_url(settings: Settings) -> str:
    """Return the HTTP door's address, which is the shop's too."""
    scheme = "http" if settings.ingestion_tls_certificate is None else "https"
    return f"{scheme}://{settings.ingestion_host}:{settings.ingestion_port}/"


def manifests(settings: Settings) -> list[Path]:
    """Return the manifests of this `tidemark up`: one more for each restart of the simulator."""
    present = manifest_path(settings)
    return sorted(present.parent.glob(f"{present.stem}*.json"))


def pipeline(settings: Settings, options: Options) -> list[Service]:
    """Return the parts in the order of their start; they stop in the opposite one, the simulator first.

    Prometheus, if it was asked for, sees all of them start and stop.
    """
    commands = _commands(settings, options)
    ports = metrics_ports(settings, options)
    parts = [
        _part(settings, name, command, port) for (name, command), port in zip(commands.items(), ports, strict=True)
    ]
    if not options.prometheus:
        return parts
    return prometheus_services(settings, scrape_targets(settings, options), up_folder(settings)) + parts


def scrape_targets(settings: Settings, options: Options) -> Targets:
    """Return what Prometheus watches, by job."""
    first = settings.kafka_metrics_port
    brokers = range(0) if first is None else range(first, first + options.brokers)
    targets: dict[str, list[Address]] = {
        "kafka": [Address(LOOPBACK, port) for port in brokers],
        "influxdb": [influxdb_address(settings.influxdb_url)],
        "node": [node_exporter_address(settings)],
    }
    for name, port in zip(_commands(settings, options), metrics_ports(settings, options), strict=True):
        job = JOBS.get(name.partition("-")[0])
        if job is not None:
            targets.setdefault(job, []).append(Address(LOOPBACK, port))
    return targets


def metrics_ports(settings: Settings, options: Options) -> range:
    """Return one /metrics port a part."""
    first = settings.metrics_port or FIRST_METRICS_PORT
    return range(first, first + len(_commands(settings, options)))


def part_problems(settings: Settings, options: Options) -> list[str]:
    """Return the problems of ports the parts need."""
    problems = port_problems(
        Address(settings.gateway_host, settings.gateway_port), "the gateway", "TIDEMARK_GATEWAY_PORT"
    )
    problems += port_problems(_door(settings), "the HTTP door", "TIDEMARK_INGESTION_PORT")
    for port in metrics_ports(settings, options):
        problems += port_problems(
            Address(LOOPBACK, port), "a part's /metrics", "TIDEMARK_METRICS_PORT (the first of them)"
        )
    if options.prometheus:
        problems += prometheus_problems(settings)
    return problems


def watch_service(settings: Settings, options: Options) -> Service:
    """Return the live view: it has the terminal, or prints plain lines; it is up as soon as it runs."""
    shop = () if settings.ingestion_pages else ("--shop", door_url(settings))
    prometheus = ("--prometheus", prometheus_url(settings)) if options.prometheus else ()
    command = _tidemark("watch", "--state", str(state_path(settings)), *shop, *prometheus)
    return Service(
        "watch",
        lambda: command,
        lambda: True,
        run=up_folder(settings),
        log=None,
        env=settings.environment(),
        stop_seconds=5,
    )


def _commands(settings: Settings, options: Options) -> dict[str, Callable[[], Sequence[str]]]:
    names = ["streams"] if options.workers == 1 else [f"streams-{n}" for n in range(1, options.workers + 1)]
    parts: dict[str, Callable[[], Sequence[str]]] = {name: partial(_tidemark, "streams", "run") for name in names}
    parts |= {"sink": partial(_tidemark, "sink", "influxdb"), "gateway": partial(_tidemark, "gateway")}
    parts["ingestion"] = partial(_tidemark, "ingest")
    parts["alerts"] = partial(_tidemark, "alerts", "run")
    if settings.webhook_url:
        parts["webhook"] = partial(_tidemark, "sink", "webhook")
    if options.simulator:
        parts["simulator"] = partial(_simulate, settings, options)
    return parts


def _simulate(settings: Settings, options: Options) -> list[str]:
    """Return the simulator's command; the manifest of a run before a restart is kept beside."""
    manifest = manifest_path(settings)
    if manifest.exists():
        manifest.rename(manifest.with_suffix(f".{len(manifests(settings))}.json"))
    return _tidemark(
        "simulate", "--rate", str(options.rate), "--sites", str(options.sites), "--manifest", str(manifest)
    )


def _part(settings: Settings, name: str, command: Callable[[], Sequence[str]], port: int) -> Service:
    return Service(
        name,
        command,
        # The door's workers come up after the process that has its metrics.
        (_door(settings) if name == "ingestion" else Address(LOOPBACK, port)).answers,
        run=up_folder(settings),
        log=settings.data_dir.absolute() / "logs" / f"{name}.log",
        env=settings.environment()
        | {"TIDEMARK_METRICS_PORT": str(port), "TIDEMARK_INGESTION_PAGES": str(settings.ingestion_pages or SHOP)},
    )


def _door(settings: Settings) -> Address:
    return Address(settings.ingestion_host, settings.ingestion_port)


def _tidemark(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tidemark", *arguments]

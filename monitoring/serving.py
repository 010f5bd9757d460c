"""A part's metrics over HTTP: those of its own process, or of all processes that share a folder."""

import os
from collections.abc import Iterable, Iterator
from functools import cache, partial
from importlib.metadata import version
from operator import add
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    GC_COLLECTOR,
    PLATFORM_COLLECTOR,
    PROCESS_COLLECTOR,
    CollectorRegistry,
    Metric,
    generate_latest,
    start_http_server,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from monitoring.metrics import BUILD_INFO, DEFINED

#: prometheus_client's own variable: a part of several processes names a folder there before it imports the metrics.
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_STARTED = "process_start_time_seconds"


@cache
def registry(part: str) -> CollectorRegistry:
    """Return where a part's metrics are, and no others."""
    BUILD_INFO.labels(part, version("tidemark")).set(1)
    served = CollectorRegistry()
    own = [metric for metric in DEFINED if part in metric.parts]
    if SHARED_FOLDER in os.environ:
        served.register(_Shared({metric.name.removesuffix("_total") for metric in own}))
        served.register(_Processes(Path(os.environ[SHARED_FOLDER])))
    else:
        for metric in own:
            served.register(metric.collector)
        served.register(PROCESS_COLLECTOR)
        served.register(GC_COLLECTOR)
    served.register(PLATFORM_COLLECTOR)
    return served


def exposition(part: str) -> tuple[str, bytes]:
    """Return the content type and text of a part's metrics."""
    return CONTENT_TYPE_LATEST, generate_latest(registry(part))


def serve_metrics(part: str, host: str, port: int | None) -> None:
    """Serve a part's /metrics on this address; no port serves none."""
    if port is not None:
        start_http_server(port, addr=host, registry=registry(part))


class _Shared(Collector):
    """The metrics of these names, as the processes that share the folder tell them together."""

    def __init__(self, names: set[str]) -> None:
        self._names = names

    def collect(self) -> Iterator[Metric]:
        told: Iterable[Metric] = MultiProcessCollector(None).collect()  # type: ignore[no-untyped-call]
        return (family for family in told if family.name in self._names)


class _Processes(Collector):
    """What the processes that share the folder use, added up; they were started when the first of them was."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        totals: dict[str, Metric] = {}
        for pid in {path.stem.rpartition("_")[2] for path in self._folder.glob("*.db")}:
            # Of a process that has ended it tells nothing.
            for family in ProcessCollector(pid=partial(str, pid), registry=None).collect():
                total = totals.setdefault(family.name, family)
                if total is not family:
                    [before], [more] = total.samples, family.samples
                    put = min if family.name == _STARTED else add
                    total.samples = [before._replace(value=put(before.value, more.value))]
        return totals.values()

"""Fan-out: from the moment a result is in Kafka to a thousand, or ten thousand, WebSocket clients.

Run ``python -m benchmarks.gateway`` (own Kafka, own ports). Results of the default site are written every 50 ms, or
every 5 s; clients in processes of their own note when which one came; 1 % of them read slowly and are cut off at last.
The same is done with the two servers one writes first (benchmarks/baselines/broadcast.py). All share one machine: a
delivery a CPU second is the server's own CPU time, the latencies are those of all together.
"""

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from confluent_kafka import Message, Producer
from rich.console import Console
from rich.table import Table

from benchmarks.latency import connected
from benchmarks.own_stack import java_as_in_production, own_stack
from benchmarks.running import cpu_seconds
from deploy.local.addresses import free_ports
from deploy.local.processes import Child
from deploy.local.provision import create_topics
from tidemark.kafka import producer_config
from tidemark.results import METRICS, PAGE_VIEWS_PER_SECOND, TUMBLING_5S, MetricUpdate, encode
from tidemark.settings import Settings
from tidemark.topics import METRICS as METRICS_TOPIC

PROCESSES = 2
SLOW_SHARE = 0.01
WARM_UP_SECONDS = 3.0
#: After the last result so long is waited for it.
SETTLE_SECONDS = 3.0
PAGE_KIB = resource.getpagesize() / 1024


@dataclass(frozen=True)
class Load:
    """So many clients, a result of each metric every ``interval_s``, for ``seconds``."""

    clients: int
    interval_s: float
    seconds: float


@dataclass(frozen=True)
class Measured:
    """Latencies in ms; ``missing``: clients that never got the last value; deliveries a CPU second of the server."""

    latencies: Any
    missing: int
    deliveries: float
    kib_a_connection: float
    closed: int


LOADS = (Load(1_000, 0.05, 20.0), Load(10_000, 5.0, 30.0))
WAYS = {"tidemark gateway": "", "broadcast, encoded once": "once", "encoded for each client": "each"}


class Results:
    """Writes results whose page views a second count up, and notes when (ns) each was in Kafka."""

    def __init__(self, settings: Settings) -> None:
        self._producer = Producer(producer_config(settings, linger_ms=0))
        self._topic = settings.topic(METRICS_TOPIC.name)
        self.written: dict[float, int] = {}
        self._number = 0

    def write_for(self, seconds: float, interval_s: float) -> None:
        """Write at fixed times until so long has passed."""
        began = time.monotonic()
        for turn in range(max(1, round(seconds / interval_s))):
            while (ahead := began + turn * interval_s - time.monotonic()) > 0:
                self._producer.poll(min(ahead, 0.01))
            self._write()
        self._producer.flush()

    def _write(self) -> None:
        self._number += 1
        value = float(self._number)
        now = time.time_ns() // 1_000_000

        def noted(error: object, _: Message) -> None:
            if error is None:
                self.written[value] = time.time_ns()

        for metric in sorted(METRICS, key=lambda metric: metric == PAGE_VIEWS_PER_SECOND):
            length = 5_000 if METRICS[metric] == TUMBLING_5S else 60_000
            start = now - now % length
            update = MetricUpdate(
                site_id="default", metric=metric, window_type=METRICS[metric], window_start=start,
                window_end=start + length, value=value, count=self._number, final=False, revision=self._number,
                emitted_at=now,
            )  # fmt: skip
            self._producer.produce(
                self._topic,
                encode(update),
                update.key(),
                update.partition(METRICS_TOPIC.partitions),
                noted if metric == PAGE_VIEWS_PER_SECOND else None,
            )

    @property
    def last(self) -> float:
        """The newest value."""
        return float(self._number)


@contextmanager
def crowd(port: int, load: Load, folder: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Run the clients, connected when the block begins."""
    each = load.clients // PROCESSES
    slow = round(each * SLOW_SHARE)
    arguments = [str(port), str(each - slow), str(slow)]
    with ExitStack() as running:
        processes = []
        for number in range(PROCESSES):
            command = [sys.executable, "-m", "benchmarks.crowd", *arguments, str(folder / f"{number}.npz")]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            running.callback(process.wait, 30)
            running.callback(process.kill)
            processes.append(process)
        for process in processes:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise RuntimeError("the clients could not connect")
        yield processes


def measure(settings: Settings, way: str, load: Load) -> Measured:
    """Run one server with one load."""
    port = free_ports()
    settings = settings.model_copy(update={"gateway_port": port})
    with TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        server = Child(folder / "pid", folder / "log")
        server.spawn(_command(settings, way), settings.environment())
        running.callback(server.stop, 20)
        _wait_for(port)
        results, empty = Results(settings), _rss_kib(server.pid)
        processes = running.enter_context(crowd(port, load, folder))
        results.write_for(WARM_UP_SECONDS, 0.1)
        memory = (_rss_kib(server.pid) - empty) / load.clients
        _tell(processes)
        cpu = cpu_seconds(server.pid)
        results.write_for(load.seconds, load.interval_s)
        time.sleep(SETTLE_SECONDS)
        cpu = cpu_seconds(server.pid) - cpu
        _tell(processes)
        for process in processes:
            process.wait(30)
        return _measured(results, [np.load(folder / f"{number}.npz") for number in range(PROCESSES)], cpu, memory)


def _measured(results: Results, noted: list[Any], cpu: float, memory: float) -> Measured:
    values = np.concatenate([one["values"] for one in noted])
    times = np.concatenate([one["times"] for one in noted])
    known = np.array([value in results.written for value in values.tolist()], bool)
    written = np.array([results.written[value] for value in values[known].tolist()])
    last = np.concatenate([one["last"] for one in noted])
    messages, closed = sum(one["counts"] for one in noted).tolist()
    latencies = (times[known] - written) / 1e6
    return Measured(latencies, int((last != results.last).sum()), messages / cpu, memory, closed)


def _command(settings: Settings, way: str) -> list[str]:
    if not way:
        return [sys.executable, "-m", "tidemark", "--json", "gateway"]
    topic = settings.topic(METRICS_TOPIC.name)
    servers, port = settings.kafka_bootstrap_servers, str(settings.gateway_port)
    return [sys.executable, "-m", "benchmarks.baselines.broadcast", way, servers, topic, port]


def _tell(processes: list[subprocess.Popen[str]]) -> None:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()


def _wait_for(port: int) -> None:
    with connected(f"ws://127.0.0.1:{port}"):
        time.sleep(3)  # its consumer has found its place


def _rss_kib(pid: int | None) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_KIB


def main() -> None:
    """Measure each server with each load and print what came out."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    console = Console()
    columns = ("P50", "P95", "P99", "max", "deliveries a CPU s", "KiB a connection", "lost", "cut off")
    table = Table("clients", "every", "server", *columns, title="from Kafka to the client, ms")
    with java_as_in_production(), own_stack() as settings:
        create_topics(settings)
        for load in LOADS:
            for name, way in WAYS.items():
                found = measure(settings, way, load)
                shown = [f"{each:,.0f}" for each in np.percentile(found.latencies, [50, 95, 99, 100])]
                costs = [f"{found.deliveries:,.0f}", f"{found.kib_a_connection:.1f}"]
                losses = [str(found.missing), str(found.closed)]
                table.add_row(f"{load.clients:,}", f"{load.interval_s:g} s", name, *shown, *costs, *losses)
                console.print(f"{load.clients:,} clients, {name}: done")
    console.print(table)


if __name__ == "__main__":
    main()

"""Fan-out: from the moment a result is in Kafka to a thousand, or ten thousand, WebSocket clients.

Run ``python -m benchmarks.gateway`` (own Kafka, own ports; less than 10 minutes). All metrics of the default site are
written every 50 ms, or every 5 s; clients in processes of their own note when which update came; 1 % of them read
slowly. The same is done with the two servers one writes first (benchmarks/baselines/broadcast.py).

A latency is from the broker's append time (ms) to the client's receipt of that update or, where updates were conflated,
of a newer one. A delivery is one update that one client got; a delivery a CPU second is of the server's own CPU time.
Broker, server, clients and the writing process share one machine, so the latencies are those of all together.
"""

import os
import resource
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.latency import connected
from benchmarks.own_stack import java_as_in_production, own_stack
from benchmarks.running import cpu_seconds
from benchmarks.timeliness import keep_with_append_times
from benchmarks.updates import Updates
from deploy.local.addresses import free_ports
from deploy.local.processes import Child
from deploy.local.provision import create_topics
from tidemark.settings import Settings
from tidemark.topics import METRICS

PROCESSES = 2
SLOW_SHARE = 0.01
WARM_UP_SECONDS = 3.0
START_SECONDS = 30.0
PAGE_KIB = resource.getpagesize() / 1024


@dataclass(frozen=True)
class Load:
    """So many clients, an update every ``interval_s``, for ``seconds``."""

    clients: int
    interval_s: float
    seconds: float


@dataclass(frozen=True)
class Measured:
    """What one server did with one load.

    ``connected``: by the kernel, slow readers too. ``latencies`` in ms, a client and update each. ``conflated``: the
    share of these for which a newer update came. ``behind``: clients that did not have the newest update at last;
    ``backwards``: messages out of order; ``cut``: of the clients that read at once. ``cpu``: the shares of a CPU that
    the server and all clients used.
    """

    connected: int
    failures: Counter[str]
    latencies: Any
    conflated: float
    behind: int
    backwards: int
    cut: int
    cut_slow: int
    deliveries: float
    kib_a_connection: float
    cpu: tuple[float, float]


OURS = "tidemark gateway"
NAIVE = "encoded for each client"
WAYS = {OURS: "", "broadcast(), encoded once": "once", NAIVE: "each"}
BUSY, MANY, MANY_BUSY = Load(1_000, 0.05, 15.0), Load(10_000, 5.0, 15.0), Load(10_000, 0.05, 10.0)
LOADS = (Load(1_000, 5.0, 10.0), BUSY, MANY, MANY_BUSY)


@contextmanager
def crowd(port: int, load: Load, folder: Path) -> Iterator[tuple[list[subprocess.Popen[str]], Counter[str]]]:
    """Run the clients; give their processes, connected, and why how many are not."""
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
        yield processes, sum(map(Counter, _told(processes)), Counter[str]())


def measure(settings: Settings, way: str, load: Load) -> Measured:
    """Run one server with one load, on topics of its own."""
    settings = settings.model_copy(
        update={
            "topic_prefix": f"{uuid.uuid4().hex}.",
            "gateway_port": free_ports(),
            "gateway_max_connections_per_address": settings.gateway_max_connections,
        }
    )
    create_topics(settings)
    keep_with_append_times(settings)
    updates = Updates(settings)
    with TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        server = Child(folder / "pid", folder / "log")
        server.spawn(_command(settings, way), settings.environment())
        running.callback(server.stop, 20)
        _wait_until_live(settings.gateway_port, updates)
        kib = _rss_kib(server.pid)
        processes, failures = running.enter_context(crowd(settings.gateway_port, load, folder))
        updates.write_for(WARM_UP_SECONDS, 1.0)
        count = _connections(settings.gateway_port)
        kib = (_rss_kib(server.pid) - kib) / max(1, count)
        _tell(processes, "start")
        first, cpu, began = updates.newest + 1, cpu_seconds(server.pid), time.monotonic()
        updates.write_for(load.seconds, load.interval_s)
        _tell(processes, str(updates.newest))
        _told(processes)
        cpu, took = cpu_seconds(server.pid) - cpu, time.monotonic() - began
        noted = [np.load(folder / f"{number}.npz") for number in range(PROCESSES)]
    return _measured(updates, first, count, failures, noted, cpu, took, kib)


def _measured(
    updates: Updates,
    first: int,
    count: int,
    failures: Counter[str],
    noted: list[Any],
    cpu: float,
    took: float,
    kib: float,
) -> Measured:
    values, before, times, newest = (
        np.concatenate([one[name] for one in noted]) for name in ("values", "before", "times", "newest")
    )
    counts_from_here = values >= first
    values, before, times = values[counts_from_here], before[counts_from_here], times[counts_from_here]
    # An update that was conflated has come when a newer one came.
    steps = values - np.maximum(before, first - 1)
    reached = np.repeat(values, steps) - (np.arange(steps.sum()) - np.repeat(np.cumsum(steps) - steps, steps))
    appended = np.array([updates.appended[number] for number in range(first, updates.newest + 1)])
    latencies = np.repeat(times, steps) / 1e6 - appended[reached - first]
    backwards, cut, cut_slow = sum(one["counts"] for one in noted).tolist()
    return Measured(
        connected=count,
        failures=failures,
        latencies=latencies,
        conflated=1 - len(values) / max(1, len(latencies)),
        behind=int((newest != updates.newest).sum()),
        backwards=backwards,
        cut=cut,
        cut_slow=cut_slow,
        deliveries=len(values) / cpu,
        kib_a_connection=kib,
        cpu=(cpu / took, sum(float(one["cpu"][0]) for one in noted) / took),
    )


def _command(settings: Settings, way: str) -> list[str]:
    if not way:
        return [sys.executable, "-m", "tidemark", "--json", "gateway"]
    topic = settings.topic(METRICS.name)
    servers, port = settings.kafka_bootstrap_servers, str(settings.gateway_port)
    return [sys.executable, "-m", "benchmarks.baselines.broadcast", way, servers, topic, port]


def _tell(processes: list[subprocess.Popen[str]], what: str) -> None:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(f"{what}\n")
        process.stdin.flush()


def _told(processes: list[subprocess.Popen[str]]) -> list[Any]:
    return [msgspec.json.decode(process.stdout.readline()) for process in processes if process.stdout]


def _wait_until_live(port: int, updates: Updates) -> None:
    """Write updates until one comes out of the server."""
    deadline = time.monotonic() + START_SECONDS
    with connected(f"ws://127.0.0.1:{port}") as client:
        client.send('{"action":"subscribe"}')
        kind = ""
        while kind != "metrics":
            if time.monotonic() > deadline:
                raise RuntimeError("no update comes out of the server")
            try:
                kind = msgspec.json.decode(client.recv(0.2))["type"]
            except TimeoutError:
                updates.write_for(0.1, 0.1)


def _rss_kib(pid: int | None) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_KIB


def _connections(port: int) -> int:
    """Count the connections that the server at a port has."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(fields[1].endswith(f":{port:04X}") and fields[3] == "01" for fields in map(str.split, lines))


def verdicts(found: dict[tuple[Load, str], Measured]) -> Table:
    """Return the targets, what was measured, and whether that is within them."""
    table = Table("target", "measured", "", title="targets")
    many = found[MANY, OURS]
    wrong = sum(one.behind + one.backwards + one.cut for (_, name), one in found.items() if name == OURS)
    p99 = float(np.percentile(found[BUSY, OURS].latencies, 99))
    times = found[BUSY, OURS].deliveries / found[BUSY, NAIVE].deliveries
    for target, measured, met in (
        (f"{MANY.clients:,} connected", f"{many.connected:,}", many.connected == MANY.clients),
        ("nothing lost but by conflation, at any load", f"{wrong} clients or messages", wrong == 0),
        (f"P99 ≤ 250 ms, {BUSY.clients:,} clients, 20 updates/s", f"{p99:.0f} ms", p99 <= 250),
        ("≤ 16 KiB a connection", f"{many.kib_a_connection:.1f} KiB", many.kib_a_connection <= 16),
        (f"≥ 1.5 × the deliveries a CPU second of: {NAIVE}", f"{times:.2f} ×", times >= 1.5),
    ):
        table.add_row(target, measured, "met" if met else "MISSED")
    return table


def main() -> None:
    """Measure each server with each load and print what came out."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    console, found = Console(), dict[tuple[Load, str], Measured]()
    table = Table("", *WAYS, title="from Kafka to the client")
    with java_as_in_production(), own_stack() as settings:
        for load in LOADS:
            for name, way in WAYS.items():
                one = found[load, name] = measure(settings, way, load)
                console.print(f"{one.connected:,} of {load.clients:,} clients, {name}: done", dict(one.failures) or "")
            table.add_section()
            table.add_row(f"{load.clients:,} clients, every {load.interval_s:g} s")
            for label, *cells in zip(*(_shown(found[load, name]) for name in WAYS), strict=True):
                table.add_row(label[0], *(cell[1] for cell in (label, *cells)))
    console.print(table)
    console.print(verdicts(found))
    console.print(f"machine: {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")


def _shown(one: Measured) -> list[tuple[str, str]]:
    """The rows of a column, each with its label."""
    percentiles = np.percentile(one.latencies, [50, 95, 99, 100])
    return [
        ("connected", f"{one.connected:,}"),
        ("P50 / P95 / P99, ms", " / ".join(f"{each:,.0f}" for each in percentiles[:3])),
        ("max, ms", f"{percentiles[3]:,.0f}"),
        ("conflated", f"{one.conflated:.1%}"),
        ("behind at the end", str(one.behind)),
        ("cut off: quick, slow", f"{one.cut}, {one.cut_slow}"),
        ("deliveries a CPU second", f"{one.deliveries:,.0f}"),
        ("KiB a connection", f"{one.kib_a_connection:.1f}"),
        ("CPU: server + clients", f"{one.cpu[0]:.0%} + {one.cpu[1]:.0%}"),
    ]


if __name__ == "__main__":
    main()

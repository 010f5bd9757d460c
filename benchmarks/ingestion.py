"""The HTTP door: events from a request to Kafka's acknowledgement, one a request and in batches, beside a plain door.

Run ``python -m benchmarks.ingestion`` (own Kafka, own ports; 10 minutes). The other door is what one writes first:
FastAPI, pydantic and aiokafka (benchmarks/baselines/fastapi_door.py), with neither bounds, keys, rates, bots, visitors
nor a spool. Each is one process. The load comes from oha on one core, which the broker and the door may use too. After
each load the topic must hold what was accepted, no event less and none more.
"""

import os
import socket
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import msgspec
from confluent_kafka import Producer
from rich.console import Console
from rich.table import Table

from benchmarks.contenders import FOLDER, python_with
from benchmarks.http_load import oha, post
from benchmarks.own_stack import java_as_in_production, own_stack
from benchmarks.running import cpu_seconds
from deploy.local.addresses import free_ports
from deploy.local.offsets import end_offsets
from deploy.local.processes import Child
from deploy.local.provision import create_topics
from tidemark.kafka import producer_config
from tidemark.settings import Settings
from tidemark.times import iso
from tidemark.topics import EVENTS

RUNS = 3
SECONDS = 8.0
WARM_UP_SECONDS = 2.0
START_SECONDS = 30.0
#: A broker's first minute is slow, and only the first door would have it.
BROKER_SECONDS, OUTSTANDING = 40.0, 256
OURS, PLAIN = "tidemark ingest", "FastAPI + aiokafka"


@dataclass(frozen=True)
class Load:
    """Requests of so many events over so many connections; ``rate`` a second, None: as fast as they are answered."""

    name: str
    events: int
    connections: int
    rate: int | None = None


SINGLE, BATCHES = Load("one event a request", 1, 256), Load("500 events a request", 500, 4)
STEADY = Load("one event a request, 1,000 a second", 1, 32, 1_000)
LOADS = (SINGLE, BATCHES, STEADY)


@dataclass(frozen=True)
class Measured:
    """One door under one load. ``events`` accepted a second; ``cpu`` µs an event, the server's; latencies in ms."""

    events: float
    refused: int
    cpu: float
    latencies: tuple[float, float, float]


def bodies(load: Load, folder: Path) -> Path:
    """Write what is sent: requests as lines, events without ids of their own, so that none is twice."""
    path = folder / f"{load.events}.ndjson"
    now = iso(time.time_ns() // 1_000_000)
    number = 10_000 // load.events
    with path.open("wb") as file:
        for request in range(number):
            events = [_event(request * load.events + index, now) for index in range(load.events)]
            file.write(msgspec.json.encode(events[0] if load.events == 1 else events) + b"\n")
    return path


def _event(number: int, now: str) -> dict[str, str | float]:
    return {
        "site_id": f"shop-{number % 3}",
        "event_type": "page_view",
        "timestamp": now,
        "user_id": f"user-{number * 7919 % 5_000}",
        "path": f"/products/{number % 50}",
        "title": f"Product {number % 50} of the shop",
        "referrer": "https://search.example/",
        "page_load_time": 120.5 + number % 400,
    }


def plain(port: int) -> list[str]:
    """Return the other door's command; what it needs is installed if it is not there."""
    return [python_with(FOLDER / "fastapi.txt", "installing FastAPI"), str(FOLDER / "fastapi_door.py"), str(port)]


@contextmanager
def door(name: str, settings: Settings, folder: Path) -> Iterator[Child]:
    """Run a door at the settings' port until the end of the block."""
    command = [sys.executable, "-m", "tidemark", "--json", "ingest"] if name == OURS else plain(settings.ingestion_port)
    own = {"KAFKA": settings.kafka_bootstrap_servers, "EVENTS": settings.topic(EVENTS.name)}
    child = Child(folder / "pid", folder / "log")
    child.spawn(command, settings.environment() | own)
    try:
        _wait_until_open(settings.ingestion_port, child)
        yield child
    finally:
        child.stop(20)


def measure(settings: Settings, name: str) -> dict[Load, Measured]:
    """Run one door with each load, on topics of its own."""
    settings = settings.model_copy(
        update={
            "topic_prefix": f"{uuid.uuid4().hex}.",
            "ingestion_port": free_ports(),
            "ingestion_rate_per_site": 0,
            "ingestion_rate_per_address": 0,
        }
    )
    create_topics(settings)
    found = {}
    with TemporaryDirectory() as place, door(name, settings, Path(place)) as child:
        for load in LOADS:
            found[load] = _measured(settings, load, bodies(load, Path(place)), child.pid)
    return found


def _measured(settings: Settings, load: Load, sent: Path, pid: int | None) -> Measured:
    url = f"http://127.0.0.1:{settings.ingestion_port}/{'event' if load.events == 1 else 'events'}"
    post(url, sent, WARM_UP_SECONDS, load.connections, load.rate)
    before, cpu = _in_kafka(settings), _cpu(pid)
    answered = post(url, sent, SECONDS, load.connections, load.rate)
    cpu = _cpu(pid) - cpu
    events = answered.accepted * load.events
    _check(events, _in_kafka(settings) - before)
    return Measured(answered.rate * load.events, answered.refused, cpu / events * 1e6, answered.latencies)


def warm_up(settings: Settings) -> None:
    """Have the broker compiled by Java: it gets many small requests, on topics of their own."""
    settings = settings.model_copy(update={"topic_prefix": f"{uuid.uuid4().hex}."})
    create_topics(settings)
    producer, topic = Producer(producer_config(settings, linger_ms=0)), settings.topic(EVENTS.name)
    end = time.monotonic() + BROKER_SECONDS
    while time.monotonic() < end:
        while len(producer) < OUTSTANDING:
            producer.produce(topic, b"warm-up", uuid.uuid4().bytes)
        producer.poll(0.001)
    producer.flush()


def _wait_until_open(port: int, child: Child) -> None:
    """Wait until the door answers anything."""
    deadline = time.monotonic() + START_SECONDS
    while not _answers(port):
        if not child.running() or time.monotonic() > deadline:
            raise RuntimeError(f"the door does not open:\n{child.last_lines()}")
        time.sleep(0.1)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


def _in_kafka(settings: Settings) -> int:
    return sum(end_offsets(settings, [EVENTS]).values())


def _check(accepted: int, kept: int) -> None:
    """Raise RuntimeError if the topic does not hold what was accepted: such a door is no faster, it is wrong."""
    if accepted != kept:
        raise RuntimeError(f"{accepted:,} events were accepted, the topic has {kept:,} more")


def _cpu(pid: int | None) -> float:
    """Return the CPU seconds of a process and all below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return cpu_seconds(pid) + sum(_cpu(int(child)) for child in children)


def verdicts(found: dict[str, list[dict[Load, Measured]]]) -> Table:
    """Return the targets, what was measured (median of the runs), and whether that is within them."""
    table = Table("target", "measured", "", title="targets")
    single, batches = (median(run[load].events for run in found[OURS]) for load in (SINGLE, BATCHES))
    p99 = median(run[STEADY].latencies[1] for run in found[OURS])
    times = [_times(found, load) for load in (SINGLE, BATCHES)]
    for target, measured, met in (
        ("one a request: ≥ 8,000 events/s", f"{single:,.0f}", single >= 8_000),
        ("batches: ≥ 60,000 events/s", f"{batches:,.0f}", batches >= 60_000),
        ("P99 ≤ 5 ms at 1,000 a second", f"{p99:.1f} ms", p99 <= 5),
        (f"one a request: ≥ 2 × {PLAIN}", f"{times[0]:.1f} ×", times[0] >= 2),
        (f"batches: ≥ 2 × {PLAIN}", f"{times[1]:.1f} ×", times[1] >= 2),
    ):
        table.add_row(target, measured, "met" if met else "MISSED")
    return table


def _times(found: dict[str, list[dict[Load, Measured]]], load: Load) -> float:
    ours, plain = (median(run[load].events for run in found[name]) for name in (OURS, PLAIN))
    return ours / plain


def main() -> None:
    """Measure both doors, in turn, and print what came out."""
    console = Console()
    found: dict[str, list[dict[Load, Measured]]] = {OURS: [], PLAIN: []}
    oha()
    plain(0)
    with java_as_in_production(), own_stack() as settings:
        warm_up(settings)
        for number in range(RUNS):
            for name, runs in found.items():
                runs.append(measure(settings, name))
                console.print(f"run {number + 1} of {RUNS}, {name}: done")
    for load in LOADS:
        table = Table("", *found, title=f"{load.name}, {load.connections} connections: min / median / max")
        for label, digits, figure in FIGURES:
            cells = (_spread([figure(run[load]) for run in runs], digits) for runs in found.values())
            table.add_row(label, *cells)
        console.print(table)
    console.print(verdicts(found))
    console.print(f"machine: {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")


FIGURES: tuple[tuple[str, int, Callable[[Measured], float]], ...] = (
    ("events/s", 0, lambda one: one.events),
    ("refused requests", 0, lambda one: one.refused),
    ("P50, ms", 1, lambda one: one.latencies[0]),
    ("P99, ms", 1, lambda one: one.latencies[1]),
    ("max, ms", 1, lambda one: one.latencies[2]),
    ("CPU µs an event", 1, lambda one: one.cpu),
)


def _spread(values: list[float], digits: int) -> str:
    return " / ".join(f"{each:,.{digits}f}" for each in (min(values), median(values), max(values)))


if __name__ == "__main__":
    main()

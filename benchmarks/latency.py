"""How long an event takes from its scheduled sending to a WebSocket client: early results, and finals.

Run ``python -m benchmarks.latency`` (own servers, own ports). At each rate the simulator sends the load, open loop.
This process sends page views of a site of its own, each by a new visitor, at fixed times; a client that is subscribed
to the site notes when the n-th page view of a window has been counted. The clock starts at the scheduled time, so what
is held up by a queue anywhere counts. Sender, client, broker and all parts share one machine and one clock.
"""

import argparse
import json
import os
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from confluent_kafka import Producer
from rich.console import Console
from rich.table import Table
from websockets.sync.client import ClientConnection, connect

from benchmarks.own_stack import java_as_in_production, own_stack
from deploy.local.addresses import free_ports
from deploy.local.processes import Child
from deploy.local.provision import create_bucket, create_topics
from tidemark.events import PAGE_VIEW, Event, PageViewData, encode_event
from tidemark.kafka import producer_config
from tidemark.settings import Settings
from tidemark.topics import EVENTS

RATES = "200,1000,10000"
SECONDS = 45.0
#: Seconds at the beginning that do not count: the parts start, the first windows are not whole.
WARM_UP_SECONDS = 15.0
#: The broker is warmed up first: by what it does at this rate, until Java has compiled it.
WARM_UP_RATE = 1_000
PROBES_PER_SECOND = 20
SITE = "probe"
WINDOW_MS = 5_000
STOP_SECONDS = 20.0
PERCENTILES = (50, 95, 99, 99.9)


Message = dict[str, Any]


class Probe:
    """The page views of the measured site: when each was due, by window, in order."""

    def __init__(self, settings: Settings) -> None:
        self._producer = Producer(producer_config(settings, linger_ms=0))
        self._topic = settings.topic(EVENTS.name)
        self.due: dict[int, list[int]] = {}

    def send_for(self, seconds: float) -> None:
        """Send one at each of its times (ns since the epoch), never later for what came before."""
        start = time.time_ns()
        for number in range(int(seconds * PROBES_PER_SECOND)):
            due = start + number * 1_000_000_000 // PROBES_PER_SECOND
            while (ahead := due - time.time_ns()) > 0:
                self._producer.poll(min(ahead / 1e9, 0.01))
            self._send(due)
        self._producer.flush()

    def _send(self, due: int) -> None:
        due_ms = due // 1_000_000
        visitor = uuid.uuid4().hex
        event = Event(
            event_id=str(uuid.uuid4()),
            timestamp=due_ms,
            event_type=PAGE_VIEW,
            session_id=visitor,
            site_id=SITE,
            page_view_data=PageViewData(url="/"),
        )
        self.due.setdefault(due_ms - due_ms % WINDOW_MS + WINDOW_MS, []).append(due)
        self._producer.produce(self._topic, encode_event(event), visitor.encode())


class Arrivals:
    """What the client was shown: when (ns) how many page views of a window were counted, and when it was final."""

    def __init__(self) -> None:
        self.counted: dict[int, list[tuple[int, int]]] = {}
        self.final: dict[int, int] = {}

    def listen(self, connection: ClientConnection) -> None:
        """Take messages until the connection is closed."""
        connection.send(json.dumps({"action": "subscribe", "site": SITE}))
        for raw in connection:
            now = time.time_ns()
            message: Message = json.loads(raw)
            if message["type"] == "metrics" and message["site"] == SITE:
                self._take(message, now)

    def _take(self, message: Message, now: int) -> None:
        ended = message.get("windows", {}).get("pageViewsPerSecond")
        if ended is not None and "pageViewsPerSecond" in message:
            self._count(ended["end"], message["pageViewsPerSecond"], now)
            if ended["final"]:
                self.final.setdefault(ended["end"], now)
        if "pageViewsPerSecond" in message.get("current", {}):
            timestamp = message["timestamp"]
            open_end = timestamp - timestamp % WINDOW_MS + WINDOW_MS
            self._count(open_end, message["current"]["pageViewsPerSecond"], now)

    def _count(self, end: int, per_second: float, now: int) -> None:
        self.counted.setdefault(end, []).append((round(per_second * WINDOW_MS / 1_000), now))


@dataclass(frozen=True)
class Latencies:
    """In ms; ``unseen``: page views that were due and never shown to the client as counted."""

    early: list[float]
    finals: list[float]
    unseen: int


def latencies(due: dict[int, list[int]], arrivals: Arrivals, since: int, lateness_ms: int) -> Latencies:
    """Match the n-th page view that was due in a window with the first message that counts n of it."""
    early: list[float] = []
    unseen = 0
    for end, times in due.items():
        counted = arrivals.counted.get(end, [])
        for number, time_due in enumerate(times, start=1):
            if time_due >= since:
                seen = [now for count, now in counted if count >= number]
                early += [(min(seen) - time_due) / 1e6] if seen else []
                unseen += not seen
    finals = [
        now / 1e6 - end - lateness_ms for end, now in arrivals.final.items() if (end - WINDOW_MS) * 1_000_000 >= since
    ]
    return Latencies(early, finals, unseen)


@contextmanager
def pipeline(settings: Settings, rate: int, folder: Path) -> Iterator[None]:
    """Run a streams worker, a gateway and the load until the end of the block."""
    commands = {
        "streams": ["streams", "run"],
        "gateway": ["gateway"],
        "simulator": ["simulate", "--rate", str(rate), "--users", str(max(10_000, 20 * rate)), "--sites", "3"],
    }
    with ExitStack() as running:
        for name, command in commands.items():
            child = Child(folder / f"{name}.pid", folder / f"{name}.log")
            child.spawn([sys.executable, "-m", "tidemark", "--json", *command], settings.environment())
            running.callback(child.stop, STOP_SECONDS)
        yield


def measure(settings: Settings, rate: int, seconds: float) -> Latencies:
    """Run the pipeline at a rate on topics of its own; return the latencies after the warm-up."""
    settings = settings.model_copy(update={"topic_prefix": f"{uuid.uuid4().hex}.", "gateway_port": free_ports()})
    create_topics(settings)
    with TemporaryDirectory() as folder, pipeline(settings, rate, Path(folder)):
        probe, arrivals = Probe(settings), Arrivals()
        with connected(f"ws://{settings.gateway_host}:{settings.gateway_port}") as client:
            listening = threading.Thread(target=arrivals.listen, args=(client,))
            listening.start()
            since = time.time_ns() + int(WARM_UP_SECONDS * 1e9)
            probe.send_for(WARM_UP_SECONDS + seconds)
            time.sleep((settings.lateness_ms + 2 * WINDOW_MS) / 1_000)  # the last windows become final
        listening.join()
        return latencies(probe.due, arrivals, since, settings.lateness_ms)


@contextmanager
def connected(url: str) -> Iterator[ClientConnection]:
    """Connect to the gateway as soon as it listens."""
    deadline = time.monotonic() + 30
    while True:
        try:
            client = connect(url, proxy=None, compression=None)
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    with client:
        yield client


def main() -> None:
    """Measure at each rate and print the percentiles."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency")
    parser.add_argument("--rates", default=RATES, help="events/s, one after the other (%(default)s)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="that count at each rate (%(default)s)")
    options = parser.parse_args()
    table = Table("events/s", "what", "measured", *(f"P{each:g}" for each in PERCENTILES), "max", title="latency, ms")
    with java_as_in_production(), own_stack() as settings:
        create_bucket(settings)
        measure(settings, WARM_UP_RATE, WARM_UP_SECONDS)
        for rate in map(int, options.rates.split(",")):
            found = measure(settings, rate, options.seconds)
            rows = {"early: due → client": found.early, "final: end + lateness → client": found.finals}
            for name, values in rows.items():
                shown = np.percentile(values, [*PERCENTILES, 100])
                table.add_row(f"{rate:,}", name, f"{len(values):,}", *(f"{value:.0f}" for value in shown))
            if found.unseen:
                table.add_row(f"{rate:,}", "never shown as counted", str(found.unseen))
    console = Console()
    console.print(table)
    console.print(f"machine: {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()

"""Bytes on disk: of an event and of what is made of it in Kafka, of a checkpoint, and of a point in InfluxDB.

Run ``python -m benchmarks.footprint``: it starts its own servers. Live loads show what each topic takes a second; a
load of the past what an event takes in full batches, and what its results take in InfluxDB once they are compacted.
Bytes are counted, not time; but a worker that cannot keep up, on a busy machine, sends fewer early results.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.contenders import OURS, contenders, group
from benchmarks.filling import end_with_ticks, mean_bytes
from benchmarks.own_stack import own_stack
from benchmarks.progress import Progress
from benchmarks.running import started
from deploy.local.addresses import free_ports
from deploy.local.offsets import end_offsets
from deploy.local.provision import create_bucket, create_topics
from sinks.app import open_influxdb
from sinks.batch import Point, Record, Rejected
from sinks.decode import result_decoder
from sinks.influxdb import PointWriter
from streams.inspection import inspect
from streams.log_reader import LogReader, places_of
from tests.support import wait
from tidemark.settings import Settings
from tidemark.topics import ALERTS, CHECKPOINTS, EVENTS, METRICS, PARTIALS, SESSIONS, Topic

#: Events a second, sites.
LIVE = ((200, 1), (200, 100), (2_000, 1))
LIVE_SECONDS = 40
#: Two and three quarter hours at 20 events a second.
PAST_EVENTS = 200_000
PAST_RATE = 20
#: InfluxDB writes its files, and compacts them, once nothing has come for so long; otherwise after minutes and hours.
SETTINGS = {
    "INFLUXDB_DATA_CACHE_SNAPSHOT_WRITE_COLD_DURATION": "1s",
    "INFLUXDB_DATA_COMPACT_FULL_WRITE_COLD_DURATION": "2s",
}
STEADY_SECONDS = 8.0
TOPICS = (EVENTS, PARTIALS, METRICS, SESSIONS, ALERTS, CHECKPOINTS)
DEADLINE_SECONDS = 600.0

console = Console(highlight=False, width=120)


class Size(NamedTuple):
    """What a topic holds; a transaction's markers are records too."""

    records: int
    bytes: int


def sizes(settings: Settings) -> dict[str, Size]:
    """Return what each topic has on disk, one copy of it, without Kafka's indexes."""
    logs = settings.data_dir / "data" / "kafka-1" / "broker-1"
    ends = end_offsets(settings, TOPICS)
    return {
        topic.name: Size(
            sum(end for (name, _), end in ends.items() if name == topic.name),
            sum(file.stat().st_size for file in logs.glob(f"{settings.topic(topic.name)}-*/*.log")),
        )
        for topic in TOPICS
    }


def simulate(settings: Settings, *options: str) -> None:
    """Send events and wait for the end."""
    command = [sys.executable, "-m", "tidemark", "--json", "simulate", *options]
    subprocess.run(command, env=settings.environment(), check=True, capture_output=True)


@contextmanager
def worker(settings: Settings) -> Iterator[None]:
    """Run a worker; at the end it has dealt with all that was in the log then, and stopped."""
    ours = contenders()[OURS]
    with started(ours.command(), settings, free_ports()):
        progress = Progress(settings, group(ours, settings))
        wait.until(progress.has_partitions, DEADLINE_SECONDS)
        progress.close()
        yield
        progress = Progress(settings, group(ours, settings))
        wait.until(progress.is_done, DEADLINE_SECONDS)
        progress.close()


def live(settings: Settings, rate: int, sites: int) -> None:
    """Measure a load that comes as it happens, with early results and a record for each event."""
    settings = settings.model_copy(update={"topic_prefix": f"live{rate}x{sites}."})
    create_topics(settings)
    with worker(settings):
        simulate(settings, "--rate", str(rate), "--sites", str(sites), "--duration", str(LIVE_SECONDS))
    table = Table("topic", "records/s", "bytes/s", "bytes a record", title=f"{rate:,} events/s live, sites: {sites}")
    for name, size in sizes(settings).items():
        each = f"{size.bytes / size.records:,.0f}" if size.records else ""
        table.add_row(name, f"{size.records / LIVE_SECONDS:,.1f}", f"{size.bytes / LIVE_SECONDS:,.0f}", each)
    console.print(table)


def past(settings: Settings) -> None:
    """Measure a load of the past: events in full batches, finals and no early results."""
    settings = settings.model_copy(update={"topic_prefix": "past."})
    create_topics(settings)
    simulate(settings, "--max-speed", "--rate", str(PAST_RATE), "--count", str(PAST_EVENTS))
    events = sizes(settings)[EVENTS.name]
    console.print(
        f"{events.records:,} events of the past: {mean_bytes(settings):,.0f} bytes each as JSON, "
        f"{events.bytes / events.records:,.0f} in the log (snappy, full batches)"
    )
    with worker(settings):
        pass
    print_state(settings)
    end_with_ticks(settings)
    with worker(settings):
        pass
    print_points(settings)


def print_state(settings: Settings) -> None:
    """Print what the checkpoints hold while visits are open."""
    reports = inspect(settings)
    held = sum(report.checkpoint_bytes for report in reports)
    visits = sum(report.open_visits or 0 for report in reports)
    ids = sum(report.remembered_ids or 0 for report in reports)
    console.print(f"checkpoints: {held:,} bytes with {visits:,} open visits and {ids:,} remembered ids")


def print_points(settings: Settings) -> None:
    """Write the results to InfluxDB, each topic's into a bucket of its own, and print what they take there."""
    table = Table("points of", "points", "bytes a point", "index, bytes", title="InfluxDB 1.8, compacted")
    for topic in (METRICS, SESSIONS, ALERTS):
        bucket = settings.model_copy(update={"influxdb_bucket": topic.name})
        points = write_points(bucket, topic)
        data, index = stored_bytes(bucket)
        table.add_row(topic.name, f"{points:,}", f"{data / points:,.1f}", f"{index:,}")
    console.print(table, f"{PAST_EVENTS / PAST_RATE:,.0f} s of one site")


def write_points(settings: Settings, topic: Topic) -> int:
    """Write a topic's results as the sink does; return how many points they are."""
    create_bucket(settings)
    decode, reader = result_decoder(settings), LogReader(settings)
    points: list[Point] = []
    for message in reader.read(places_of(settings, topic)):
        record = Record(
            str(message.topic()), message.partition() or 0, message.offset() or 0, b"", message.value() or b""
        )
        lines = decode(record)
        assert not isinstance(lines, Rejected), lines
        points += [Point(line, record) for line in lines]
    reader.close()
    with open_influxdb(settings) as client:
        assert not PointWriter(client, settings.influxdb_bucket).write(points)
    return len(points)


def stored_bytes(settings: Settings) -> tuple[int, int]:
    """Wait until a bucket is compacted; return the bytes on disk of its points, and of its indexes of series."""
    influxdb = settings.data_dir / "data" / "influxdb"
    folder, waiting = influxdb / "data" / settings.influxdb_bucket, influxdb / "wal" / settings.influxdb_bucket
    wait.until(lambda: not on_disk(waiting.rglob("*.wal")), DEADLINE_SECONDS)
    before, since = -1, time.monotonic()
    while time.monotonic() - since < STEADY_SECONDS:
        points = on_disk(folder.rglob("*.tsm"))
        if points != before:
            before, since = points, time.monotonic()
        time.sleep(0.2)
    return before, on_disk(file for file in folder.rglob("*") if file.suffix != ".tsm")


def on_disk(files: Iterator[Path]) -> int:
    """Return what files take: InfluxDB's are longer than what is in them."""
    total = 0
    for file in files:
        with suppress(FileNotFoundError):  # compacted meanwhile
            found = file.stat()
            total += min(found.st_size, found.st_blocks * 512) if S_ISREG(found.st_mode) else 0
    return total


def main() -> None:
    """Measure and print."""
    os.environ.update(SETTINGS)
    with own_stack() as settings:
        for rate, sites in LIVE:
            live(settings, rate, sites)
        past(settings)


if __name__ == "__main__":
    main()

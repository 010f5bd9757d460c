"""Points a second into a real InfluxDB: the sink's lines and batches against influxdb-client's Points and WriteApi.

Run ``python -m benchmarks.influxdb``: it starts its own InfluxDB on a free loopback port and throws it away. Both ways
get the same decoded results, batches of one size and a new bucket a run; every run's points are counted in InfluxDB.
"""

import json
import statistics
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write.point import Point as ClientPoint
from influxdb_client.client.write_api import WriteOptions
from rich.console import Console
from rich.table import Table

from benchmarks.own_stack import own_stack
from deploy.local.provision import create_bucket
from sinks.app import open_influxdb
from sinks.background import BackgroundWriter
from sinks.batch import BATCH_POINTS, Batch, Record
from sinks.consumer import READ_RECORDS
from sinks.influxdb import PointWriter
from sinks.lines import NS_PER_MS, metric_lines
from tidemark.results import ACTIVE_USERS, TUMBLING_5S, MetricUpdate
from tidemark.settings import Settings

POINTS = 300_000
RUNS = 3
SITES = 100

Way = Callable[[InfluxDBClient, str, list[MetricUpdate]], None]


def as_the_sink_does(client: InfluxDBClient, bucket: str, results: list[MetricUpdate]) -> None:
    """Gather lines in a batch, looked at after each read, and write batches while the next is gathered."""
    record = Record("processed-metrics", 0, 0, None, b"")
    writer, batch = BackgroundWriter(PointWriter(client, bucket).write), Batch()
    for start in range(0, len(results), READ_RECORDS):
        for result in results[start : start + READ_RECORDS]:
            batch.add(record, metric_lines(result), time.monotonic())
        while writer.done() or (writer.is_busy() and batch.full(time.monotonic())):
            writer.finish(batch)
        if batch.full(time.monotonic()):
            writer.begin(batch)
    writer.begin(batch)
    while writer.is_at_work():
        writer.finish(batch)
    writer.close()


def as_the_client_does(client: InfluxDBClient, bucket: str, results: list[MetricUpdate]) -> None:
    """Write Points through the batching API; closing it waits for the last batch."""
    with client.write_api(write_options=WriteOptions(batch_size=BATCH_POINTS, flush_interval=1_000)) as write_api:
        for result in results:
            point: Any = ClientPoint(result.metric)  # type: ignore[no-untyped-call]
            point.tag("site", result.site_id).tag("metric", "real_time").field("value", result.value).field(
                "count", result.count
            )
            write_api.write(bucket, record=point.time(result.window_end * NS_PER_MS))


def results_of_today() -> list[MetricUpdate]:
    """Return finals of distinct windows and sites, the newest ending now."""
    now = int(time.time()) // 5 * 5_000
    ends = [now - 5_000 * (number // SITES) for number in range(POINTS)]
    return [
        MetricUpdate(
            site_id=f"site-{number % SITES}",
            metric=ACTIVE_USERS,
            window_type=TUMBLING_5S,
            window_start=end - 5_000,
            window_end=end,
            value=float(number % 977),
            count=number % 977,
            final=True,
            revision=number,
            emitted_at=end,
        )
        for number, end in enumerate(ends)
    ]


def measure(settings: Settings, way: Way, bucket: str, results: list[MetricUpdate]) -> float:
    """Return points a second. Raises RuntimeError when InfluxDB does not hold every one of them afterwards."""
    settings = settings.model_copy(update={"influxdb_bucket": bucket})
    create_bucket(settings)
    with open_influxdb(settings) as client:
        began = time.perf_counter()
        way(client, bucket, results)
        seconds = time.perf_counter() - began
    held = stored(settings)
    if held != len(results):
        raise RuntimeError(f"{bucket}: {len(results)} points written, InfluxDB holds {held}")
    return len(results) / seconds


def stored(settings: Settings) -> int:
    """Count the points in the bucket."""
    query = urlencode({"db": settings.influxdb_bucket, "q": f'SELECT count("value") FROM "{ACTIVE_USERS}"'})
    with urlopen(f"{settings.influxdb_url}/query?{query}", timeout=60) as reply:
        return int(json.load(reply)["results"][0]["series"][0]["values"][0][1])


def main() -> None:
    """Print each way's slowest, median and fastest run, and the ratio of the medians."""
    results = results_of_today()
    ways: dict[str, Way] = {"lines, as the sink": as_the_sink_does, "Point, WriteApi": as_the_client_does}
    rates: dict[str, list[float]] = {name: [] for name in ways}
    with own_stack() as settings:
        for run in range(RUNS):
            for number, (name, way) in enumerate(ways.items()):
                rates[name].append(measure(settings, way, f"way{number}-run{run}", results))
    table = Table("way", "min", "median", "max", title=f"points/s into InfluxDB, {RUNS} runs of {POINTS:,}, none lost")
    for name, found in rates.items():
        table.add_row(name, *(f"{rate:,.0f}" for rate in (min(found), statistics.median(found), max(found))))
    Console().print(table)
    ours, theirs = (statistics.median(found) for found in rates.values())
    Console().print(f"ratio of the medians: {ours / theirs:.1f}")


if __name__ == "__main__":
    main()

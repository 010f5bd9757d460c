"""What ``tidemark streams inspect`` tells of a worker's states is what their logs and checkpoints say."""

import json
import subprocess
import sys
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from deploy.local.addresses import free_ports
from streams.app import GROUP
from streams.inspection import PartitionReport, inspect
from streams.inspection_table import tables
from streams.log_reader import LogReader
from streams.windows import PANE_MS, partials
from streams.windows.exact import floor_to
from tests.conftest import provisioned
from tests.streams.test_workers import RUN, fill, ticked_partitions
from tests.support import wait
from tests.support.kafka_log import LogRecord, read_log, wait_for_lag_zero
from tests.support.parts import running
from tests.support.reference import LogRecord as Judgeable
from tests.support.reference import judge
from tests.support.reference_events import pane_end
from tests.support.reference_visits import over_at, split_visits
from tidemark.settings import Settings
from tidemark.topics import CHECKPOINTS, EVENTS, PARTIALS

DUPLICATE_MS = 10 * 60_000


@pytest.fixture(scope="module")
def stopped(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Topics with a log of just now, its visits still open, and the checkpoints of a worker that has stopped."""
    settings = provisioned(stack).model_copy(update={"checkpoint_interval_ms": 500})
    fill(settings, "--rate", "300", "--duration", "4", "--disorder-ms", "1500")
    with running(settings, tmp_path_factory.mktemp("inspect") / "streams.log", *RUN) as worker:
        wait.until(lambda: ticked_partitions(settings) == EVENTS.partitions, 30.0, lambda: worker.log)
        wait_for_lag_zero(settings, GROUP, [EVENTS, PARTIALS])
        assert worker.stop() == 0, worker.log
    return settings


def command(settings: Settings, *options: str) -> "subprocess.CompletedProcess[str]":
    environment = settings.environment() | {"PYTHONPATH": ":".join(sys.path)}
    whole = [sys.executable, "-m", "tidemark", "streams", "inspect", *options]
    return subprocess.run(whole, env=environment, capture_output=True, text=True, timeout=60, check=False)


def reports_of(settings: Settings) -> list[dict[str, Any]]:
    done = command(settings, "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def by_partition(records: list[LogRecord]) -> dict[int, list[LogRecord]]:
    found: dict[int, list[LogRecord]] = {}
    for record in records:
        found.setdefault(record.partition, []).append(record)
    return found


def test_what_is_told_of_the_source_partitions_is_what_the_reference_finds(stopped: Settings) -> None:
    log = by_partition(read_log(stopped, EVENTS))
    reports = reports_of(stopped)[: EVENTS.partitions]
    assert [(report["topic"], report["partition"]) for report in reports] == [(EVENTS.name, p) for p in range(12)]
    for report in reports:
        records = [
            Judgeable(each.partition, each.offset, each.append_time, each.value, each.tick)
            for each in log[report["partition"]]
        ]
        assert report["logStart"] == 0
        assert report["logEnd"] == len(records)
        assert report["lag"] == report["logEnd"] - report["offset"]
        assert 0 <= report["committed"] <= report["offset"]
        judged = judge(records[: report["offset"]], stopped.lateness_ms)
        watermark = judged.progress[-1][1]
        applied = [event for event in judged.accepted if pane_end(event.time) <= watermark]
        assert report["watermark"] == watermark
        assert 0 < report["behindSeconds"] < 600
        assert report["rememberedIds"] == sum(pane_end(e.time) + DUPLICATE_MS > watermark for e in judged.accepted)
        assert report["openVisits"] == sum(over_at(visit) > watermark for visit in split_visits(applied))
        assert report["openWindows"] == len({pane_end(e.time) for e in judged.accepted if pane_end(e.time) > watermark})
    assert sum(report["openVisits"] for report in reports) > 100
    assert sum(report["rememberedIds"] for report in reports) > 1_000


def test_what_is_told_of_the_merge_is_what_it_was_told(stopped: Settings) -> None:
    log = by_partition(read_log(stopped, PARTIALS))
    reports = reports_of(stopped)[EVENTS.partitions :]
    assert [(report["topic"], report["partition"]) for report in reports] == [(PARTIALS.name, p) for p in range(6)]
    for report in reports:
        told: dict[int, int] = {}
        windows = set()
        for record in log[report["partition"]]:
            if record.offset < report["offset"]:
                message = partials.decode(record.value or b"")
                if isinstance(message, partials.Marker):
                    told[message.partition] = max(time for time, _ in message.progress)
                else:
                    windows |= {("pane", part.end) for part in message.panes}
                    windows |= {("sliding", part.end) for part in message.sliding}
        watermark = min(told.values())
        assert len(told) == EVENTS.partitions
        assert report["watermark"] == watermark
        assert report["openWindows"] == sum(end > floor_to(watermark, PANE_MS) for _, end in windows)
        assert report["lag"] == report["logEnd"] - report["offset"] >= 0
        assert report["openVisits"] is report["rememberedIds"] is None


def test_the_size_and_age_of_a_checkpoint_are_its_entries(stopped: Settings) -> None:
    log = by_partition(read_log(stopped, CHECKPOINTS))
    for number, report in enumerate(reports_of(stopped)):
        entries = {record.key: record.value for record in log[number]}
        left = {key[2:]: value for key, value in entries.items() if key is not None and value is not None}
        assert report["checkpointEntries"] == len(left) > 0
        assert report["checkpointBytes"] == sum(len(key) + len(value) for key, value in left.items())
        assert 0 < report["checkpointAgeSeconds"] < 600


def test_looking_writes_nothing(stopped: Settings) -> None:
    reader = LogReader(stopped)
    places = [(stopped.topic(CHECKPOINTS.name), partition) for partition in range(CHECKPOINTS.partitions)]
    before = reader.bounds(places)
    inspect(stopped)
    assert reader.bounds(places) == before
    reader.close()


def test_a_checkpoint_that_a_worker_would_refuse_is_shown_so(stopped: Settings) -> None:
    reports = inspect(stopped.model_copy(update={"lateness_ms": 3_000}))
    for report in reports[: EVENTS.partitions]:
        assert report.problem is not None
        assert "made with lateness_ms 2000, this worker has lateness_ms 3000" in report.problem
        assert report.offset is None
        assert report.checkpoint_entries > 0
    assert list(tables(reports, 200))[1] == f"refused: {reports[0].problem}"
    assert [report.problem for report in reports[EVENTS.partitions :]] == [None] * PARTIALS.partitions


def test_partitions_without_a_checkpoint_are_shown_so(settings: Settings) -> None:
    expected = [
        PartitionReport(topic=topic.name, partition=partition, log_start=0, log_end=0, committed=None)
        for topic in (EVENTS, PARTIALS)
        for partition in range(topic.partitions)
    ]
    assert inspect(settings) == expected
    shown = command(settings)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.count("no checkpoint") == len(expected)


def test_tables_have_a_row_for_each_partition(stopped: Settings) -> None:
    rows = [line.split() for line in command(stopped).stdout.splitlines()]
    assert rows[0] == [EVENTS.name]
    assert rows[EVENTS.partitions + 2] == [PARTIALS.name]
    for report, row in zip(inspect(stopped), rows[2:14] + rows[16:], strict=True):
        assert row[:2] == [str(report.partition), f"{report.log_end:,}"]
        assert row[3:5] == [f"{report.offset:,}", f"{report.lag:,}"]


def test_a_narrow_terminal_gets_whole_numbers() -> None:
    report = PartitionReport(
        topic=EVENTS.name, partition=11, log_start=0, log_end=12_345_678, committed=12_345_678, offset=12_345_678,
        lag=120_000, watermark=0, behind_seconds=1_234.5, open_windows=3, open_visits=123_456,
        remembered_ids=1_234_567, checkpoint_age_seconds=10.0, checkpoint_bytes=123_456_789, checkpoint_entries=654_321,
    )  # fmt: skip
    console = Console(width=104, record=True, file=StringIO())
    for table in tables([report], console.width):
        console.print(table)
    row = console.export_text().splitlines()[2].split()
    assert row[:5] == ["11", "12,345,678", "12,345,678", "12,345,678", "120,000"]
    assert row[5:] == ["1,234.5", "s", "3", "123,456", "1,234,567", "10.0", "s", "123", "MB", "654,321"]


def test_a_broker_that_is_away_is_told_in_a_line(stack: Settings) -> None:
    away = f"127.0.0.1:{free_ports()}"
    done = command(stack.model_copy(update={"kafka_bootstrap_servers": away}))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"tidemark streams inspect: the broker at {away} does not answer"


def test_topics_that_are_missing_are_told_in_a_line(stack: Settings) -> None:
    done = command(stack.model_copy(update={"topic_prefix": "nowhere."}))
    assert done.returncode == 1
    assert "tidemark streams inspect: a topic is missing on the broker at" in done.stderr

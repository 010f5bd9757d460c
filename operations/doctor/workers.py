"""Looks at the workers' checkpoints and watermarks, as ``tidemark streams inspect`` tells them, and at the alerts'."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence

import msgspec
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._metadata import ClusterMetadata
from msgspec import Struct

from operations.doctor.findings import Finding, ok, problem, warning
from operations.doctor.offsets import newest_ms, places
from tidemark.settings import Settings
from tidemark.topics import ALERT_CHECKPOINTS, CHECKPOINTS, EVENTS, METRICS, PARTIALS

INSPECT = "tidemark streams inspect"
INSPECT_SECONDS = 15.0
#: As in monitoring/prometheus/rules/alerts.yml. A checkpoint's watermark is as old as the checkpoint.
WATERMARK_SECONDS = 30.0
CHECKPOINT_SECONDS = 60.0


class Partition(Struct, rename="camel"):
    """What is needed of a line of ``tidemark streams inspect --json``; ages in seconds, None where there is none."""

    topic: str
    partition: int
    behind_seconds: float | None
    checkpoint_age_seconds: float | None
    problem: str | None


def workers(settings: Settings, cluster: ClusterMetadata) -> Iterator[Finding]:
    """Yield how old the checkpoints are, and how far the watermarks are behind the clock."""
    for topic in (EVENTS, PARTIALS, CHECKPOINTS):
        there = cluster.topics.get(name := settings.topic(topic.name))
        if there is None or len(there.partitions) != settings.partitions(topic):
            yield warning(
                "checkpoints",
                f"not looked at: {name} is missing or another",
                "put the topic right first, then: tidemark doctor",
            )
            return
    command = [sys.executable, "-m", "tidemark", "streams", "inspect", "--json"]
    environment = os.environ | settings.environment()
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=INSPECT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        yield warning("checkpoints", f"not read within {INSPECT_SECONDS:.0f} s: they are large, or busy", INSPECT)
        return
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it has said nothing"])[-1]
        yield problem("checkpoints", f"cannot be read: {last.removeprefix(f'{INSPECT}: ')}", INSPECT)
        return
    partitions = [msgspec.json.decode(line, type=Partition) for line in done.stdout.splitlines()]
    yield checkpoints(partitions)
    yield watermarks(partitions, WATERMARK_SECONDS + settings.checkpoint_interval_ms / 1_000)


def alerts(admin: AdminClient, settings: Settings, cluster: ClusterMetadata, now_ms: int) -> Iterator[Finding]:
    """Yield how old the last checkpoint of the alerts about sites is. Raises KafkaException.

    Where no results come there is nothing to write down, and it may be older.
    """
    check, start = "checkpoints, alerts", "tidemark alerts run"
    written = newest_ms(admin, places(settings, cluster, ALERT_CHECKPOINTS))
    results = newest_ms(admin, places(settings, cluster, METRICS))
    if written is None:
        yield warning(check, "there is none yet: nobody has judged results by the rules for sites", start)
    elif results is not None and (results - written) / 1_000 > CHECKPOINT_SECONDS:
        found = f"the last is {(results - written) / 1_000:,.0f} s older than the newest result"
        yield warning(check, found, f"{start}; if it runs, its log")
    else:
        yield ok(check, f"the last is of {max(0, now_ms - written) / 1_000:,.1f} s ago, no result is much newer")


def checkpoints(partitions: Sequence[Partition]) -> Finding:
    """Return how old the oldest state's last checkpoint is, and whether a worker would take it."""
    if refused := [each for each in partitions if each.problem is not None]:
        found = f"{len(refused)} would be refused by a worker with these settings: {refused[0].problem}"
        return problem("checkpoints", found, f"put the setting back, or cut over to new topics; {INSPECT}")
    ages = [
        (each.checkpoint_age_seconds, f"{each.topic}-{each.partition}")
        for each in partitions
        if each.checkpoint_age_seconds is not None
    ]
    if not ages:
        return warning("checkpoints", "there are none yet", "tidemark streams run")
    oldest, where = max(ages)
    found = f"{len(ages)} of {len(partitions)} states have one, the oldest of {oldest:,.1f} s ago"
    if oldest > CHECKPOINT_SECONDS:
        return warning("checkpoints", f"{found} ({where})", f"docs/runbooks/checkpoint-too-old.md: {INSPECT}")
    return ok("checkpoints", found)


def watermarks(partitions: Sequence[Partition], most_seconds: float) -> Finding:
    """Return how far the slowest watermark was behind the clock; more than ``most_seconds`` is a problem."""
    source = [each for each in partitions if each.topic == EVENTS.name]
    known = [(each.behind_seconds, each.partition) for each in source if each.behind_seconds is not None]
    if len(known) < len(source):
        return warning("watermarks", f"known of {len(known)} of {len(source)} partitions", "tidemark streams run")
    slowest, partition = max(known)
    found = f"the slowest partition's, {partition}, is {slowest:,.1f} s behind the clock at its checkpoint"
    if slowest > most_seconds:
        return problem("watermarks", found, f"docs/runbooks/watermark-stuck.md: {INSPECT}")
    return ok("watermarks", found)

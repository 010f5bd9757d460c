"""What a run of the pipeline has brought about: counted from the topics' records since its start."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from confluent_kafka import Consumer, KafkaError, TopicPartition

from deploy.local.offsets import Offsets
from deploy.local.restarts import PartState
from tidemark.kafka import client_config
from tidemark.results import decode_dead_letter, decode_metric
from tidemark.settings import Settings
from tidemark.topics import ALERTS, DEAD_LETTERS, METRICS, SESSIONS

RESULTS = (METRICS, SESSIONS, ALERTS, DEAD_LETTERS)


class Manifest(msgspec.Struct, rename="camel"):
    """What the simulator tells of one of its runs; times in ms."""

    records_acknowledged: int
    started_at: int
    ended_at: int | None = None


@dataclass
class Summary:
    """Records by kind since the start of the run, and what the simulator has sent (``seconds``: for how long)."""

    events: int = 0
    seconds: float = 0
    finals: int = 0
    early: int = 0
    visits: int = 0
    alerts: int = 0
    dead: Counter[str] = field(default_factory=Counter)

    def lines(self, states: list[PartState]) -> list[str]:
        """Return the summary for people."""
        dead = ", ".join(f"{reason} {count}" for reason, count in sorted(self.dead.items()))
        restarts = ", ".join(f"{state.name} {state.restarts}" for state in states)
        rate = self.events / self.seconds if self.seconds else 0
        return [
            f"events sent      {self.events:,} ({rate:,.0f}/s)",
            f"results          {self.finals:,} final, {self.early:,} early",
            f"visits           {self.visits:,}",
            f"alerts           {self.alerts:,}",
            f"dead letters     {self.dead.total():,}" + (f" ({dead})" if dead else ""),
            f"restarts         {restarts}",
        ]


def summarize(settings: Settings, since: Offsets, manifests: list[Path]) -> Summary:
    """Count the results from those offsets to the present end, and what the simulator's manifests say was sent."""
    summary = Summary()
    for manifest in manifests:
        _count_sent(summary, msgspec.json.decode(manifest.read_bytes(), type=Manifest))
    for name, value in _records(settings, since):
        _count(summary, name, value)
    return summary


def _count_sent(summary: Summary, manifest: Manifest) -> None:
    summary.events += manifest.records_acknowledged
    if manifest.ended_at is not None:
        summary.seconds += (manifest.ended_at - manifest.started_at) / 1_000


def _records(settings: Settings, since: Offsets) -> Iterator[tuple[str, bytes]]:
    """Yield each record's topic (without prefix) and value, up to the present end of each partition."""
    consumer = _consumer(settings)
    try:
        consumer.assign([TopicPartition(settings.topic(name), number, at) for (name, number), at in since.items()])
        open_partitions = len(since)
        while open_partitions:
            for message in consumer.consume(5_000, 0.2):
                error, value = message.error(), message.value()
                if error is None and value is not None:
                    yield str(message.topic()).removeprefix(settings.topic_prefix), value
                elif error is not None and error.code() == KafkaError._PARTITION_EOF:
                    open_partitions -= 1
    finally:
        consumer.close()


def _count(summary: Summary, topic: str, value: bytes) -> None:
    if topic == METRICS.name:
        final = decode_metric(value).final
        summary.finals += final
        summary.early += not final
    elif topic == SESSIONS.name:
        summary.visits += 1
    elif topic == ALERTS.name:
        summary.alerts += 1
    else:
        summary.dead[decode_dead_letter(value).reason] += 1


def _consumer(settings: Settings) -> Consumer:
    return Consumer(
        {**client_config(settings), "group.id": settings.topic("summary"), "enable.auto.commit": False}
        | {"enable.partition.eof": True, "auto.offset.reset": "earliest"}
    )

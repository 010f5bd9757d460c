"""When results came, as processed-metrics tells: between early results of a window, and from its end to its finals."""

from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from streams.log_reader import LogReader
from tidemark.kafka import client_config
from tidemark.results import PAGE_VIEWS_PER_SECOND, POPULAR_CONTENT, decode_metric
from tidemark.settings import Settings
from tidemark.topics import METRICS

#: One metric of each window length whose value changes with nearly every event.
EARLY = (PAGE_VIEWS_PER_SECOND, POPULAR_CONTENT)


@dataclass(frozen=True)
class Timeliness:
    """Of one run: ``intervals`` (s) between early results of a site's window by metric, ``finals`` (s) by append time.

    ``finals`` are counted from the window's end and the lateness on; below 0 there is none.
    """

    intervals: dict[str, list[float]]
    finals: list[float]


def keep_with_append_times(settings: Settings) -> None:
    """Have the broker keep every result, early ones too, with the time it appended it."""
    topic = ConfigResource(
        ResourceType.TOPIC,
        settings.topic(METRICS.name),
        incremental_configs=[
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
            for name, value in (("message.timestamp.type", "LogAppendTime"), ("cleanup.policy", "delete"))
        ],
    )
    admin = AdminClient(client_config(settings))  # the answers come only while there is a reference to it
    for done in admin.incremental_alter_configs([topic]).values():
        done.result()


def read_timeliness(settings: Settings, since_ms: int, until_ms: int) -> Timeliness:
    """Read all results; what counts is appended (early) and ends (finals) in this time: ms, exclusive its end."""
    reader = LogReader(settings)
    intervals: dict[str, list[float]] = {metric: [] for metric in EARLY}
    finals: list[float] = []
    last: dict[tuple[str, str, int], int] = {}
    places = [(settings.topic(METRICS.name), partition) for partition in range(METRICS.partitions)]
    for message in reader.read(places):
        update, (_, now) = decode_metric(message.value() or b""), message.timestamp()
        if update.final:
            if since_ms <= update.window_end < until_ms:
                finals.append((now - update.window_end - settings.lateness_ms) / 1_000)
        elif update.metric in EARLY:
            window = (update.site_id, update.metric, update.window_end)
            before = last.get(window)
            last[window] = now
            if before is not None and since_ms <= now < until_ms:
                intervals[update.metric].append((now - before) / 1_000)
    reader.close()
    return Timeliness(intervals, finals)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that so many percent do not exceed; not a number for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else float("nan")

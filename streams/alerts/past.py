"""What rules would have found in the finals that ``processed-metrics`` still holds; only reads."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from streams.alerts.detector import Detector
from streams.alerts.rule import Rule
from streams.log_reader import LogReader
from tidemark.results import Alert, decode_metric
from tidemark.topics import METRICS


@dataclass
class Found:
    """The alerts in the order of their times, and what was read: ``finals`` from ``first`` to ``last`` (ends, ms)."""

    alerts: list[Alert] = field(default_factory=list)
    finals: int = 0
    first: int | None = None
    last: int | None = None


def find(reader: LogReader, topic: str, rules: Sequence[Rule], start: int | None, end: int | None) -> Found:
    """Judge everything from the log's head on; return the alerts from ``start`` (inclusive) to ``end`` (exclusive), ms.

    The whole log is read whatever the range is: an alert depends on the windows before it. These are the alerts that a
    process with these rules makes that begins at the log's head. Raises KafkaException and TimeoutError.
    """
    found = Found()
    detectors = {partition: Detector(rules) for partition in range(METRICS.partitions)}
    for message in reader.read([(topic, partition) for partition in detectors]):
        try:
            update = decode_metric(message.value() or b"")
        except msgspec.DecodeError:
            continue
        if update.final:
            found.finals += 1
            found.first = min(found.first or update.window_end, update.window_end)
            found.last = max(found.last or 0, update.window_end)
            found.alerts += detectors[message.partition() or 0].take(update)
    found.alerts = [
        alert
        for alert in sorted(found.alerts, key=lambda alert: (alert.timestamp, alert.alert_id))
        if (start is None or start <= alert.timestamp) and (end is None or alert.timestamp < end)
    ]
    return found

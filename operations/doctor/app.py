"""Wires the doctor: settings → clients of the servers → all checks at once → their findings in order."""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from operations.doctor import brokers, folders, parts, readers, store, topics, workers
from operations.doctor.findings import Diagnosis, Finding, diagnosis, failed
from tidemark.kafka import client_config
from tidemark.settings import Settings

Check = Callable[[], Iterable[Finding]]


def examine(settings: Settings) -> Diagnosis:
    """Look at everything the settings name, at most some 10 s; raises nothing, writes nothing."""
    return diagnosis(
        _together(
            {
                "kafka": partial(_kafka, settings),
                "influxdb": partial(store.store, settings),
                "folders": partial(folders.folders, settings),
                "parts": partial(parts.parts, settings),
            }
        )
    )


def _kafka(settings: Settings) -> Iterator[Finding]:
    admin = AdminClient(client_config(settings))
    try:
        cluster = admin.list_topics(timeout=brokers.ANSWER_SECONDS)
    except KafkaException as error:
        yield brokers.away(settings, error)
        return
    now_ms = time.time_ns() // 1_000_000
    yield from _together(
        {
            "kafka": partial(brokers.brokers, settings, cluster),
            "topics": partial(topics.topics, admin, settings, cluster),
            "clock, kafka": partial(readers.clock, admin, settings, cluster, now_ms),
            "groups": partial(readers.readers, admin, settings, cluster, now_ms),
            "checkpoints": partial(workers.workers, settings, cluster),
        }
    )


def _together(checks: dict[str, Check]) -> list[Finding]:
    with ThreadPoolExecutor(len(checks)) as pool:
        return [finding for found in pool.map(_found, checks, checks.values()) for finding in found]


def _found(name: str, check: Check) -> list[Finding]:
    """Return what a check has found; what it could not expect is a finding too."""
    findings: list[Finding] = []
    try:
        findings.extend(check())
    except Exception as error:
        text = error.args[0].str() if isinstance(error, KafkaException) else str(error) or type(error).__name__
        found = f"cannot be looked at: {' '.join(text.split())}"
        findings.append(failed(name, found, "tidemark stack status, then tidemark doctor again"))
    return findings

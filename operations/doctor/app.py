"""Wires the doctor: settings → clients of the servers → all checks at once → their findings in order."""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from operations.doctor import access, brokers, folders, packages, parts, readers, store, tools, topics, workers
from operations.doctor.findings import Diagnosis, Finding, diagnosis, problem
from tidemark.access import is_refusal, named_refusals
from tidemark.kafka import client_config
from tidemark.rights import AccessRefused
from tidemark.settings import Settings

Check = Callable[[], Iterable[Finding]]


def examine(settings: Settings, missing_tools: tools.MissingTools) -> Diagnosis:
    """Look at everything the settings name, at most some 20 s; raises nothing, writes nothing."""
    return diagnosis(
        _together(
            {
                "packages": packages.packages,
                "tools": partial(tools.tools, settings, missing_tools),
                "kafka": partial(_kafka, settings),
                "influxdb": partial(store.store, settings),
                "folders": partial(folders.folders, settings),
                "gateway": partial(parts.gateway, settings),
                "ingestion": partial(parts.door, settings),
                "versions": partial(parts.versions, settings),
                "kafka metrics": partial(parts.broker_metrics, settings),
            }
        )
    )


def _kafka(settings: Settings) -> Iterator[Finding]:
    admin = AdminClient(client_config(settings))
    try:
        with named_refusals(settings, access.PART):
            cluster = admin.list_topics(timeout=brokers.ANSWER_SECONDS)
    except AccessRefused as error:
        yield access.not_let_in(error)
        return
    except KafkaException as error:
        yield brokers.away(settings, error)
        return
    now_ms = time.time_ns() // 1_000_000
    yield from _together(
        {
            "kafka": partial(brokers.brokers, settings, cluster),
            "kafka rights": partial(access.rights, settings),
            "topics": partial(topics.topics, admin, settings, cluster),
            "clock, kafka": partial(readers.clock, admin, settings, cluster, now_ms),
            "groups": partial(readers.readers, admin, settings, cluster, now_ms),
            "checkpoints": partial(workers.workers, settings, cluster),
            "checkpoints, alerts": partial(workers.alerts, admin, settings, cluster, now_ms),
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
        findings.append(_unexpected(name, error))
    return findings


def _unexpected(name: str, error: Exception) -> Finding:
    if isinstance(error, KafkaException) and is_refusal(error.args[0]):
        return access.not_looked_at(name)
    text = error.args[0].str() if isinstance(error, KafkaException) else str(error) or type(error).__name__
    found = f"cannot be looked at: {' '.join(text.split())}"
    return problem(name, found, "tidemark stack status, then tidemark doctor again")

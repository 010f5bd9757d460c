"""Looks whether Kafka answers, how many brokers it has, and of which version they are."""

import asyncio
from bisect import bisect_right
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from aiokafka.conn import create_conn  # type: ignore[import-untyped]
from aiokafka.protocol.admin import ApiVersionRequest  # type: ignore[import-untyped]
from confluent_kafka import KafkaException
from confluent_kafka.admin._metadata import BrokerMetadata, ClusterMetadata

from operations.doctor.findings import Finding, ok, problem, warning
from tidemark.kafka import aiokafka_config
from tidemark.settings import Settings

ANSWER_SECONDS = 3.0
#: A broker does not tell its version, but up to which version it knows Fetch (Kafka's ``FetchRequest.json``).
_FETCH = 1
_FETCH_VERSIONS = (0, 12, 13, 15, 16, 17, 18)
_KAFKA_VERSIONS = (
    "older than 2.7",
    "2.7 to 3.0",
    "3.1 to 3.4",
    "3.5 or 3.6",
    "3.7 or 3.8",
    "3.9 or 4.0",
    "4.1 or newer",
)


def away(settings: Settings, error: KafkaException) -> Finding:
    """Return that no broker has answered."""
    found = f"no answer from {settings.kafka_bootstrap_servers} within {ANSWER_SECONDS:.0f} s: {error.args[0].str()}"
    return problem(
        "kafka", found, "start it (here: tidemark stack up --detach) or set TIDEMARK_KAFKA_BOOTSTRAP_SERVERS"
    )


def brokers(settings: Settings, cluster: ClusterMetadata) -> Iterator[Finding]:
    """Yield how many brokers there are, and their version."""
    count, copies = len(cluster.brokers), settings.kafka_replication_factor
    found = f"{count} broker{'s' if count != 1 else ''} at {settings.kafka_bootstrap_servers}"
    if count < copies:
        todo = f"start the missing ones (here: tidemark stack up --detach --brokers {copies})"
        yield problem("kafka", f"{found}, {copies} copies of each record are asked for", todo)
    else:
        yield ok("kafka", found)
    with ThreadPoolExecutor(max(count, 1)) as pool:
        yield from pool.map(partial(_version, settings), cluster.brokers.values())


def _version(settings: Settings, broker: BrokerMetadata) -> Finding:
    check, host, port = f"kafka version, broker {broker.id}", str(broker.host), int(broker.port or 0)
    try:
        known = asyncio.run(_fetch_version(settings, host, port))
    except Exception as error:  # whatever it is, the version is not known
        found = f"not told by {host}:{port}: {type(error).__name__}"
        return warning(check, found, f"kafka-broker-api-versions.sh --bootstrap-server {host}:{port} --version")
    version = _KAFKA_VERSIONS[bisect_right(_FETCH_VERSIONS, known) - 1]
    if known < _FETCH_VERSIONS[-1]:
        return warning(check, version, "upgrade it: Tidemark is tested with Kafka 4.1")
    return ok(check, version)


async def _fetch_version(settings: Settings, host: str, port: int) -> int:
    config = aiokafka_config(settings)
    del config["bootstrap_servers"]
    async with asyncio.timeout(ANSWER_SECONDS):
        connection = await create_conn(host, port, request_timeout_ms=int(ANSWER_SECONDS * 1_000), **config)
        try:
            answer = await connection.send(ApiVersionRequest())
        finally:
            connection.close()
    known: int = next(newest for key, _, newest in answer.api_versions if key == _FETCH)
    return known

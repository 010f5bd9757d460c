"""Wires what operators do: settings → Kafka, for dead letters to be read and sent again; InfluxDB, for ledgers."""

from collections.abc import Callable, Iterator

from confluent_kafka import Consumer, Producer
from influxdb_client.client.influxdb_client import InfluxDBClient

from operations.letters import Copy, Selection
from operations.reading import read_copies
from operations.redriving import Redriver
from tidemark.access import named_refusals
from tidemark.influxdb import influxdb_config, read_ledger
from tidemark.kafka import client_config, producer_config
from tidemark.ledger import Ledger
from tidemark.rights import OPERATIONS_GROUP
from tidemark.settings import Settings
from tidemark.topics import ALL, DEAD_LETTERS

#: A record that the broker has not acknowledged after so long has failed.
DELIVERY_SECONDS = 30
#: A month of a large site takes a while.
LEDGER_TIMEOUT_MS = 60_000


def select(
    settings: Settings, wanted: Callable[[Copy], bool], *, since: int | None = None, limit: int | None = None
) -> Selection:
    """Read the letters written since (ms) to the topic's present end; return the wanted ones.

    Raises KafkaException when the topic is missing or the broker does not answer, and AccessRefused.
    """
    with named_refusals(settings, "operator"):
        return Selection(wanted, limit).add(_copies(settings, since))


def _copies(settings: Settings, since: int | None) -> Iterator[Copy]:
    names = {settings.topic(topic.name): topic.name for topic in ALL}
    consumer = Consumer(
        client_config(settings)
        | {
            # The client asks for a name; nothing is committed under it.
            "group.id": settings.topic(OPERATIONS_GROUP),
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
    )
    try:
        yield from read_copies(consumer, settings.topic(DEAD_LETTERS.name), names, since)
    finally:
        consumer.close()


def redriver(settings: Settings) -> Redriver:
    """Return what sends records again, durably."""
    config = producer_config(settings, linger_ms=0) | {"message.timeout.ms": DELIVERY_SECONDS * 1_000}
    return Redriver(Producer(config), settings.topic, DELIVERY_SECONDS + 5.0)


def ledger_of(settings: Settings, site: str | None, since: int) -> Ledger:
    """Return a site's ledger from then on (ms), of all sites together if it is None. Raises NoAnswerError."""
    with InfluxDBClient(**influxdb_config(settings), timeout=LEDGER_TIMEOUT_MS, retries=False) as client:
        return read_ledger(client, settings.influxdb_bucket, site, since)

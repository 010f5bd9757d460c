"""The Kafka client settings that all parts share: one partitioner, acks=all, idempotent producers."""

from tidemark.settings import Settings
from tidemark.topics import MAX_DEAD_LETTER_BYTES, PARTITIONER

ClientConfig = dict[str, str | int | float | bool]


def client_config(settings: Settings) -> ClientConfig:
    """Return what every librdkafka client of Tidemark starts from; it finds a broker that is back within 1 s."""
    return {
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        "reconnect.backoff.max.ms": 1_000,
        "allow.auto.create.topics": False,
        # A broker that is away is a line every 50 ms otherwise: parts say it themselves, once.
        "log_level": 2,
    }


def producer_config(settings: Settings, *, linger_ms: int) -> ClientConfig:
    """Return a durable producer's settings: nothing acknowledged is lost, nothing retried is doubled or reordered."""
    return client_config(settings) | {
        "partitioner": PARTITIONER,
        "enable.idempotence": True,
        "acks": "all",
        "compression.type": "snappy",
        "linger.ms": linger_ms,
        "batch.size": 16_384,
        "message.max.bytes": MAX_DEAD_LETTER_BYTES,
    }

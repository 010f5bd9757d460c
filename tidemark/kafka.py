"""The Kafka client settings that all parts share: security, one partitioner, acks=all, idempotent producers."""

import ssl
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from tidemark.logs import get_logger
from tidemark.settings import Settings
from tidemark.topics import MAX_DEAD_LETTER_BYTES, PARTITIONER

log = get_logger("tidemark.kafka")

OnError = Callable[[KafkaError], None]
ClientConfig = dict[str, Any]

#: That a user is not let in is logged so often at most (s): each of a process's clients tries again once a second.
TOLD_EVERY_SECONDS = 60.0
AGAIN_SECONDS = 0.1

#: The answers while a group's coordinator is another broker than it was, or has just started.
_COORDINATOR_MOVES = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
    }
)

_told_at = -TOLD_EVERY_SECONDS


def client_config(settings: Settings, on_error: OnError | None = None) -> ClientConfig:
    """Return what every librdkafka client of Tidemark starts from; it finds a broker that is back within 1 s.

    ``on_error`` gets the client's errors; that the broker does not let the user in is logged besides.
    """

    def take(error: KafkaError) -> None:
        tell_not_let_in(settings, error)
        if on_error is not None:
            on_error(error)

    return {
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        "reconnect.backoff.max.ms": 1_000,
        "allow.auto.create.topics": False,
        # A broker that is away is a line every 50 ms otherwise: parts say it themselves, once.
        "log_level": 2,
        "error_cb": take,
    } | _security(settings)


def _security(settings: Settings) -> ClientConfig:
    config: ClientConfig = {"security.protocol": settings.kafka_security_protocol}
    if settings.kafka_security_protocol.startswith("SASL"):
        config["sasl.mechanism"] = settings.kafka_sasl_mechanism
        config["sasl.username"] = settings.kafka_username
        config["sasl.password"] = settings.kafka_password.get_secret_value()
    if settings.kafka_security_protocol.endswith("SSL") and settings.kafka_ca_certificate is not None:
        config["ssl.ca.location"] = str(settings.kafka_ca_certificate)
    return config


def aiokafka_config(settings: Settings) -> dict[str, Any]:
    """Return where an aiokafka client finds the brokers, and how it is let in."""
    config: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap_servers.split(","),
        "security_protocol": settings.kafka_security_protocol,
        "ssl_context": ssl_context(settings),
    }
    if settings.kafka_security_protocol.startswith("SASL"):
        config["sasl_mechanism"] = settings.kafka_sasl_mechanism
        config["sasl_plain_username"] = settings.kafka_username
        config["sasl_plain_password"] = settings.kafka_password.get_secret_value()
    return config


def ssl_context(settings: Settings) -> ssl.SSLContext | None:
    """Return the TLS that aiokafka is to use, which checks the broker's name too; None for none."""
    if not settings.kafka_security_protocol.endswith("SSL"):
        return None
    return ssl.create_default_context(cafile=settings.kafka_ca_certificate)


def producer_config(settings: Settings, *, linger_ms: int, on_error: OnError | None = None) -> ClientConfig:
    """Return a durable producer's settings: nothing acknowledged is lost, nothing retried is doubled or reordered."""
    return client_config(settings, on_error) | {
        "partitioner": PARTITIONER,
        "enable.idempotence": True,
        "acks": "all",
        "compression.type": "snappy",
        "linger.ms": linger_ms,
        "batch.size": 16_384,
        "message.max.bytes": MAX_DEAD_LETTER_BYTES,
    }


def committed_offsets(
    settings: Settings, group: str, places: Iterable[tuple[str, int]], within_seconds: float
) -> dict[tuple[str, int], int]:
    """Return what a group (its name on the broker) has committed, where it has, without joining it.

    A coordinator that is just loading is asked again within the time. Raises KafkaException. It takes a consumer: the
    admin client's own call ends the process by SIGSEGV when the coordinator is loading (librdkafka 2.16).
    """
    consumer = Consumer(client_config(settings) | {"group.id": group, "enable.auto.commit": False})
    with closing(consumer):
        found = _committed(consumer, [TopicPartition(*place) for place in places], within_seconds)
    for each in found:
        if each.error is not None:
            raise KafkaException(each.error)
    return {(each.topic, each.partition): each.offset for each in found if each.offset >= 0}


def _committed(consumer: Consumer, asked: list[TopicPartition], within_seconds: float) -> list[TopicPartition]:
    deadline = time.monotonic() + within_seconds
    while True:
        try:
            return consumer.committed(asked, within_seconds)
        except KafkaException as error:
            if error.args[0].code() not in _COORDINATOR_MOVES or time.monotonic() > deadline:
                raise
            time.sleep(AGAIN_SECONDS)


def why_not_let_in(settings: Settings, error: KafkaError) -> str | None:
    """Say for people that the broker does not let the user in, or that there is no TLS with it; None: another error."""
    at = f"Kafka at {settings.kafka_bootstrap_servers}"
    if error.code() == KafkaError._AUTHENTICATION:
        return (
            f"{at} does not let user {settings.kafka_username} in: check TIDEMARK_KAFKA_USERNAME, "
            "TIDEMARK_KAFKA_PASSWORD and TIDEMARK_KAFKA_SASL_MECHANISM"
        )
    if error.code() == KafkaError._SSL:
        return f"no TLS with {at}: check TIDEMARK_KAFKA_CA_CERTIFICATE ({error.str()})"
    return None


def tell_not_let_in(settings: Settings, error: KafkaError) -> None:
    """Log it if the error says so, now and then: clients go on trying, as with a broker that is away."""
    global _told_at  # noqa: PLW0603  # a process has one user, and several clients
    why = why_not_let_in(settings, error)
    if why is not None and time.monotonic() - _told_at > TOLD_EVERY_SECONDS:
        _told_at = time.monotonic()
        log.error(why)

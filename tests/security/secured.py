"""Servers that let nobody in but users: Kafka with TLS, SCRAM and ACLs beside an administrator's port; InfluxDB."""

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from deploy.local import kafka
from deploy.local.addresses import Address, kafka_addresses
from deploy.local.provision import create_bucket, create_topics, query_influxdb_1
from deploy.local.stack import LocalStack
from tests.conftest import CACHE, local_settings
from tidemark.settings import Settings

Properties = Callable[[int, Sequence[Address], Path], str]

ADMIN = "admin:of-influxdb-only"
#: Who comes by the plain port, which a real cluster would not have, is ANONYMOUS and may do everything.
SECURED = """\
listeners=PLAINTEXT://{plain},SASL_SSL://{secure},CONTROLLER://{controller}
advertised.listeners=PLAINTEXT://{plain},SASL_SSL://{secure}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""


@contextmanager
def secured_stack(folder: Path) -> Iterator[Settings]:
    """Run them with topics and bucket; the settings are the administrator's."""
    authority, keystore = make_certificates(folder)
    stack = LocalStack(local_settings(folder), cache=CACHE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kafka, "_properties", _secured(kafka._properties, keystore))
        patch.setenv("INFLUXDB_HTTP_AUTH_ENABLED", "true")
        stack.start()
    try:
        settings = stack.settings.model_copy(update={"kafka_ca_certificate": authority})
        name, password = ADMIN.split(":")
        query_influxdb_1(settings, f"CREATE USER {name} WITH PASSWORD '{password}' WITH ALL PRIVILEGES")
        settings = settings.model_copy(update={"influxdb_token": SecretStr(ADMIN)})
        create_topics(settings)
        create_bucket(settings)
        yield settings
    finally:
        stack.stop()


def secure_address(settings: Settings) -> Address:
    """Return where the users come in."""
    [plain] = kafka_addresses(settings.kafka_bootstrap_servers)
    return Address(plain.host, plain.port + 2)


def _secured(properties: Properties, keystore: Path) -> Properties:
    def secured(node: int, brokers: Sequence[Address], data: Path) -> str:
        [plain] = brokers
        return properties(node, brokers, data) + SECURED.format(
            plain=plain,
            secure=Address(plain.host, plain.port + 2),
            controller=kafka.controller_address(plain),
            keystore=keystore,
        )  # of two lines for the same property the last one counts

    return secured


def make_certificates(folder: Path) -> tuple[Path, Path]:
    """Return an authority's certificate, and the broker's key and certificate for loopback, which it has signed."""
    authority, keystore = folder / "ca.pem", folder / "broker.pem"
    new = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj")
    _run(folder, *new, "/CN=Test CA", "-keyout", "ca.key", "-out", "ca.pem")
    names = ("-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE")
    by_it = ("-CA", "ca.pem", "-CAkey", "ca.key")
    _run(folder, *new, "/CN=broker", *by_it, *names, "-keyout", "broker.key", "-out", "broker.crt")
    keystore.write_text((folder / "broker.key").read_text() + (folder / "broker.crt").read_text())
    return authority, keystore


def _run(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True)

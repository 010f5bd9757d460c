"""Where the settings say the servers are, and what listens there."""

import ipaddress
import random
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from tidemark.settings import SettingsError

KAFKA_SETTING = "TIDEMARK_KAFKA_BOOTSTRAP_SERVERS"
INFLUXDB_SETTING = "TIDEMARK_INFLUXDB_URL"


#: Free ports are looked for here (first inclusive, last exclusive), below those that outgoing connections get.
PORTS = (20_000, 32_000)


@dataclass(frozen=True)
class Address:
    """A host and port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def is_loopback(self) -> bool:
        """Say whether it is this machine's own, reached from here only."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def answers(self) -> bool:
        """Say whether something accepts connections there."""
        try:
            with socket.create_connection((self.host, self.port), timeout=2):
                return True
        except OSError:
            return False

    def is_free(self) -> bool:
        """Say whether a server could listen there now."""
        try:
            with socket.socket() as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((self.host, self.port))
                return True
        except OSError:
            return False


def free_ports(count: int = 1) -> int:
    """Return the first of ``count`` neighbouring free loopback ports."""
    while True:
        first = random.randrange(*PORTS)
        if all(Address("127.0.0.1", first + n).is_free() for n in range(count)):
            return first


def kafka_addresses(bootstrap_servers: str) -> list[Address]:
    """Read ``host:port,host:port``. Raises SettingsError that names the setting."""
    return [_kafka_address(text.strip()) for text in bootstrap_servers.split(",")]


def _kafka_address(text: str) -> Address:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise SettingsError(f"{KAFKA_SETTING}: expected host:port, comma separated, got {text!r}")
    return Address(host, int(port))


def influxdb_address(url: str) -> Address:
    """Read the address from the URL. Raises SettingsError that names the setting."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host is None or parts.scheme not in ("http", "https"):
        raise SettingsError(f"{INFLUXDB_SETTING}: expected http://host:port, got {url!r}")
    return Address(host, port or (443 if parts.scheme == "https" else 80))

"""A door without a server and without Kafka: requests go straight into it, records into a list."""

import asyncio
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from ingestion.counting import Counts
from ingestion.delivery import Delivery
from ingestion.door import Bounds, Door
from ingestion.ids import RandomIds
from ingestion.key_file import KeyFile
from ingestion.ledgers import Ledgers
from ingestion.rates import TABLE_BYTES, Rates
from ingestion.readiness import Readiness
from ingestion.records import Record
from ingestion.requests import Memory
from ingestion.steps import Rules
from tidemark.flux import NoAnswerError
from tidemark.ledger import Ledger

SALT = b"s" * 32
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"


@dataclass
class Kept:
    """Stands for the delivery: keeps records, or refuses all of them."""

    records: list[Record] = field(default_factory=list)
    full: bool = False
    spooled_bytes: int = 0
    why: str | None = None

    async def deliver(self, records: list[Record], _: object = None) -> list[bool]:
        if self.full:
            return [False] * len(records)
        self.records += records
        return [True] * len(records)

    async def trouble(self) -> str | None:
        return self.why


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Client:
    """Speaks ASGI with a door; ``kept`` is what it has accepted."""

    def __init__(self, folder: Path, *, keys_required: bool = False, **bounds: Any) -> None:
        self.kept = Kept()
        self.keys = KeyFile(folder / "keys.json", required=keys_required)
        known: dict[str, Any] = {
            "max_event_bytes": 65_536,
            "max_body_bytes": 2_097_152,
            "max_batch_events": 2_000,
            "slow_client_s": 5.0,
            "origins": frozenset({"*"}),
            "trusted_proxies": (),
        }
        self.memory = Memory(bounds.pop("memory", 64 * 1024 * 1024))
        self.rules = Rules(
            max_event_bytes=bounds.get("max_event_bytes", 65_536),
            honour_do_not_track=bounds.pop("honour_do_not_track", False),
            site_rates=rates(bounds.pop("rate_per_site", 0.0)),
            salt=lambda *_: SALT,
            country=lambda address: {"192.0.2.7": "DE"}.get(str(address)),
            make_id=RandomIds(),
        )
        address_rates = rates(bounds.pop("rate_per_address", 0.0))
        delivery = cast(Delivery, self.kept)
        files = bounds.pop("files", {})
        self.counts = Counts(self.keys.knows)
        self.told: Ledger | None = None
        bounded = Bounds(**(known | bounds))
        self.kept_counts = Kept()
        readiness = Readiness(delivery, cast(Delivery, self.kept_counts))
        ledgers = Ledgers(self._read)
        self.app = Door(
            bounded, self.rules, self.keys, address_rates, delivery, self.memory, self.counts, files, ledgers, readiness
        )

    def _read(self, site: str, since: int) -> Ledger:
        if self.told is None:
            raise NoAnswerError("no InfluxDB")
        return replace(self.told, site=site, since=since)

    def post(self, path: str, body: bytes | dict[str, Any] | list[Any], **headers: str) -> Answer:
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return self.ask("POST", path, raw, headers=headers)

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, headers=headers)

    def ask(
        self,
        method: str,
        path: str,
        *parts: bytes,
        peer: str = "127.0.0.1",
        whole: bool = True,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> Answer:
        """Send a request, its body in these parts (not ``whole``: more never come). A header's name has _ for -."""
        path, _, query = path.partition("?")
        named = {"user_agent": BROWSER} | dict(headers)
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "client": (peer, 1),
            "headers": [(name.replace("_", "-").encode(), text.encode("latin-1")) for name, text in named.items()],
        }
        waiting: list[dict[str, Any]] = [
            {"type": "http.request", "body": part, "more_body": not whole or index < len(parts) - 1}
            for index, part in enumerate(parts)
        ] or [{"type": "http.request"}]
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            if not waiting:
                await asyncio.sleep(3_600)
            return waiting.pop(0)

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        asyncio.run(self.app(scope, receive, send))
        start, body = sent
        return Answer(start["status"], {k.decode(): v.decode() for k, v in start["headers"]}, body["body"])


def rates(rate: float, *, burst_s: float = 2.0) -> Rates:
    """Rates with a table of their own."""
    return Rates(rate, memoryview(bytearray(TABLE_BYTES)), burst_s=burst_s)


def page_view(**fields: Any) -> dict[str, Any]:
    """A page view as a web site tells it."""
    return {"site_id": "shop", "event_type": "page_view", "timestamp": "2026-11-22T08:30:00Z", "path": "/"} | fields

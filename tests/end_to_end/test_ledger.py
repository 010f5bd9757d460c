"""The ledger with the real parts: what went in at the door came out of the streams, or it says what became of it."""

import json
import time
from pathlib import Path
from typing import Any

from confluent_kafka import Producer
from typer.testing import CliRunner

from sinks.app import GROUP
from tests.ingestion.made import BROWSER, page_view
from tests.ingestion.sending import door_settings, running_door, url
from tests.ingestion.test_ingest import GOOGLE, ask
from tests.support import wait
from tests.support.kafka_log import read_log, wait_for_lag_zero
from tests.support.parts import running
from tests.support.timeline import event_id
from tidemark.cli import app
from tidemark.kafka import producer_config
from tidemark.settings import Settings
from tidemark.topics import DOOR_COUNTS

SHOP = {
    "site": "shop",
    "door": {
        "received": 61,
        "accepted": 50,
        "bot": 4,
        "rejected": {"future_timestamp": 1, "invalid_field": 3, "no_key": 3},
    },
    "streams": {"accepted": 40, "duplicate": 7, "dead": {"late": 3}},
    "difference": 0,
}
OTHER = {
    "site": "other",
    "door": {"received": 8, "accepted": 6, "bot": 0, "rejected": {"wrong_site": 2}},
    "streams": {"accepted": 6, "duplicate": 0, "dead": {}},
    "difference": 0,
}


class Sender:
    """Sends batches to a door, with or without the shop's key."""

    def __init__(self, settings: Settings, key: str) -> None:
        self._settings = settings
        self._key = {"Authorization": f"Bearer {key}"}

    def send(self, *events: Any, key: bool = True, agent: str = BROWSER) -> None:
        ask(url(self._settings, "/events"), events, {"User-Agent": agent} | (self._key if key else {}))

    def everything(self) -> None:
        now = time.time_ns() // 1_000_000
        good = [page_view(event_id=event_id(n), user_id=f"u{n % 9}", timestamp=now) for n in range(40)]
        self.send(*good)
        self.send(*good[:7])
        # Their partitions have seen those users' events of now.
        self.send(*[page_view(user_id=f"u{n}", timestamp=now - 60_000) for n in range(3)])
        self.send(*[page_view(timestamp=now)] * 4, agent=GOOGLE)
        self.send(*[page_view(timestamp=now)] * 3, key=False)
        self.send({"site_id": "shop"}, 7, page_view(timestamp=now + 3_600_000))
        self.send(*[page_view(site_id="other", timestamp=now)] * 2)
        self.send(*[page_view(site_id="other", timestamp=now)] * 6, key=False)
        self.send({}, key=False)
        ask(url(self._settings, "/events"), "no event", self._key)

    def ledger(self, site: str) -> tuple[int, Any]:
        status, body = ask(url(self._settings, f"/sites/{site}/ledger?since=10m"), headers=self._key)
        return status, without_since(body)


def without_since(text: str | bytes) -> Any:
    told = json.loads(text)
    told.pop("since", None)
    return told


def command(settings: Settings, *arguments: str) -> str:
    done = CliRunner().invoke(app, arguments, env=settings.environment())
    assert done.exit_code == 0, done.output
    return done.stdout


def ledger(settings: Settings, *site: str) -> Any:
    return without_since(command(settings, "ledger", *site, "--since", "10m", "--json"))


def test_what_goes_in_at_the_door_comes_out_of_the_streams(settings: Settings, tmp_path: Path) -> None:
    settings = door_settings(settings, tmp_path, ingestion_workers=2)
    sender = Sender(settings, command(settings, "keys", "create", "--site", "shop").strip())
    with (
        running(settings, tmp_path / "streams.log", "streams", "run"),
        running(settings, tmp_path / "sink.log", "sink", "influxdb"),
        running_door(settings, tmp_path / "door.log") as door,
    ):
        sender.everything()
        wait.until(lambda: sender.ledger("shop") == (200, SHOP), 40.0, lambda: str(sender.ledger("shop")))
        assert sender.ledger("other")[0] == 403
        assert ledger(settings, "--site", "shop") == SHOP
        assert "both sides add up" in command(settings, "ledger", "--site", "shop")
        assert ledger(settings, "--site", "other") == OTHER
        everywhere = ledger(settings)
        assert (everywhere["door"]["received"], everywhere["difference"]) == (61 + 8 + 1, 0)
        # Told again, as around an outage, they count once.
        producer = Producer(producer_config(settings, linger_ms=0))
        for record in read_log(settings, DOOR_COUNTS):
            producer.produce(settings.topic(DOOR_COUNTS.name), record.value, record.key)
        assert producer.flush(30) == 0
        wait_for_lag_zero(settings, GROUP, [DOOR_COUNTS])
        assert ledger(settings, "--site", "shop") == SHOP
        # A door that is told to end tells first what it has counted.
        sender.send(page_view(timestamp=time.time_ns() // 1_000_000))
        assert door.stop() == 0
        wait.until(lambda: ledger(settings, "--site", "shop")["door"]["accepted"] == 51, 10.0)
        wait.until(lambda: ledger(settings, "--site", "shop")["difference"] == 0, 20.0)

"""The ledger with the real parts: what went in at the door came out of the streams, or it says what became of it."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from sinks.app import GROUP
from tests.conftest import provisioned
from tests.ingestion.made import BROWSER, page_view
from tests.ingestion.sending import Sending, door_settings, kill, running_door, url, while_sending
from tests.ingestion.test_ingest import GOOGLE, ask
from tests.support import wait
from tests.support.kafka_log import read_log, wait_for_lag_zero
from tests.support.parts import running
from tests.support.timeline import event_id
from tidemark.cli import app
from tidemark.decoding import decode_event
from tidemark.kafka import producer_config
from tidemark.settings import Settings
from tidemark.topics import DOOR_COUNTS, EVENTS

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


@pytest.fixture(scope="module")
def counting(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The streams and the sink, running."""
    settings, folder = provisioned(stack), tmp_path_factory.mktemp("ledger")
    with (
        running(settings, folder / "streams.log", "streams", "run"),
        running(settings, folder / "sink.log", "sink", "influxdb"),
    ):
        yield settings


def test_what_goes_in_at_the_door_comes_out_of_the_streams(counting: Settings, tmp_path: Path) -> None:
    settings = door_settings(counting, tmp_path, ingestion_workers=2)
    sender = Sender(settings, command(settings, "keys", "create", "--site", "shop").strip())
    with running_door(settings, tmp_path / "door.log") as door:
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


#: A worker tells of its counts once a second; they are in the log a moment later, on a busy machine too (s).
UNTOLD_S = 3
#: Events a second, all the time: between the kills come enough for counts to be missed.
RATE = 60


def appended(settings: Settings, site: str) -> list[tuple[int, str]]:
    """Return when each event of a site came to the log (ms), and its id."""
    events = [(one.append_time, decode_event(one.value)[0]) for one in read_log(settings, EVENTS) if one.value]
    return [(time, event.event_id) for time, event in events if event.site == site]


def last_told(settings: Settings, site: str, before: int) -> int:
    """Return when the last counts of a site came to the log before this time (ms)."""
    counts = [one for one in read_log(settings, DOOR_COUNTS) if one.key == site.encode()]
    return max(one.append_time for one in counts if one.append_time <= before)


def in_the_streams(told: Any) -> int:
    """Return how many events the streams have dealt with, by the ledger."""
    streams = told["streams"]
    return int(streams["accepted"] + streams["duplicate"] + sum(streams["dead"].values()))


def test_a_door_that_is_killed_loses_no_event_and_only_its_last_counts(counting: Settings, tmp_path: Path) -> None:
    settings, site = door_settings(counting, tmp_path, ingestion_workers=2), "killed"
    killed_at: list[int] = []

    def accepted() -> int:
        return int(ledger(settings, "--site", site)["door"]["accepted"])

    def about_to_kill() -> None:
        killed_at.append(time.time_ns() // 1_000_000)

    def scene(sending: Sending) -> None:
        with running_door(settings, tmp_path / "door.log") as door:
            wait.until(lambda: accepted() > 0, 30.0)
            sending.wait_for_more(RATE * (UNTOLD_S + 1))
            about_to_kill()
            kill(min(door.workers()))
            sending.wait_for_more(RATE * (UNTOLD_S + 1))
            about_to_kill()
            door.kill()
        with running_door(settings, tmp_path / "door.log") as door:
            sending.wait_for_more(50)
            sending.finish()
            assert door.stop() == 0

    sending = while_sending(settings, RATE, scene, site)
    logged = appended(settings, site)
    assert {event_id for _, event_id in logged} == sending.accepted
    # The streams' side has every event of the log, whatever the door had told of.
    wait.until(lambda: in_the_streams(ledger(settings, "--site", site)) == len(logged), 40.0)
    told = ledger(settings, "--site", site)
    for at in killed_at:
        assert at - last_told(settings, site, at) <= UNTOLD_S * 1000
    # The door's side has none that was not there, and all but those of the last seconds before a kill.
    assert told["difference"] == told["door"]["accepted"] - len(logged)
    assert told["difference"] <= 0
    may_be_lost = [time for time, _ in logged if any(-UNTOLD_S * 1000 <= time - at <= 500 for at in killed_at)]
    assert -told["difference"] <= len(may_be_lost) < len(logged)

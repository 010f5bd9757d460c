"""Who may see a ledger at the door, and what is asked for."""

import time
from pathlib import Path

import pytest

from ingestion.key_file import changing
from ingestion.keys import make_key
from tests.ingestion.made import Client, page_view
from tidemark.ledger import AtTheDoor, InTheStreams, Ledger

LEDGER = Ledger("", 0, AtTheDoor(3, 2, 0, {"no_key": 1}), InTheStreams(1, 0, {"late": 1}), 0)


@pytest.fixture
def key(door: Client) -> str:
    """The key of the site "shop", of a door that has ledgers."""
    text, key = make_key("shop", 0)
    with changing(door.keys._path) as keys:
        keys.append(key)
    door.keys.look()
    door.told = LEDGER
    return text


def test_a_sites_key_opens_its_ledger_and_no_other(door: Client, key: str) -> None:
    answer = door.get("/sites/shop/ledger", authorization=f"Bearer {key}")
    assert answer.status == 200
    hour_ago = (time.time() - 3_600) * 1_000
    assert answer.json() == {
        "site": "shop",
        "since": pytest.approx(hour_ago, abs=60_000),
        "door": {"received": 3, "accepted": 2, "bot": 0, "rejected": {"no_key": 1}},
        "streams": {"accepted": 1, "duplicate": 0, "dead": {"late": 1}},
        "difference": 0,
    }
    assert door.get(f"/sites/shop/ledger?key={key}&since=2026-01-01T00:00:00Z").json()["since"] == 1_767_225_600_000
    assert door.get("/sites/shop/ledger").status == 401
    assert door.get("/sites/open/ledger").status == 401
    assert door.get("/sites/shop/ledger", authorization="Bearer tmk_wrong").status == 401
    assert door.get(f"/sites/other/ledger?key={key}").status == 403
    assert door.get(f"/sites/shop/x/ledger?key={key}").status == 403
    assert door.get(f"/sites//ledger?key={key}").status == 404
    assert door.post(f"/sites/shop/ledger?key={key}", b"").status == 405


@pytest.mark.parametrize("since", ["", "yesterday", "1w", "-1h", "9" * 40, "2999-01-01T00:00:00Z"])
def test_a_time_that_is_none_is_refused(since: str, door: Client, key: str) -> None:
    answer = door.get(f"/sites/shop/ledger?key={key}&since={since}")
    assert (answer.status, answer.json()["message"]) == (400, "Invalid fields: since")


def test_asking_counts_as_no_event_and_may_be_asked_again_when_influxdb_is_back(door: Client, key: str) -> None:
    door.told = None
    answer = door.get(f"/sites/shop/ledger?key={key}")
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    door.get("/sites/shop/ledger")
    assert door.counts.take(0) == []


def test_what_is_refused_as_a_whole_counts_for_the_site_of_its_key(tmp_path: Path) -> None:
    door = Client(tmp_path)
    text, key = make_key("shop", 0)
    with changing(door.keys._path) as keys:
        keys.append(key)
    door.keys.look()
    door.post(f"/events?key={text}", b"[")
    door.post("/events", b"[")
    door.post("/event?key=tmk_wrong", page_view())
    assert {one.site_id: one.events for one in door.counts.take(0)} == {
        "shop": {"undecodable": 1},
        "": {"undecodable": 1, "wrong_key": 1},
    }

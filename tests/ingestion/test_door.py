"""What the door answers, and what it has kept when it says accepted."""

import gzip
import json
import time
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from prometheus_client import REGISTRY

from ingestion.counting import Counts
from ingestion.key_file import changing
from ingestion.keys import make_key, revoked, rotated
from tests.ingestion.made import BROWSER, Client, page_view
from tests.support.timeline import event_id
from tidemark.decoding import decode_event
from tidemark.events import Event
from tidemark.topics import BOTS, EVENTS

GOOGLE = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def kept(door: Client) -> list[Event]:
    return [decode_event(value)[0] for _, _, value in door.kept.records]


def test_an_event_is_kept_and_answered_with_its_id(door: Client) -> None:
    answer = door.post("/event", page_view(event_id=event_id(1), user_id="u", title="Shop", referrer="https://r/"))
    assert answer.status == 200
    assert answer.json() == {"status": "accepted", "event_id": event_id(1)}
    [(topic, key, value)] = door.kept.records
    assert (topic, key) == (EVENTS.name, b"u")
    assert json.loads(value) == {
        "eventId": event_id(1),
        "timestamp": 1_795_336_200_000,
        "eventType": "PAGE_VIEW",
        "sessionId": json.loads(value)["sessionId"],
        "siteId": "shop",
        "userId": "u",
        "pageViewData": {"url": "/", "title": "Shop", "referrer": "https://r/"},
        "sessionData": {"deviceType": "desktop", "browser": "Firefox", "os": "Linux"},
    }


def test_all_missing_fields_are_named_at_once(door: Client) -> None:
    answer = door.post("/event", {"event_type": "page_view"})
    assert answer.status == 400
    assert answer.json() == {
        "status": "error",
        "message": "Missing required fields: site_id, timestamp",
        "errors": [
            {"field": "site_id", "expected": "a value", "got": "nothing"},
            {"field": "timestamp", "expected": "a value", "got": "nothing"},
        ],
    }
    assert door.kept.records == []


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"site_id": 7}, ["site_id"]),
        ({"site_id": "x" * 65}, ["site_id"]),
        ({"timestamp": "yesterday"}, ["timestamp"]),
        ({"timestamp": -1}, ["timestamp"]),
        ({"timestamp": "1969-12-31T23:59:59Z"}, ["timestamp"]),
        ({"timestamp": "2999-01-01T00:00:00Z"}, ["timestamp"]),
        ({"sent_at": "now"}, ["sent_at"]),
        ({"event_id": "7"}, ["event_id"]),
        ({"event_id": "x" * 36}, ["event_id"]),
        ({"path": None}, ["path"]),
        ({"path": "x" * 2001}, ["path"]),
        ({"value": -1, "user_id": ""}, ["user_id", "value"]),
    ],
)
def test_wrong_fields_are_named(fields: dict[str, Any], wrong: list[str], door: Client) -> None:
    answer = door.post("/event", page_view(**fields))
    assert answer.status == 400
    assert [error["field"] for error in answer.json()["errors"]] == wrong
    assert door.kept.records == []


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"[" * 100_000, b"[]", b"7", b"null", b'{"a":1}x', b'"\xed\xa0\x80"']
)
def test_what_is_no_event_is_refused(body: bytes, door: Client) -> None:
    answer = door.post("/event", body)
    assert answer.status in (400, 413)
    assert answer.json()["status"] == "error"


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("page_view", "PAGE_VIEW"),
        ("pageview", "PAGE_VIEW"),
        ("Session_Start", "SESSION_START"),
        ("session_end", "SESSION_END"),
        ("CONVERSION", "CONVERSION"),
        ("scroll", "scroll"),
        ("Add to cart", "Add to cart"),
    ],
)
def test_event_types(given: str, stored: str, door: Client) -> None:
    assert door.post("/event", page_view(event_type=given)).status == 200
    assert kept(door)[0].event_type == stored


def test_the_platforms_own_shape_is_taken_too_without_the_address(door: Client) -> None:
    own = {
        "eventId": event_id(1),
        "timestamp": 1_700_000_000_000,
        "eventType": "CONVERSION",
        "siteId": "shop",
        "sessionId": "s",
        "sessionData": {"ipAddress": "192.0.2.7", "browser": "Own"},
        "conversionData": {"value": 9.5, "currency": "EUR", "orderId": "o"},
    }
    assert door.post("/event", own).json()["event_id"] == event_id(1)
    [event] = kept(door)
    assert event.session_data is not None
    assert event.session_data.ip_address is None
    assert (event.session_data.country, event.session_data.browser) == ("DE", "Own")
    assert event.revenue_micros == 9_500_000
    answer = door.post("/event", {"eventType": "scroll", "eventId": event_id(1)})
    assert answer.json()["message"] == "Missing required fields: timestamp, sessionId"


def test_a_batch_is_an_array_or_lines_and_each_event_is_judged_by_itself(door: Client) -> None:
    good, bad = page_view(event_id=event_id(1)), {"site_id": "shop"}
    as_array = door.post("/events", [good, bad, good])
    lines = b"\n".join(json.dumps(one).encode() for one in (good, bad, good))
    as_lines = door.post("/events", b"\r\n" + lines + b"\n\n")
    packed = door.post("/events", gzip.compress(lines[:50]) + gzip.compress(lines[50:]), content_encoding="gzip")
    for answer in (as_array, as_lines, packed):
        assert answer.status == 200
        told = answer.json()
        assert (told["status"], told["accepted"], told["rejected"]) == ("partial", 2, 1)
        assert [one["status"] for one in told["results"]] == ["accepted", "error", "accepted"]
        assert told["results"][1]["reason"] == "INVALID_FIELD"
    assert len(door.kept.records) == 6
    broken = door.post("/events", json.dumps(good).encode() + b"\n{broken\n")
    assert [one.get("reason") for one in broken.json()["results"]] == [None, "UNDECODABLE"]
    assert door.post("/events", [bad]).status == 400
    assert door.post("/events", []).json() == {"status": "accepted", "accepted": 0, "rejected": 0, "results": []}


def test_bodies_are_bounded_packed_and_unpacked(door: Client) -> None:
    assert door.post("/event", page_view(title="x" * 70_000)).status == 413
    assert door.post("/event", gzip.compress(bytes(10_000_000)), content_encoding="gzip").status == 413
    assert door.post("/event", b"x", content_length="99999999999999999999999").status == 413
    assert door.ask("POST", "/event", *[b"x" * 1_000] * 100).status == 413
    assert door.post("/events", b"1\n" * 2_001).status == 413
    assert door.post("/events", [page_view(title="x" * 70_000)]).json()["results"][0]["reason"] == "TOO_LARGE"
    assert door.post("/event", b"no gzip", content_encoding="gzip").status == 400
    assert door.post("/event", gzip.compress(b"{}")[:-5], content_encoding="gzip").status == 400
    assert door.post("/event", b"{}", content_encoding="br").status == 400


def test_bodies_in_hand_are_bounded_and_let_go(tmp_path: Path) -> None:
    door = Client(tmp_path, memory=1_000)
    for _ in range(3):
        assert door.post("/event", page_view(title="x" * 1_000)).status == 503
        assert door.post("/event", page_view()).status == 200


def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    door = Client(tmp_path, slow_client_s=0.05)

    assert door.ask("POST", "/event", b'{"site_id":', whole=False).status == 408


def test_what_cannot_be_kept_is_never_accepted(door: Client) -> None:
    door.kept.full = True
    for answer in (door.post("/event", page_view()), door.post("/events", [page_view()])):
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) >= 1


def test_the_pixel(door: Client) -> None:
    answer = door.get("/event.gif?site_id=shop&event_type=conversion&value=9.5&path=/t%C3%BCr&user_id=&title=%FF")
    assert (answer.status, answer.headers["content-type"], len(answer.body)) == (200, "image/gif", 43)
    [event] = kept(door)
    assert event.revenue_micros == 9_500_000
    assert abs(event.timestamp - time.time() * 1_000) < 60_000
    assert event.page_view_data is not None
    assert event.page_view_data.url == "/tür"
    refused = door.get("/event.gif?site_id=shop&value=much")
    assert refused.status == 400
    assert [error["field"] for error in refused.json()["errors"]] == ["event_type", "value"]


def test_beacons_and_other_pages(door: Client) -> None:
    answer = door.post("/event", page_view(), content_type="text/plain;charset=UTF-8", origin="https://shop.example")
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    preflight = door.ask("OPTIONS", "/event", headers={"origin": "https://shop.example"})
    assert preflight.status == 204
    assert "POST" in preflight.headers["access-control-allow-methods"]
    # Browsers ask with credentials when a beacon's content type is JSON, and then take no "*".
    assert preflight.headers["access-control-allow-origin"] == "https://shop.example"
    assert preflight.headers["access-control-allow-credentials"] == "true"
    assert "access-control-allow-origin" not in door.post("/event", page_view()).headers
    assert "authorization" in preflight.headers["access-control-allow-headers"]


def test_only_the_pages_of_the_settings_may_send(tmp_path: Path) -> None:
    door = Client(tmp_path, origins=frozenset({"https://shop.example"}))
    good = door.post("/event", page_view(), origin="https://shop.example")
    assert good.headers["access-control-allow-origin"] == "https://shop.example"
    assert door.post("/event", page_view()).status == 200
    other = door.post("/event", page_view(), origin="https://evil.example")
    assert other.status == 403
    assert "access-control-allow-origin" not in other.headers


def test_visitors_without_an_id_are_told_apart_by_site_address_and_agent(door: Client) -> None:
    def session(peer: str = "192.0.2.7", agent: str = BROWSER, **fields: Any) -> str:
        body = json.dumps(page_view(**fields)).encode()
        assert door.ask("POST", "/event", body, peer=peer, headers={"user_agent": agent}).status == 200
        return kept(door)[-1].session_id

    assert session() == session() == session(path="/other")
    others = {session(peer="192.0.2.8"), session(agent="x"), session(site_id="b"), session(user_id="u")}
    assert len({session(), *others}) == 5
    assert session(user_id="u") == session(user_id="u", peer="192.0.2.9")
    assert session(session_id="mine") == "mine"
    assert session(peer="2001:db8::1") == session(peer="2001:db8::2") != session(peer="2001:db8:0:1::1")
    # A back end tells whose address it is.
    assert session(ip_address="192.0.2.7", peer="198.51.100.1") == session()


def test_no_address_is_in_what_is_kept(door: Client) -> None:
    door.ask("POST", "/event", json.dumps(page_view(ip_address="192.0.2.7")).encode(), peer="198.51.100.77")
    assert b"192.0.2.7" not in door.kept.records[0][2]
    assert b"198.51.100.77" not in door.kept.records[0][2]
    assert b'"country":"DE"' in door.kept.records[0][2]


def test_forwarded_addresses_are_believed_of_trusted_proxies_only(tmp_path: Path) -> None:
    door = Client(tmp_path, trusted_proxies=(ip_network("10.0.0.0/8"),))
    body = json.dumps(page_view()).encode()
    for peer, forwarded, country in [
        ("10.0.0.1", "192.0.2.7", "DE"),
        ("10.0.0.1", "1.2.3.4, 192.0.2.7, 10.0.0.2", "DE"),
        ("10.0.0.1", "192.0.2.7, 1.2.3.4", None),
        ("9.9.9.9", "192.0.2.7", None),
    ]:
        door.ask("POST", "/event", body, peer=peer, headers={"x_forwarded_for": forwarded})
        data = kept(door)[-1].session_data
        assert data is not None
        assert data.country == country, (peer, forwarded)


def test_bots_go_to_a_topic_of_their_own_and_back_ends_are_none(door: Client) -> None:
    for agent, topic in [(GOOGLE, BOTS), (BROWSER, EVENTS), ("curl/8.5.0", EVENTS), ("python-requests/2", EVENTS)]:
        assert door.post("/event", page_view(), user_agent=agent).status == 200
        assert door.kept.records[-1][0] == topic.name, agent
    door.post("/event", page_view(user_agent=GOOGLE), user_agent="python-requests/2")
    assert door.kept.records[-1][0] == BOTS.name


def test_who_does_not_want_to_be_tracked_is_not_if_so_set(tmp_path: Path) -> None:
    door = Client(tmp_path, honour_do_not_track=True)
    assert door.post("/event", page_view(), sec_gpc="1").status == 403
    assert door.post("/event", page_view(), dnt="1").status == 403
    assert door.post("/event", page_view(), dnt="0").status == 200
    assert len(door.kept.records) == 1


def test_a_wrong_clock_is_put_right_by_when_the_event_was_sent(door: Client) -> None:
    now = time.time_ns() // 1_000_000
    door.post("/event", page_view(timestamp=now + 3_600_000 - 500, sent_at=now + 3_600_000))
    assert abs(kept(door)[0].timestamp - (now - 500)) < 1_000
    door.post("/event", page_view(timestamp=now - 700, sent_at=now - 200))
    assert kept(door)[1].timestamp == now - 700
    assert door.post("/event", page_view(timestamp=now + 200_000)).status == 400


def test_keys_open_their_site_only(door: Client) -> None:
    path = door.keys._path
    text, key = make_key("shop", 0)
    with changing(path) as keys:
        keys.append(key)
    assert text.encode() not in path.read_bytes()
    door.keys.look()
    assert door.post("/event", page_view()).status == 401
    assert door.post("/event", page_view(), authorization=f"Bearer {text}").status == 200
    assert door.post(f"/event?key={text}", page_view()).status == 200
    assert door.post("/event", page_view(), authorization="Bearer tmk_wrong").status == 401
    assert door.post("/event", page_view(site_id="other"), authorization=f"Bearer {text}").status == 403
    assert door.post("/event", page_view(site_id="other")).status == 200
    mixed = door.post("/events", [page_view(), page_view(site_id="other")], authorization=f"Bearer {text}").json()
    assert [one.get("reason") for one in mixed["results"]] == [None, "WRONG_SITE"]
    with changing(path) as keys:
        keys[:] = revoked(keys, key.id, 1)
    door.keys.look()
    assert door.post("/event", page_view(), authorization=f"Bearer {text}").status == 401
    assert door.post("/event", page_view()).status == 401


def test_a_rotated_key_is_valid_for_a_while(door: Client) -> None:
    now = time.time_ns() // 1_000_000
    text, key = make_key("shop", now)
    for until, status in [(now + 60_000, 200), (now, 401)]:
        with changing(door.keys._path) as keys:
            keys[:] = rotated([key], "shop", until)
        door.keys.look()
        assert door.post("/event", page_view(), authorization=f"Bearer {text}").status == status


def test_a_door_may_ask_for_keys_of_every_site(tmp_path: Path) -> None:
    assert Client(tmp_path, keys_required=True).post("/event", page_view()).status == 401


def test_sites_and_addresses_may_send_so_much(tmp_path: Path) -> None:
    by_site = Client(tmp_path, rate_per_site=1.0)
    told = by_site.post("/events", [page_view()] * 5 + [page_view(site_id="b")]).json()
    assert [one.get("reason") for one in told["results"]] == [None] * 2 + ["RATE_LIMITED"] * 3 + [None]
    by_address = Client(tmp_path, rate_per_address=1.0)
    assert by_address.post("/events", [page_view()] * 5).status == 200
    refused = by_address.post("/event", page_view())
    assert (refused.status, refused.headers["retry-after"]) == (429, "4")
    assert by_address.ask("POST", "/event", json.dumps(page_view()).encode(), peer="192.0.2.7").status == 200


def test_how_the_process_stands(door: Client) -> None:
    assert door.get("/health").json() == {"status": "ok", "service": "ingestion-service"}
    assert door.get("/ready").status == 200
    door.post("/event", {"site_id": 7})
    assert b"analytics_ingestion_events_total" in door.get("/metrics").body
    assert door.get("/nothing").status == 404
    assert (door.get("/event").status, door.get("/event").headers["allow"]) == (405, "POST, OPTIONS")


def test_only_a_get_of_the_pixel_is_an_event(door: Client) -> None:
    assert door.ask("HEAD", "/event.gif?site_id=shop&event_type=x").status == 405
    assert door.ask("OPTIONS", "/event.gif?site_id=shop&event_type=x").status == 204
    assert door.kept.records == []
    assert door.ask("HEAD", "/health").status == 200


def test_ready_says_what_is_wrong_with_kafka(door: Client) -> None:
    door.kept.why = "no broker"
    assert (door.get("/ready").status, door.get("/ready").json()["message"]) == (503, "Kafka: no broker")


def test_without_a_way_for_its_counts_the_door_is_ready_and_says_so(door: Client) -> None:
    door.kept_counts.why = "no topic"
    assert (door.get("/ready").status, door.get("/ready").json()["counts_trouble"]) == (200, "no topic")


def test_what_became_of_the_events_is_counted_by_site(door: Client) -> None:
    def counted(outcome: str) -> float:
        labels = {"site": "counted", "outcome": outcome}
        return REGISTRY.get_sample_value("analytics_ingestion_events_total", labels) or 0

    door.post("/events", [page_view(site_id="counted"), page_view(site_id="counted", timestamp=2**60)])
    door.post("/event", page_view(site_id="counted"), user_agent=GOOGLE)
    door.kept.full = True
    door.post("/event", page_view(site_id="counted"))
    assert [counted(name) for name in ("accepted", "future_timestamp", "bot", "unavailable")] == [1, 1, 1, 1]


def test_sites_that_anybody_can_make_up_are_counted_as_one_above_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestion.counting.MAX_SITES", 3)
    counts = Counts(lambda site: site == "known")
    counts.add((f"made up {number}", EVENTS.name) for number in range(10))
    counts.add([("made up 2", EVENTS.name), ("known", EVENTS.name)])
    named = [
        sample.labels["site"] for metric in REGISTRY.collect() for sample in metric.samples if "site" in sample.labels
    ]
    assert {"made up 0", "made up 1", "made up 2", "(others)", "known"} <= set(named)
    assert "made up 3" not in named


def test_without_a_salt_a_visitor_cannot_be_made_out_and_the_event_may_come_again(door: Client) -> None:
    def fail(*_: int) -> bytes:
        raise OSError(28, "No space left on device")

    door.app._rules = replace(door.rules, salt=fail)
    assert door.post("/event", page_view()).status == 503
    assert door.post("/event", page_view(user_id="u")).status == 200

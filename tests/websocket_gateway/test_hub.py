import json
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from tests.websocket_gateway.made import alert, update
from tidemark.results import (
    ACTIVE_USERS,
    BOUNCE_RATE,
    CONVERSION_RATE,
    EVENTS_BY_OUTCOME,
    POPULAR_CONTENT,
    MetricUpdate,
)
from websocket_gateway import hub as hub_module
from websocket_gateway.client import TooManyMessages
from websocket_gateway.formats import JSON, MSGPACK, Format
from websocket_gateway.hub import FORGET_AFTER_MS, Hub
from websocket_gateway.protocol import Limits

Message = dict[str, Any]

T = 1_000_020_000  # a multiple of 60 s


class Talk:
    """A hub and one client of it, which speak a format."""

    def __init__(self, hub: Hub | None = None, format: Format = JSON, **limits: int) -> None:
        self.hub = hub or Hub("epoch", Limits(**limits))
        self.client, hello = self.hub.connect(T, format=format)
        self.hello: Message = format.decode(format.encode(hello))

    def ask(self, now: int = T, **request: Any) -> Message:
        format = self.client.format
        answer: Message = format.decode(format.encode(self.hub.receive(self.client, format.encode(request), now)))
        return answer

    def take(self, *updates: MetricUpdate, now: int = T) -> list[bool]:
        return [self.hub.take(one, now) for one in updates]

    def flush(self, now: int = T) -> bool:
        """Flush; say whether the client is among those that have something to be sent."""
        return self.client in self.hub.flush(now)

    def messages(self) -> list[Message]:
        encoded = iter(lambda: self.hub.next_message(self.client), None)
        return [self.client.format.decode(one) for one in encoded if one is not None]


@pytest.fixture
def talk() -> Talk:
    return Talk()


def test_the_hello_tells_epoch_time_protocol_and_limits(talk: Talk) -> None:
    limits = talk.hello.pop("limits")
    assert talk.hello == {"type": "hello", "epoch": "epoch", "serverTime": T, "protocol": 1}
    assert limits["maxMessageBytes"] == 16_384
    assert limits["stallTimeoutMs"] == 10_000


def test_a_snapshot_has_the_latest_values_and_the_last_20_points(talk: Talk) -> None:
    ends = [T - 5_000 * n for n in range(24, -1, -1)]
    talk.take(*(update(ACTIVE_USERS, end, end / 5_000, final=end < T) for end in ends))
    talk.take(update(ACTIVE_USERS, T + 5_000, 7.0))
    answer = talk.ask(action="subscribe", id="mine", metrics=["activeUsers"])
    snapshot = answer.pop("snapshot")
    assert answer == {"type": "subscribed", "id": "mine", "site": "default", "metrics": ["activeUsers"]}
    points = snapshot.pop("points")
    assert points == {"activeUsers": [{"windowEnd": end, "value": end / 5_000, "final": end < T} for end in ends[-20:]]}
    assert snapshot == {
        "site": "default",
        "offset": talk.hub.offset,
        "timestamp": T,
        "activeUsers": T / 5_000,
        "windows": {"activeUsers": {"end": T, "final": False, "revision": 1}},
        "current": {"activeUsers": 7.0},
        "alerts": [],
    }


def test_a_list_is_sent_with_its_entries(talk: Talk) -> None:
    talk.take(update(POPULAR_CONTENT, T, 3, final=True, dimensions=[("/", 2), ("/cart", 1)]))
    snapshot = talk.ask(action="subscribe")["snapshot"]
    entries = [{"key": "/", "value": 2}, {"key": "/cart", "value": 1}]
    assert snapshot["popularContent"] == entries
    assert snapshot["points"]["popularContent"] == [
        {"windowEnd": T, "value": 3.0, "final": True, "dimensions": entries}
    ]


def test_an_empty_list_is_sent_as_such(talk: Talk) -> None:
    talk.take(update(POPULAR_CONTENT, T, final=True))
    snapshot = talk.ask(action="subscribe")["snapshot"]
    assert snapshot["popularContent"] == snapshot["points"]["popularContent"][0]["dimensions"] == []


def test_a_list_that_comes_only_final_is_no_current_one(talk: Talk) -> None:
    talk.take(update(ACTIVE_USERS, T + 5_000, 1))
    talk.take(update(EVENTS_BY_OUTCOME, T, 3, final=True, dimensions=[("accepted", 2), ("late", 1)]))
    snapshot = talk.ask(action="subscribe")["snapshot"]
    assert snapshot["eventsByOutcome"] == [{"key": "accepted", "value": 2}, {"key": "late", "value": 1}]
    assert snapshot["current"].keys() == {"activeUsers"}


def test_only_what_has_changed_is_sent(talk: Talk) -> None:
    talk.take(update(ACTIVE_USERS, T, 1), update(BOUNCE_RATE, T, 0.5), update(BOUNCE_RATE, T + 5_000, 0.4))
    talk.ask(action="subscribe")
    assert not talk.flush()
    assert talk.messages() == []
    talk.take(update(ACTIVE_USERS, T, 2, revision=2))
    assert talk.flush()
    [message] = talk.messages()
    assert message == {
        "type": "metrics",
        "site": "default",
        "offset": talk.hub.offset,
        "timestamp": T,
        "activeUsers": 2.0,
        "windows": {
            "activeUsers": {"end": T, "final": False, "revision": 2},
            "bounceRate": {"end": T, "final": False, "revision": 1},
        },
    }
    talk.take(update(BOUNCE_RATE, T + 5_000, 0.3, revision=2))
    talk.flush()
    [message] = talk.messages()
    assert message.keys() == {"type", "site", "offset", "timestamp", "current"}


def test_what_is_no_news_makes_no_message(talk: Talk) -> None:
    talk.take(update(ACTIVE_USERS, T, 1, final=True))
    talk.ask(action="subscribe")
    assert talk.take(update(ACTIVE_USERS, T, 1, final=True), update(ACTIVE_USERS, T, 9, revision=9)) == [False, False]
    assert not talk.flush()


def test_a_final_after_an_early_result_of_the_same_value_is_told(talk: Talk) -> None:
    talk.take(update(ACTIVE_USERS, T, 1))
    talk.ask(action="subscribe")
    talk.take(update(ACTIVE_USERS, T, 1, final=True))
    talk.flush()
    assert [message["windows"]["activeUsers"]["final"] for message in talk.messages()] == [True]


def test_a_window_that_ends_is_told_although_nothing_comes(talk: Talk) -> None:
    talk.take(update(ACTIVE_USERS, T + 5_000, 3))
    assert talk.ask(action="subscribe")["snapshot"]["current"] == {"activeUsers": 3.0}
    assert talk.hub.due() == T + 5_000
    assert not talk.flush(T + 4_999)
    assert talk.flush(T + 5_000)
    [message] = talk.messages()
    assert (message["activeUsers"], message["current"]) == (3.0, {})
    assert talk.hub.due() is None


def test_current_names_every_metric_that_has_an_open_window(talk: Talk) -> None:
    talk.ask(action="subscribe")
    talk.take(update(ACTIVE_USERS, T + 5_000, 3), update(CONVERSION_RATE, T + 10_000, 0.1))
    talk.flush()
    talk.messages()
    talk.take(update(CONVERSION_RATE, T + 10_000, 0.2, revision=2))
    talk.flush()
    assert [message["current"] for message in talk.messages()] == [{"activeUsers": 3.0, "conversionRate": 0.2}]


def test_a_slow_client_gets_the_newest_state_in_one_message_and_the_others_are_counted(talk: Talk) -> None:
    other = Talk(talk.hub)
    for one in (talk, other):
        one.ask(action="subscribe")
    for revision in range(1, 6):
        talk.take(update(ACTIVE_USERS, T, revision, revision=revision))
        assert talk.flush()
        assert [message["activeUsers"] for message in other.messages()] == [revision]
    talk.take(update(BOUNCE_RATE, T, 0.5))
    talk.flush()
    [message] = talk.messages()
    assert (message["activeUsers"], message["bounceRate"]) == (5.0, 0.5)
    assert talk.hub.conflated == 5


def counted(monkeypatch: pytest.MonkeyPatch, formats: Iterable[Format]) -> list[object]:
    """Return what will hold each message that is encoded from now on, as often as it is."""
    encoded: list[object] = []

    def counting(encode: Callable[[object], bytes], message: object) -> bytes:
        encoded.append(message)
        return encode(message)

    for format in formats:
        monkeypatch.setattr(format, "encode", partial(counting, format.encode))
    return encoded


@pytest.mark.parametrize("formats", [[JSON], [MSGPACK], [JSON, MSGPACK]])
def test_clients_of_a_format_that_keep_pace_share_one_encoding(
    formats: list[Format], monkeypatch: pytest.MonkeyPatch
) -> None:
    talk, *others = (Talk(hub, format) for hub in [Hub("epoch", Limits())] for _ in range(3) for format in formats)
    for one in (talk, *others):
        one.ask(action="subscribe")
    encoded = counted(monkeypatch, formats)
    for revision in (1, 2, 3):
        talk.take(update(ACTIVE_USERS, T, revision, revision=revision))
        talk.flush()
        assert len({json.dumps(one.messages()) for one in (talk, *others)}) == 1
    assert len(encoded) == 3 * len(formats)


def test_offsets_grow_from_message_to_message(talk: Talk) -> None:
    offsets = [talk.ask(action="subscribe")["snapshot"]["offset"]]
    for revision in range(1, 5):
        talk.take(update(ACTIVE_USERS, T, revision, revision=revision))
        talk.flush()
        offsets += [message["offset"] for message in talk.messages()]
    assert len(offsets) == 5
    assert offsets == sorted(set(offsets))


def test_a_client_sees_only_its_sites_and_metrics(talk: Talk) -> None:
    talk.ask(action="subscribe", site="a", metrics=["activeUsers"])
    talk.take(update(ACTIVE_USERS, T, 1, site="b"), update(BOUNCE_RATE, T, 1, site="a"))
    assert not talk.flush()
    talk.take(update(ACTIVE_USERS, T, 2, site="a"))
    talk.flush()
    [message] = talk.messages()
    assert (message["site"], message["activeUsers"], list(message["windows"])) == ("a", 2.0, ["activeUsers"])


def test_another_subscribe_to_a_site_takes_the_place_of_the_first(talk: Talk) -> None:
    talk.ask(action="subscribe")
    assert talk.ask(action="subscribe", metrics=["bounceRate"])["metrics"] == ["bounceRate"]
    talk.take(update(ACTIVE_USERS, T, 1))
    assert not talk.flush()


def test_another_subscribe_drops_what_was_to_be_sent(talk: Talk) -> None:
    talk.ask(action="subscribe")
    talk.take(update(ACTIVE_USERS, T, 1))
    talk.flush()
    talk.ask(action="subscribe", metrics=["bounceRate"])
    assert talk.messages() == []


def test_a_subscribe_does_not_swallow_what_others_have_not_been_told(talk: Talk) -> None:
    talk.ask(action="subscribe")
    talk.take(update(ACTIVE_USERS, T, 1))
    late = Talk(talk.hub)
    assert late.ask(action="subscribe")["snapshot"]["activeUsers"] == 1.0
    assert talk.flush()
    assert [message["activeUsers"] for message in talk.messages()] == [1.0]
    assert late.messages() == []


def test_unsubscribe_ends_some_metrics_or_the_whole_site(talk: Talk) -> None:
    talk.ask(action="subscribe", metrics=["activeUsers", "bounceRate"])
    answer = talk.ask(action="unsubscribe", metrics=["activeUsers"], id=3)
    assert answer == {"type": "unsubscribed", "id": 3, "site": "default", "metrics": ["bounceRate"]}
    talk.take(update(ACTIVE_USERS, T, 1))
    assert not talk.flush()
    assert talk.ask(action="unsubscribe")["metrics"] == []
    talk.take(update(BOUNCE_RATE, T, 1))
    talk.hub.take_alert(alert("a"), T)
    assert not talk.flush()
    assert talk.messages() == []


def test_an_alert_reaches_the_subscribers_of_its_site_once(talk: Talk) -> None:
    talk.ask(action="subscribe", site="a", metrics=[])
    assert talk.hub.take_alert(alert("x", "a"), T)
    assert not talk.hub.take_alert(alert("x", "a"), T)
    talk.hub.take_alert(alert("y", "b"), T)
    assert talk.flush()
    [message] = talk.messages()
    assert (message["type"], message["alertId"], "lagged" in message) == ("alert", "x", False)
    late = Talk(talk.hub)
    assert [one["alertId"] for one in late.ask(action="subscribe", site="a")["snapshot"]["alerts"]] == ["x"]


def test_a_snapshot_has_the_last_alerts_about_the_site_whatever_came_of_visitors(talk: Talk) -> None:
    for number in range(25):
        talk.hub.take_alert(replace(alert(f"site-{number}", "a"), user_id=""), T)
    for number in range(200):
        talk.hub.take_alert(alert(f"x{number}", "a"), T)
    talk.hub.take_alert(replace(alert("last", "a"), user_id=""), T)
    shown = [one["alertId"] for one in talk.ask(action="subscribe", site="a")["snapshot"]["alerts"]]
    assert shown == [f"site-{n}" for n in range(6, 25)] + [f"x{n}" for n in range(181, 200)] + ["last"]


def test_a_slow_client_loses_the_oldest_alerts_and_is_told_how_many() -> None:
    talk = Talk(alerts=3)
    talk.ask(action="subscribe")
    for number in range(10):
        talk.hub.take_alert(alert(str(number)), T)
    messages = talk.messages()
    assert [(message["alertId"], message.get("lagged", 0)) for message in messages] == [("7", 7), ("8", 0), ("9", 0)]


def test_alerts_and_metrics_take_turns(talk: Talk) -> None:
    talk.ask(action="subscribe")
    kinds = []
    for number in range(6):
        for name in ("a", "b"):
            talk.hub.take_alert(alert(f"{name}{number}"), T)
        talk.take(update(ACTIVE_USERS, T, number, revision=number))
        talk.flush()
        encoded = talk.hub.next_message(talk.client)
        assert encoded is not None
        kinds.append(json.loads(encoded)["type"])
    assert kinds in (["alert", "metrics"] * 3, ["metrics", "alert"] * 3)


def test_only_so_many_alert_ids_are_remembered(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "REMEMBERED_ALERTS", 3)
    assert [talk.hub.take_alert(alert(name), T) for name in "abcdda"] == [True] * 4 + [False, True]


def test_who_subscribes_to_nothing_gets_everything_of_the_default_site_every_5_s(talk: Talk) -> None:
    talk.take(update(ACTIVE_USERS, T, 1), update(ACTIVE_USERS, T, 1, site="other"))
    assert talk.hub.due() == T + 5_000
    assert not talk.flush(T + 4_999)
    for now in (T + 5_000, T + 10_000):
        assert talk.flush(now)
        [message] = talk.messages()
        assert (message["type"], message["site"], message["activeUsers"]) == ("metrics", "default", 1.0)
        assert (message["timestamp"], message["current"]) == (now, {})
        talk.take(update(ACTIVE_USERS, T + 1_000_000, 1))
        assert not talk.flush(now + 100)


def test_a_simple_client_that_subscribes_after_all_gets_updates_as_they_come(talk: Talk) -> None:
    talk.flush(T + 5_000)
    talk.messages()
    talk.ask(now=T + 6_000, action="subscribe", site="a")
    assert not talk.flush(T + 10_000)
    talk.take(update(ACTIVE_USERS, T, 1, site="a"), update(ACTIVE_USERS, T, 1))
    talk.flush(T + 10_050)
    assert [message["site"] for message in talk.messages()] == ["a"]


def test_pings_are_answered_with_the_time(talk: Talk) -> None:
    assert talk.ask(now=T + 3, action="ping", id=9) == {"type": "pong", "id": 9, "serverTime": T + 3}


def test_too_many_sites_are_refused_and_nothing_changes() -> None:
    talk = Talk(max_sites=2)
    talk.ask(action="subscribe", site="a")
    talk.ask(action="subscribe", site="b")
    answer = talk.ask(action="subscribe", site="c", id=1)
    assert (answer["type"], answer["code"], answer["id"]) == ("error", "too_many_sites", 1)
    assert talk.ask(action="subscribe", site="b")["type"] == "subscribed"


def test_too_many_messages_are_refused_for_a_second_then_end_the_connection() -> None:
    talk = Talk(max_messages_per_second=3)
    answers = [talk.ask(action="ping") for _ in range(12)]
    assert [answer["type"] for answer in answers] == ["pong"] * 3 + ["error"] * 9
    assert (answers[-1]["code"], answers[-1]["temporary"]) == ("rate_limited", True)
    with pytest.raises(TooManyMessages):
        talk.ask(action="ping")
    assert talk.ask(now=T + 1_000, action="ping")["type"] == "pong"


def test_a_snapshot_is_of_now_also_when_another_sites_was_asked_for_just_before(talk: Talk) -> None:
    talk.ask(action="subscribe")
    talk.take(update(ACTIVE_USERS, T + 5_000, 7, final=True))
    talk.flush()
    talk.ask(action="subscribe", site="b", now=T + 5_000)
    snapshot = talk.ask(action="subscribe", now=T + 5_001)["snapshot"]
    assert snapshot["activeUsers"] == 7
    assert [point["windowEnd"] for point in snapshot["points"]["activeUsers"]] == [T + 5_000]


def test_an_unknown_metric_in_the_topic_is_passed_over(talk: Talk) -> None:
    assert talk.take(update("scroll_depth", T, 1)) == [False]


def test_a_silent_site_is_forgotten_after_an_hour(talk: Talk) -> None:
    talk.take(update(ACTIVE_USERS, T, 1), update(ACTIVE_USERS, T, 1, site="b"))
    talk.take(update(ACTIVE_USERS, T + 5_000, 1, site="b"), now=T + FORGET_AFTER_MS)
    talk.flush(T + FORGET_AFTER_MS)
    assert "activeUsers" not in talk.ask(action="subscribe")["snapshot"]
    assert "activeUsers" in talk.ask(action="subscribe", site="b")["snapshot"]


def test_clients_that_go_leave_nothing_behind() -> None:
    hub = Hub("epoch", Limits())
    hub.take(update(ACTIVE_USERS, T + 5_000, 1, site="a"), T)
    hub.take_alert(alert("known", "a"), T)
    before = _sizes(hub)
    for number in range(10):
        talk = Talk(hub)
        for site in ("a", "b", "c"):
            talk.ask(action="subscribe", site=site)
        hub.take(update(ACTIVE_USERS, T + 5_000, number, revision=2 + number, site="a"), T)
        hub.flush(T)
        hub.take_alert(alert(f"unread-{number}", "a"), T)
        hub.disconnect(talk.client)
        hub.disconnect(Talk(hub).client)
        assert hub.flush(T) == set()
    before["_alert_ids"] += 10
    assert _sizes(hub) == before


def _sizes(hub: Hub) -> dict[str, int]:
    return {name: len(value) for name, value in vars(hub).items() if hasattr(value, "__len__")}

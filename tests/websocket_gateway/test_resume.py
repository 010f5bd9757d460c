"""What a client is told that comes back with ``since``: what it has missed, or that this is not known any more."""

from typing import Any

import pytest

from tests.websocket_gateway.made import alert, update
from tests.websocket_gateway.test_hub import Message, T, Talk
from tidemark.results import ACTIVE_USERS, BOUNCE_RATE
from websocket_gateway.hub import FORGET_AFTER_MS


def left() -> tuple[Talk, dict[str, Any]]:
    """A client that has subscribed and gone, and where it was."""
    talk = Talk(points=3, alerts=4)
    talk.take(update(ACTIVE_USERS, T, 1, final=True), update(BOUNCE_RATE, T, 0.5, final=True))
    offset = talk.ask(action="subscribe")["snapshot"]["offset"]
    talk.hub.disconnect(talk.client)
    return talk, {"epoch": "epoch", "offset": offset, "alertOffset": offset}


def come_back(talk: Talk, since: dict[str, Any], now: int = T, **request: Any) -> tuple[Message, list[Message]]:
    """Return the answer to a subscribe of the same client on another connection, and what comes then."""
    talk.client, _ = talk.hub.connect(now)
    answer = talk.ask(now, action="subscribe", since=since, **request)
    talk.flush(now)
    return answer, talk.messages()


def test_who_has_missed_nothing_is_told_nothing() -> None:
    talk, since = left()
    answer, messages = come_back(talk, since, id=7)
    assert answer.pop("metrics")
    assert (answer, messages) == ({"type": "subscribed", "id": 7, "site": "default", "recovered": True}, [])


def test_windows_that_ended_meanwhile_and_alerts_come_once_as_messages_like_all_others() -> None:
    talk, since = left()
    talk.take(update(ACTIVE_USERS, T + 5_000, 2, final=True), update(ACTIVE_USERS, T + 10_000, 3))
    talk.hub.take_alert(alert("a"), T)
    talk.hub.take_alert(alert("b"), T)
    answer, messages = come_back(talk, since, T + 10_000)
    assert (answer["recovered"], "snapshot" in answer) == (True, False)
    [first, told, second] = sorted(messages, key=lambda message: message.get("alertId", "aa"))
    assert (first["alertId"], second["alertId"]) == ("a", "b")
    assert since["offset"] < first["offset"] < second["offset"]
    assert told["earlier"] == {"activeUsers": [{"windowEnd": T + 5_000, "value": 2.0, "final": True}]}
    assert (told["activeUsers"], told["windows"]["activeUsers"]["end"], "bounceRate" in told) == (
        3.0,
        T + 10_000,
        False,
    )
    since = {"epoch": "epoch", "offset": told["offset"], "alertOffset": first["offset"]}
    assert [message["alertId"] for message in come_back(talk, since, T + 10_000)[1]] == ["b"]


def test_a_final_that_came_late_is_told_to_who_was_away_and_to_who_was_there() -> None:
    talk, since = left()
    there = Talk(talk.hub)
    there.ask(action="subscribe")
    talk.take(update(ACTIVE_USERS, T - 5_000, 9, final=True))
    _, [told] = come_back(talk, since)
    assert told["earlier"] == {"activeUsers": [{"windowEnd": T - 5_000, "value": 9.0, "final": True}]}
    assert [message["earlier"] for message in there.messages()] == [told["earlier"]]
    assert "activeUsers" not in told


@pytest.mark.parametrize("wrong", [{"epoch": "other"}, {"offset": 10**6}, {"alertOffset": 10**6}])
def test_another_epoch_or_an_offset_that_was_never_is_answered_with_a_snapshot(wrong: dict[str, Any]) -> None:
    talk, since = left()
    answer, messages = come_back(talk, since | wrong)
    assert (answer["recovered"], answer["snapshot"]["activeUsers"], messages) == (False, 1.0, [])


def test_so_many_windows_as_are_remembered_are_recovered_and_not_one_more() -> None:
    talk, since = left()
    talk.take(*(update(ACTIVE_USERS, T + 5_000 * n, n, final=True) for n in (1, 2, 3)), now=T + 15_000)
    assert come_back(talk, since, T + 15_000)[0]["recovered"] is True
    talk.take(update(ACTIVE_USERS, T + 20_000, 4, final=True), now=T + 20_000)
    assert come_back(talk, since, T + 20_000)[0]["recovered"] is False
    assert come_back(talk, since, T + 20_000, metrics=["bounceRate"])[0]["recovered"] is True


def test_so_many_alerts_as_are_remembered_are_recovered_and_not_one_more() -> None:
    talk, since = left()
    for name in "abcd":
        talk.hub.take_alert(alert(name), T)
    assert [message["alertId"] for message in come_back(talk, since)[1]] == list("abcd")
    talk.hub.take_alert(alert("e"), T)
    answer, _ = come_back(talk, since)
    assert answer["recovered"] is False
    assert [one["alertId"] for one in answer["snapshot"]["alerts"]] == list("bcde")


def test_a_site_that_was_forgotten_is_not_recovered() -> None:
    talk, since = left()
    talk.flush(T + FORGET_AFTER_MS)
    assert come_back(talk, since, T + FORGET_AFTER_MS)[0]["recovered"] is False


def test_without_an_alert_offset_the_alerts_after_the_offset_come() -> None:
    talk, since = left()
    talk.hub.take_alert(alert("a"), T)
    del since["alertOffset"]
    assert [message["alertId"] for message in come_back(talk, since)[1]] == ["a"]


def test_a_subscribe_of_what_is_subscribed_drops_the_alerts_that_its_snapshot_holds() -> None:
    talk = Talk()
    talk.ask(action="subscribe")
    talk.hub.take_alert(alert("a"), T)
    assert [one["alertId"] for one in talk.ask(action="subscribe")["snapshot"]["alerts"]] == ["a"]
    assert talk.messages() == []

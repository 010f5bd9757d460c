"""Who asks for a site's visits gets them whole: at once, and then when they have changed, at most once a second."""

import pytest

from tests.websocket_gateway.made import alert, update, visit
from tests.websocket_gateway.test_hub import Message, T, Talk
from tidemark.results import ACTIVE_USERS
from websocket_gateway.hub import FORGET_AFTER_MS, Hub
from websocket_gateway.journeys import MINUTE_MS, MINUTES
from websocket_gateway.protocol import Limits


@pytest.fixture
def talk() -> Talk:
    return Talk(Hub("epoch", Limits(), ["/", "/cart"]))


def ids(messages: list[Message]) -> list[list[str]]:
    """The visits in the visits messages, in order; what else has come does not matter."""
    return [[one["visitId"] for one in told["latest"]] for told in messages if told["type"] == "visits"]


def after_a_flush(talk: Talk, now: int) -> list[list[str]]:
    talk.flush(now)
    return ids(talk.messages())


def test_only_who_asks_gets_visits(talk: Talk) -> None:
    other = Talk(talk.hub)
    talk.ask(action="subscribe", visits=True)
    other.ask(action="subscribe")
    talk.hub.take_visit(visit("a", T), T)
    talk.hub.take(update(ACTIVE_USERS, T, 1), T)
    assert other.flush()
    assert [message["type"] for message in other.messages()] == ["metrics"]
    [told, _] = talk.messages()
    assert [told.pop("type"), told.pop("site"), told.pop("timestamp")] == ["visits", "default", T]
    assert told.pop("offset") == talk.hub.offset
    assert [one["visitId"] for one in told.pop("latest")] == ["a"]
    steps = [{"key": key, "value": value} for key, value in (("/", 1), ("/cart", 0), ("CONVERSION", 0))]
    assert told == {"funnel": {"minutes": MINUTES, "visits": 1, "steps": steps}}


def test_a_site_without_visits_is_told_of_too(talk: Talk) -> None:
    talk.ask(action="subscribe", site="blank", visits=True)
    assert after_a_flush(talk, T) == [[]]


def test_changes_are_told_at_most_once_a_second_the_newest_only(talk: Talk) -> None:
    talk.ask(action="subscribe", visits=True)
    assert after_a_flush(talk, T) == [[]]
    for number in range(3):
        talk.hub.take_visit(visit(f"v{number}", T + number), T + 100 + number)
    assert talk.hub.due() == T + 1_000
    assert after_a_flush(talk, T + 999) == []
    assert after_a_flush(talk, T + 1_000) == [["v2", "v1", "v0"]]
    assert after_a_flush(talk, T + 5_000) == []
    talk.hub.take_visit(visit("v1", T + 1), T + 5_001)
    assert after_a_flush(talk, T + 5_001) == []
    talk.hub.take_visit(visit("v3", T + 3), T + 6_000)
    assert after_a_flush(talk, T + 6_000) == [["v3", "v2", "v1", "v0"]]


def test_a_slow_client_gets_the_newest_and_that_is_counted(talk: Talk) -> None:
    talk.ask(action="subscribe", visits=True)
    for number in range(3):
        talk.hub.take_visit(visit(f"v{number}", T + number), T + number * 1_000)
        talk.flush(T + number * 1_000)
    assert (ids(talk.messages()), talk.hub.conflated) == ([["v2", "v1", "v0"]], 2)


def test_clients_of_a_site_share_one_encoding(talk: Talk) -> None:
    talks = [talk, Talk(talk.hub), Talk(talk.hub)]
    for each in talks:
        each.ask(action="subscribe", metrics=[], visits=True)
    talk.flush()
    first, *others = [each.hub.next_message(each.client) for each in talks]
    assert first is not None
    assert all(each is first for each in others)


def test_who_comes_later_or_comes_back_gets_the_state_at_once_and_the_others_nothing(talk: Talk) -> None:
    offset = talk.ask(action="subscribe", visits=True)["snapshot"]["offset"]
    talk.hub.take_visit(visit("a", T), T)
    assert after_a_flush(talk, T) == [["a"]]
    late = Talk(talk.hub)
    since = {"epoch": "epoch", "offset": offset}
    assert late.ask(T + 100, action="subscribe", visits=True, since=since)["recovered"] is True
    assert late.flush(T + 100)
    assert (ids(late.messages()), ids(talk.messages())) == ([["a"]], [])


def test_the_funnel_moves_on_when_old_visits_fall_out_of_it(talk: Talk) -> None:
    talk.hub.take_visit(visit("a", T), T)
    talk.ask(action="subscribe", visits=True)
    assert after_a_flush(talk, T) == [["a"]]
    due = talk.hub.due()
    assert due == T + (MINUTES + 1) * MINUTE_MS
    talk.flush(due)
    [told] = talk.messages()
    assert (told["funnel"]["visits"], len(told["latest"])) == (0, 1)


def test_old_visits_that_fall_out_just_after_something_was_told_wait_for_a_second(talk: Talk) -> None:
    falls = T + (MINUTES + 1) * MINUTE_MS
    talk.ask(action="subscribe", visits=True)
    talk.hub.take_visit(visit("a", T), T)
    talk.flush(T)
    talk.hub.take_visit(visit("b", falls - 10), falls - 10)
    talk.flush(falls - 10)
    talk.messages()
    assert after_a_flush(talk, falls) == []
    assert after_a_flush(talk, falls + 990) == [["b", "a"]]


def test_unsubscribe_ends_it_and_so_does_a_subscribe_without(talk: Talk) -> None:
    for goodbye in ("unsubscribe", "subscribe"):
        talk.ask(action="subscribe", visits=True)
        talk.hub.take_visit(visit(goodbye, T), T)
        talk.flush()
        talk.ask(action=goodbye)
        assert ids(talk.messages()) == []
        talk.hub.take_visit(visit(f"{goodbye} again", T), T)
        assert after_a_flush(talk, T + 2_000) == []


def test_metrics_that_are_given_up_leave_the_visits(talk: Talk) -> None:
    talk.ask(action="subscribe", visits=True)
    talk.ask(action="unsubscribe", metrics=["activeUsers"])
    assert after_a_flush(talk, T) == [[]]


def test_a_client_that_has_gone_is_forgotten(talk: Talk) -> None:
    talk.ask(action="subscribe", visits=True)
    talk.hub.disconnect(talk.client)
    talk.hub.take_visit(visit("a", T), T)
    assert talk.hub.flush(T) == set()
    assert talk.hub.due() is None


def test_a_site_without_visits_for_long_is_forgotten(talk: Talk) -> None:
    talk.ask(action="subscribe", visits=True)
    talk.hub.take_visit(visit("a", T), T)
    talk.flush(T)
    talk.flush(T + FORGET_AFTER_MS)
    assert ids(talk.messages()) == [["a"]]
    assert after_a_flush(talk, T + FORGET_AFTER_MS + 1) == [[]]


def test_visits_do_not_hold_up_alerts_or_metrics(talk: Talk) -> None:
    talk.ask(action="subscribe", visits=True)
    talk.hub.take_alert(alert("a"), T)
    talk.hub.take(update(ACTIVE_USERS, T, 1), T)
    talk.flush()
    assert [message["type"] for message in talk.messages()] == ["visits", "alert", "metrics"]


def test_visits_is_yes_or_no(talk: Talk) -> None:
    answer = talk.ask(action="subscribe", visits="please")
    assert (answer["code"], answer["message"]) == ("invalid_field", "visits: expected true or false, got str 'please'")

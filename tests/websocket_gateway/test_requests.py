import pytest

from websocket_gateway.codes import BAD_JSON, INVALID_FIELD, UNKNOWN_ACTION, UNKNOWN_METRIC
from websocket_gateway.protocol import Ping, Request, Since, Subscribe, Unsubscribe
from websocket_gateway.requests import (
    RequestError,
    decode_request,
    metrics_of,
    site_of,
)


@pytest.mark.parametrize(
    ("raw", "request_"),
    [
        ('{"action":"subscribe"}', Subscribe()),
        ('{"action":"subscribe","site":null,"metrics":null}', Subscribe()),
        (b'{"action":"subscribe","site":"a","metrics":["bounceRate"],"id":7}', Subscribe(["bounceRate"], "a", 7)),
        ('{"action":"subscribe","metrics":[]}', Subscribe([])),
        ('{"action":"subscribe","since":{"epoch":"e","offset":3}}', Subscribe(since=Since("e", 3))),
        ('{"action":"unsubscribe","id":"x"}', Unsubscribe(id="x")),
        ('{"action":"ping","since":{"epoch":"e"}}', Ping()),
        (' {"id": 1, "action": "ping"} ', Ping(1)),
    ],
)
def test_requests_are_understood_and_unknown_fields_ignored(raw: str | bytes, request_: Request) -> None:
    assert decode_request(raw) == request_


def test_absent_site_and_metrics_mean_the_default_site_and_all_metrics() -> None:
    assert site_of(Subscribe()) == "default"
    assert len(metrics_of(Subscribe())) == 9
    assert metrics_of(Subscribe(["pageViewsPerSecond"])) == {"page_views_per_second"}
    assert metrics_of(Subscribe([])) == frozenset()


@pytest.mark.parametrize(
    ("raw", "code", "texts"),
    [
        ("{", BAD_JSON, ["message: expected JSON, got"]),
        (b"\xff", BAD_JSON, ["message: expected JSON, got"]),
        ("", BAD_JSON, ["message: expected JSON, got"]),
        ("[" * 5_000, BAD_JSON, ["message: expected JSON, got"]),
        ("[1]", BAD_JSON, ["message: expected a JSON object, got list [1]"]),
        ("{}", UNKNOWN_ACTION, ["action: expected subscribe, unsubscribe, history or ping, got nothing"]),
        ('{"action":"stop"}', UNKNOWN_ACTION, ["action: expected subscribe", "got str 'stop'"]),
        ('{"action":["ping"]}', UNKNOWN_ACTION, ["action: expected subscribe", "got list ['ping']"]),
        (
            '{"action":"subscribe","metrics":["rate"]}',
            UNKNOWN_METRIC,
            ["metrics: expected", "bounceRate", "str 'rate'"],
        ),
        ('{"action":"subscribe","metrics":"all"}', INVALID_FIELD, ["metrics: expected a list of", "got str 'all'"]),
        ('{"action":"subscribe","metrics":[3]}', INVALID_FIELD, ["metrics: expected a list of", "got list [3]"]),
        (
            '{"action":"subscribe","site":5}',
            INVALID_FIELD,
            ["site: expected a string of 1 to 64 characters, got int 5"],
        ),
        ('{"action":"unsubscribe","site":""}', INVALID_FIELD, ["site: expected", "got str ''"]),
        ('{"action":"subscribe","since":5}', INVALID_FIELD, ["since: expected an object of epoch", "got int 5"]),
        ('{"action":"subscribe","since":{"epoch":"e","offset":-1}}', INVALID_FIELD, ["since: expected an object"]),
        ('{"action":"history","minutes":7}', INVALID_FIELD, ["minutes: expected 5, 15 or 60, got int 7"]),
        ('{"action":"history"}', INVALID_FIELD, ["minutes: expected 5, 15 or 60, got nothing"]),
        ('{"action":"history","minutes":5,"metrics":["popularContent"]}', UNKNOWN_METRIC, ["got str 'popularContent'"]),
        ('{"action":"ping","id":1.5}', INVALID_FIELD, ["id: expected an integer or a string", "got float 1.5"]),
    ],
)
def test_a_wrong_request_is_answered_with_the_field_what_was_expected_and_what_came(
    raw: str | bytes, code: str, texts: list[str]
) -> None:
    with pytest.raises(RequestError) as raised:
        decode_request(raw)
    answer = raised.value.answer
    assert answer.code == code
    assert [text for text in texts if text not in answer.message] == []
    assert len(answer.message) < 400


@pytest.mark.parametrize("identity", ["7", '"x"'])
def test_an_error_echoes_the_id_if_that_is_a_good_one(identity: str) -> None:
    with pytest.raises(RequestError) as raised:
        decode_request(f'{{"action":"subscribe","site":0,"id":{identity}}}')
    assert str(raised.value.answer.id) == identity.strip('"')
    with pytest.raises(RequestError) as raised:
        decode_request('{"action":"subscribe","site":0,"id":{}}')
    assert raised.value.answer.id is None

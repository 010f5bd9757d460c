"""MessagePack says what JSON says: the same objects, each encoded once a format, and errors that name the problem."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec import UNSET, Raw, Struct, inspect, structs

from tests.websocket_gateway.made import alert, update
from tests.websocket_gateway.test_hub import T, Talk, counted
from tidemark.results import ACTIVE_USERS, POPULAR_CONTENT
from websocket_gateway.codes import BAD_MSGPACK, INVALID_FIELD, UNKNOWN_ACTION
from websocket_gateway.formats import FORMATS, JSON, MSGPACK, Format, chosen
from websocket_gateway.hub import Hub
from websocket_gateway.protocol import AlertMessage, Limits, Request, ServerMessage, Snapshot, Subscribe
from websocket_gateway.requests import RequestError, decode_request

KINDS: tuple[type[Struct], ...] = (*get_args(Request), *get_args(ServerMessage))
#: Stands for what is encoded before its message is: that must be in the message's format.
ENCODED_BEFORE = {"any": ["é", 1, 2.5, None]}
KEYS = st.text(max_size=5) | st.binary(max_size=5) | st.integers(0, 9)
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text()
    | st.binary()
    | st.datetimes(timezones=st.just(UTC))
)
pack = MSGPACK.encode


def values(kind: inspect.Type) -> st.SearchStrategy[Any]:
    """What a field of a message may hold."""
    if isinstance(kind, inspect.Metadata):
        return values(kind.type)
    return HELD[type(kind)](kind)


def optional(field: inspect.Field) -> st.SearchStrategy[Any]:
    return values(field.type) | st.just(UNSET) if field.default is UNSET else values(field.type)


def messages(kind: type[Struct]) -> st.SearchStrategy[Struct]:
    told = inspect.type_info(kind)
    assert isinstance(told, inspect.StructType)
    return st.builds(kind, **{field.name: optional(field) for field in told.fields})


HELD: dict[type[inspect.Type], Callable[[Any], st.SearchStrategy[Any]]] = {
    inspect.UnionType: lambda kind: st.one_of(*map(values, kind.types)),
    inspect.ListType: lambda kind: st.lists(values(kind.item_type), max_size=3),
    inspect.DictType: lambda kind: st.dictionaries(st.text(), values(kind.value_type), max_size=3),
    inspect.StructType: lambda kind: messages(kind.cls),
    inspect.LiteralType: lambda kind: st.sampled_from(kind.values),
    inspect.IntType: lambda _: st.integers(0, 2**63),
    inspect.FloatType: lambda _: st.floats(allow_nan=False, allow_infinity=False),
    inspect.StrType: lambda _: st.text(max_size=64),
    inspect.BoolType: lambda _: st.booleans(),
    inspect.NoneType: lambda _: st.none(),
    inspect.RawType: lambda _: st.just(ENCODED_BEFORE),
}


def through(format: Format, message: Struct) -> Any:
    """What a reader of the format finds in a message."""
    before = {
        name: Raw(format.encode(value)) for name, value in structs.asdict(message).items() if value is ENCODED_BEFORE
    }
    return format.decode(format.encode(structs.replace(message, **before)))


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@hypothesis_settings(max_examples=30, deadline=None)
def test_every_message_is_the_same_object_in_both_formats(kind: type[Struct], data: st.DataObject) -> None:
    message = data.draw(messages(kind))
    assert through(MSGPACK, message) == through(JSON, message)


def test_the_hub_tells_clients_of_both_formats_the_same() -> None:
    hub = Hub("epoch", Limits(alerts=1))
    pair = [Talk(hub, format) for format in (JSON, MSGPACK)]
    hub.take_alert(alert("old"), T)
    hub.take(update(POPULAR_CONTENT, T, 2, dimensions=[("/", 2)]), T)
    heard = [[talk.hello, talk.ask(action="subscribe", id=1), talk.ask(action="ping", id="ä")] for talk in pair]
    heard = [
        [*before, talk.ask(action="stop"), talk.ask(action="unsubscribe", site="b")]
        for talk, before in zip(pair, heard, strict=True)
    ]
    hub.take(update(ACTIVE_USERS, T, 2, final=True), T)
    for name in ("lost", "new"):
        hub.take_alert(alert(name), T)
    hub.flush(T)
    of_json, of_msgpack = [before + talk.messages() for talk, before in zip(pair, heard, strict=True)]
    assert of_json == of_msgpack
    kinds = ["hello", "subscribed", "pong", "error", "unsubscribed"]
    assert [message["type"] for message in of_json[:5]] == kinds
    assert sorted(message["type"] for message in of_json[5:]) == ["alert", "metrics"]
    assert of_json[1]["snapshot"]["points"]["popularContent"][0]["dimensions"] == [{"key": "/", "value": 2}]
    assert [message["lagged"] for message in of_msgpack if message["type"] == "alert"] == [1]


def test_snapshots_and_alerts_are_encoded_once_a_format(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub("epoch", Limits())
    clients = [hub.connect(T, format=format)[0] for format in (JSON, MSGPACK) for _ in range(3)]
    subscribe = {format: format.encode(Subscribe()) for format in (JSON, MSGPACK)}
    encoded = counted(monkeypatch, (JSON, MSGPACK))
    for client in clients:
        hub.receive(client, subscribe[client.format], T)
    assert [type(message) for message in encoded] == [Snapshot] * 2
    hub.take_alert(alert("a"), T)
    assert all(hub.next_message(client) for client in clients)
    assert [type(message) for message in encoded[2:]] == [AlertMessage] * 2


@pytest.mark.parametrize(
    ("raw", "code", "text"),
    [
        (b"", BAD_MSGPACK, "message: expected MessagePack, got: "),
        (b"\xc1", BAD_MSGPACK, "message: expected MessagePack, got: "),
        (b"\xa1\xff", BAD_MSGPACK, "message: expected MessagePack, got: 'utf-8' codec"),
        (b"\x91" * 5_000, BAD_MSGPACK, "message: expected MessagePack, got: "),
        ('{"action":"ping"}', BAD_MSGPACK, "message: expected MessagePack, got: a text message"),
        (b'{"action":"ping"}', BAD_MSGPACK, "message: expected MessagePack, got: "),
        (pack([1]), BAD_MSGPACK, "message: expected a MessagePack object, got list [1]"),
        (
            pack({b"action": "ping"}),
            UNKNOWN_ACTION,
            "action: expected subscribe, unsubscribe, history or ping, got nothing",
        ),
        (
            pack({"action": "subscribe", "site": b"a"}),
            INVALID_FIELD,
            "site: expected a string of 1 to 64 characters, got bytes",
        ),
        (
            pack({"action": "ping", "id": msgspec.msgpack.Ext(1, b"")}),
            INVALID_FIELD,
            "id: expected an integer or a string",
        ),
    ],
)
def test_a_wrong_message_is_answered_with_what_was_expected_and_what_came(
    raw: str | bytes, code: str, text: str
) -> None:
    with pytest.raises(RequestError) as raised:
        decode_request(raw, MSGPACK)
    assert raised.value.answer.code == code
    assert raised.value.answer.message.startswith(text)


@pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)
@given(raw=st.binary(max_size=64) | st.text(max_size=64))
def test_any_bytes_are_a_request_or_an_error(format: Format, raw: str | bytes) -> None:
    with suppress(RequestError):
        decode_request(raw, format)


@hypothesis_settings(max_examples=30, deadline=None)
@given(raw=st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner)))
def test_any_value_is_a_request_or_an_error(raw: object) -> None:
    for message in (raw, {"action": "subscribe", "site": raw}, {"action": "ping", "id": raw}):
        with suppress(RequestError):
            decode_request(pack(message), MSGPACK)


def test_the_first_subprotocol_that_is_known_is_chosen() -> None:
    assert chosen(["other", "tidemark.msgpack", "tidemark.json"]) == "tidemark.msgpack"
    assert chosen(["tidemark.json", "tidemark.msgpack"]) == "tidemark.json"
    assert chosen(["Tidemark.JSON", "other"]) is None
    assert chosen([]) is None

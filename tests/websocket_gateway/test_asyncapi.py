"""The protocol's document says what the gateway says, and is kept in docs/ as it is generated."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from jsonschema import Draft7Validator, Draft202012Validator  # type: ignore[import-untyped]

from tests.conftest import ROOT
from tests.websocket_gateway.made import alert, update, visit
from tidemark.results import ACTIVE_USERS, POPULAR_CONTENT
from websocket_gateway.asyncapi import document
from websocket_gateway.codes import CLOSES, ERRORS, REFUSALS
from websocket_gateway.formats import FORMATS
from websocket_gateway.hub import Hub
from websocket_gateway.protocol import Limits, Request, ServerMessage, encode

T = 1_000_020_000
SPOKEN = {kind.__name__ for kind in (*get_args(Request), *get_args(ServerMessage))}
STREAMED = {"Hello", "Subscribed", "MetricsMessage", "AlertMessage", "VisitsMessage", "Close"}
NAMES = SPOKEN | STREAMED
#: The official schema of AsyncAPI documents.
OFFICIAL = ROOT / "dashboard" / "node_modules" / "@asyncapi" / "specs" / "schemas" / "3.0.0-without-$id.json"
DOCUMENT = document()


def problems(name: str, message: object) -> list[str]:
    """What of a message is not as its schema in the document says."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    return [error.message for error in Draft202012Validator(schema).iter_errors(message)]


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from [part["$ref"]] if "$ref" in part else (one for each in part.values() for one in references(each))
    elif isinstance(part, list):
        yield from (one for each in part for one in references(each))


def found(reference: str) -> Any:
    """What a reference refers to. Raises KeyError if there is nothing."""
    part: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        part = part[step]
    return part


def test_the_file_is_what_is_generated() -> None:
    command = [sys.executable, "-m", "websocket_gateway.asyncapi"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    kept = (ROOT / "docs" / "asyncapi.json").read_text()
    assert kept == printed, "changed: python -m websocket_gateway.asyncapi > docs/asyncapi.json"
    assert json.loads(kept) == DOCUMENT


def test_it_is_a_document_by_the_official_schema() -> None:
    validator = Draft7Validator(json.loads(OFFICIAL.read_text()))
    assert [f"{list(error.absolute_path)}: {error.message}" for error in validator.iter_errors(DOCUMENT)] == []
    assert not validator.is_valid(DOCUMENT | {"servers": {"socket": {"protocol": "ws"}}})


def test_every_message_and_every_code_is_in_it() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    channel, events = DOCUMENT["channels"]["gateway"], DOCUMENT["channels"]["events"]
    told = {one["$ref"] for operation in DOCUMENT["operations"].values() for one in operation["messages"]}
    replies = {one["$ref"] for operation in DOCUMENT["operations"].values() for one in _replies(operation)}
    assert {reference.rpartition("/")[2] for reference in told | replies} == NAMES
    assert DOCUMENT["components"]["messages"].keys() == NAMES
    assert (channel["messages"].keys(), events["messages"].keys()) == (SPOKEN, STREAMED)
    assert channel["x-close-codes"] == {str(code): meaning for code, meaning in CLOSES.items()}
    assert events["x-refusals"].keys() == channel["x-refusals"].keys() | {"400"}
    assert channel["x-refusals"] == {str(status): meaning for status, meaning in REFUSALS.items()}
    assert channel["x-subprotocols"].keys() == FORMATS.keys()
    assert DOCUMENT["x-error-codes"] == ERRORS
    assert DOCUMENT["components"]["schemas"]["ErrorMessage"]["properties"]["code"]["enum"] == list(ERRORS)


def _replies(operation: dict[str, Any]) -> list[dict[str, str]]:
    replies: list[dict[str, str]] = operation.get("reply", {"messages": []})["messages"]
    return replies


def test_every_reference_leads_somewhere_and_every_schema_is_json_schema() -> None:
    for reference in references(DOCUMENT):
        assert found(reference)
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in ("send", "receive")
        for one in operation["messages"] + _replies(operation):
            assert one["$ref"].startswith(operation["channel"]["$ref"] + "/messages/")
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_what_the_hub_says_is_as_the_document_says() -> None:
    hub = Hub("epoch", Limits())
    client, hello = hub.connect(T)
    asked = [
        '{"action":"subscribe","id":1,"visits":true}',
        '{"action":"ping"}',
        '{"action":"unsubscribe","site":"b"}',
        "{",
    ]
    hub.take(update(POPULAR_CONTENT, T, 2, dimensions=[("/", 2)]), T)
    hub.take_alert(alert("old"), T)
    hub.take_visit(visit("a", T), T)
    told = [encode(hello), *(encode(hub.receive(client, raw, T)) for raw in asked)]
    hub.take(update(ACTIVE_USERS, T, 2, final=True), T)
    hub.take(update(ACTIVE_USERS, T + 5_000, 2), T)
    hub.take_alert(alert("new"), T)
    hub.flush(T)
    told += iter(lambda: hub.next_message(client), None)
    names = {DOCUMENT["components"]["messages"][name]["name"]: name for name in NAMES}
    messages = [json.loads(text) for text in told]
    assert [problems(names[message["type"]], message) for message in messages] == [[]] * 8


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Subscribe", {"action": "subscribe", "metrics": ["rate"]}),
        ("Subscribe", {"action": "subscribe", "site": ""}),
        ("ErrorMessage", {"type": "error", "code": "other", "message": ""}),
        ("Hello", {"type": "hello", "epoch": "e", "serverTime": 1, "protocol": 1, "limits": {}}),
        ("Subscribed", {"type": "subscribed", "site": "a", "metrics": [], "snapshot": {}}),
    ],
)
def test_what_is_wrong_is_wrong_by_the_document_too(name: str, message: object) -> None:
    assert problems(name, message)

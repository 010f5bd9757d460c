"""The protocol as an AsyncAPI 3 document, from the messages' Structs: ``python -m websocket_gateway.asyncapi > FILE``.

``docs/asyncapi.json`` is what this prints; clients' types are generated from it.
"""

import sys
from inspect import getdoc
from typing import Any, get_args

import msgspec
from msgspec import Struct

from websocket_gateway.codes import CLOSES, ERRORS
from websocket_gateway.protocol import (
    SCHEMAS,
    VERSION,
    AlertMessage,
    ErrorMessage,
    Hello,
    History,
    HistoryMessage,
    Limits,
    MetricsMessage,
    Ping,
    Pong,
    Request,
    ServerMessage,
    Snapshot,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
    VisitsMessage,
)

Document = dict[str, Any]

_CHANNEL = "#/channels/gateway"
#: What the gateway answers each request with, if not with an error.
_ANSWERS: dict[type[Struct], type[Struct]] = {
    Subscribe: Subscribed,
    Unsubscribe: Unsubscribed,
    History: HistoryMessage,
    Ping: Pong,
}
#: What comes without being asked for.
_LIVE: tuple[type[Struct], ...] = (Hello, MetricsMessage, AlertMessage, VisitsMessage)
#: What is sent with its defaults: a reader finds every field, though a decoder could do without.
_WHOLE: tuple[type[Struct], ...] = (Hello, Limits)


def document() -> Document:
    """Return the document; the same for the same Structs."""
    messages: tuple[type[Struct], ...] = (*get_args(Request), *get_args(ServerMessage))
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tidemark live gateway",
            "version": f"{VERSION}.0.0",
            "description": "Live website metrics and alerts over WebSocket; docs/protocol.md is the page to read.",
        },
        "defaultContentType": "application/json",
        "servers": {"local": {"host": "127.0.0.1:8082", "protocol": "ws"}},
        "channels": {
            "gateway": {
                "address": "/",
                "messages": {kind.__name__: {"$ref": f"#/components/messages/{kind.__name__}"} for kind in messages},
                "x-close-codes": {str(code): meaning for code, meaning in CLOSES.items()},
            }
        },
        "operations": _operations(),
        "components": {
            "messages": {kind.__name__: _message(kind) for kind in messages},
            "schemas": _schemas(messages),
        },
        "x-error-codes": ERRORS,
    }


def _operations() -> Document:
    asked = {
        _tag(request): {
            "action": "receive",
            "channel": {"$ref": _CHANNEL},
            "messages": [_reference(request)],
            "reply": {"channel": {"$ref": _CHANNEL}, "messages": [_reference(answer), _reference(ErrorMessage)]},
        }
        for request, answer in _ANSWERS.items()
    }
    live = {"action": "send", "channel": {"$ref": _CHANNEL}, "messages": [_reference(kind) for kind in _LIVE]}
    return {**asked, "live": live}


def _message(kind: type[Struct]) -> Document:
    return {"name": _tag(kind), "summary": getdoc(kind), "payload": {"$ref": SCHEMAS + kind.__name__}}


def _schemas(messages: tuple[type[Struct], ...]) -> Document:
    _, schemas = msgspec.json.schema_components([*messages, Snapshot], ref_template=SCHEMAS + "{name}")
    for kind in _WHOLE:
        schemas[kind.__name__]["required"] = list(schemas[kind.__name__]["properties"])
    return schemas


def _reference(kind: type[Struct]) -> Document:
    return {"$ref": f"{_CHANNEL}/messages/{kind.__name__}"}


def _tag(kind: type[Struct]) -> str:
    return str(kind.__struct_config__.tag)


if __name__ == "__main__":
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document()), indent=2).decode() + "\n")

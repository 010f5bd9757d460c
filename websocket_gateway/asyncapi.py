"""The protocol as an AsyncAPI 3 document, from the messages' Structs: ``python -m websocket_gateway.asyncapi > FILE``.

``docs/asyncapi.json`` is what this prints; clients' types are generated from it.
"""

import sys
from inspect import getdoc
from typing import Any, get_args

import msgspec
from msgspec import Struct

from tidemark.events import DEFAULT_SITE
from websocket_gateway.codes import CLOSES, ERRORS, NOT_SUBSCRIBABLE, REFUSALS
from websocket_gateway.formats import FORMATS, JSON
from websocket_gateway.protocol import (
    SCHEMAS,
    VERSION,
    WIRE_NAMES,
    AlertMessage,
    Close,
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

_TOKEN = "A JWT, HS256, with `exp` and `sites` (a list, or `*`); the header wins."
_GATEWAY, _EVENTS = "#/channels/gateway", "#/channels/events"
#: What the gateway answers each request with, if not with an error.
_ANSWERS: dict[type[Struct], type[Struct]] = {
    Subscribe: Subscribed,
    Unsubscribe: Unsubscribed,
    History: HistoryMessage,
    Ping: Pong,
}
#: What comes without being asked for.
_LIVE: tuple[type[Struct], ...] = (Hello, MetricsMessage, AlertMessage, VisitsMessage)
#: What a stream of events is made of.
_STREAMED: tuple[type[Struct], ...] = (Hello, Subscribed, MetricsMessage, AlertMessage, VisitsMessage, Close)
#: What is sent with its defaults: a reader finds every field, though a decoder could do without.
_WHOLE: tuple[type[Struct], ...] = (Hello, Limits)

#: A token comes in one of these ways.
_SECURITY: Document = {
    "header": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": _TOKEN},
    "query": {"type": "httpApiKey", "name": "token", "in": "query", "description": _TOKEN},
}


def document() -> Document:
    """Return the document; the same for the same Structs."""
    spoken: tuple[type[Struct], ...] = (*get_args(Request), *get_args(ServerMessage))
    kinds: tuple[type[Struct], ...] = (*spoken, Close)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tidemark live gateway",
            "version": f"{VERSION}.0.0",
            "description": "Live website metrics and alerts; docs/protocol.md is the page to read.",
        },
        "defaultContentType": JSON.content_type,
        "servers": {"socket": _server("ws"), "web": _server("http")},
        "channels": {"gateway": _gateway(spoken), "events": _events()},
        "operations": _operations(),
        "components": {
            "messages": {kind.__name__: _message(kind) for kind in kinds},
            "schemas": _schemas(kinds),
            "securitySchemes": _SECURITY,
        },
        "x-error-codes": ERRORS,
    }


def _server(protocol: str) -> Document:
    return {
        "host": "127.0.0.1:8082",
        "protocol": protocol,
        "description": f"By default; {protocol}s with a certificate. Only a gateway with a secret wants a token.",
        "security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in _SECURITY],
    }


def _gateway(messages: tuple[type[Struct], ...]) -> Document:
    subprotocol = {"type": "string", "enum": list(FORMATS), "default": JSON.subprotocol}
    headers = {"type": "object", "properties": {"Sec-WebSocket-Protocol": subprotocol}}
    query = {"type": "object", "properties": {"token": {"type": "string"}}}
    return {
        "address": "/",
        "title": "WebSocket",
        "servers": [{"$ref": "#/servers/socket"}],
        "messages": _messages(messages),
        "bindings": {"ws": {"method": "GET", "query": query, "headers": headers, "bindingVersion": "0.1.0"}},
        "x-subprotocols": {
            name: {"contentType": format.content_type, "frames": "text" if format.text else "binary"}
            for name, format in FORMATS.items()
        },
        "x-refusals": _by_number(REFUSALS),
        "x-close-codes": _by_number(CLOSES),
    }


def _events() -> Document:
    return {
        "address": "/sse",
        "title": "Server-Sent Events",
        "description": "An event's name is its message's, its data the message in JSON. Who comes back with the last "
        "id in the header Last-Event-ID, as browsers do, gets what it has missed.",
        "servers": [{"$ref": "#/servers/web"}],
        "messages": _messages(_STREAMED),
        "x-event-id": "epoch-offset-alertOffset; the event hello has none",
        "x-refusals": _by_number(NOT_SUBSCRIBABLE | REFUSALS),
    }


def _operations() -> Document:
    asked = {
        _tag(request): {
            "action": "receive",
            "channel": {"$ref": _GATEWAY},
            "messages": _references(_GATEWAY, request),
            "reply": {"channel": {"$ref": _GATEWAY}, "messages": _references(_GATEWAY, answer, ErrorMessage)},
        }
        for request, answer in _ANSWERS.items()
    }
    live = {"action": "send", "channel": {"$ref": _GATEWAY}, "messages": _references(_GATEWAY, *_LIVE)}
    return {**asked, "live": live, "stream": _stream()}


def _stream() -> Document:
    metrics = {
        "type": "string",
        "description": f"Comma separated, out of {', '.join(WIRE_NAMES)}; absent: all.",
    }
    query = {"site": {"type": "string", "default": DEFAULT_SITE}, "metrics": metrics, "token": {"type": "string"}}
    http = {"method": "GET", "query": {"type": "object", "properties": query}, "bindingVersion": "0.3.0"}
    return {
        "action": "send",
        "channel": {"$ref": _EVENTS},
        "messages": _references(_EVENTS, *_STREAMED),
        "bindings": {"http": http},
    }


def _messages(kinds: tuple[type[Struct], ...]) -> Document:
    return {kind.__name__: {"$ref": f"#/components/messages/{kind.__name__}"} for kind in kinds}


def _by_number(meanings: dict[int, str]) -> dict[str, str]:
    return {str(number): meaning for number, meaning in meanings.items()}


def _message(kind: type[Struct]) -> Document:
    return {"name": _tag(kind), "summary": getdoc(kind), "payload": {"$ref": SCHEMAS + kind.__name__}}


def _schemas(messages: tuple[type[Struct], ...]) -> Document:
    _, schemas = msgspec.json.schema_components([*messages, Snapshot], ref_template=SCHEMAS + "{name}")
    for kind in _WHOLE:
        schemas[kind.__name__]["required"] = list(schemas[kind.__name__]["properties"])
    return schemas


def _references(channel: str, *kinds: type[Struct]) -> list[dict[str, str]]:
    return [{"$ref": f"{channel}/messages/{kind.__name__}"} for kind in kinds]


def _tag(kind: type[Struct]) -> str:
    return str(kind.__struct_config__.tag)


if __name__ == "__main__":
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document()), indent=2).decode() + "\n")

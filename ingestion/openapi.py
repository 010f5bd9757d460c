"""The door's interface as an OpenAPI 3.1 document, from its Structs, and as a page for people."""

from collections.abc import Iterable
from html import escape
from inspect import getdoc
from typing import Any

import msgspec
from msgspec import Struct

from ingestion import replies
from ingestion.reasons import FieldError
from ingestion.requests import Request
from ingestion.shapes import Site, SiteEvent
from tidemark.events import Event
from tidemark.ledger import Ledger

Document = dict[str, Any]

_KINDS: tuple[type[Struct], ...] = (
    SiteEvent,
    Event,
    FieldError,
    replies.Accepted,
    replies.Problem,
    replies.Refused,
    replies.BatchReply,
    replies.Health,
    replies.Ready,
    Ledger,
)
_GZIP = {
    "name": "Content-Encoding",
    "in": "header",
    "description": "gzip if the body is.",
    "schema": {"type": "string", "enum": ["gzip", "identity"]},
}
_NOT_READY = "Kafka does not answer, or a topic of the events is missing: `message` says which. Events are still taken."
_SENDING_PROBLEMS = {
    400: "Not JSON, or fields that are missing or wrong: `errors` names them all.",
    401: "A write key is needed, or this one is unknown, expired or revoked.",
    403: "The key is another site's, the web page may not send, or the visitor does not want to be tracked.",
    408: "The body did not come in time.",
    413: "The body, or what gzip makes of it, is too large.",
    429: "The site or the address sends too much; `Retry-After` says when to come again.",
    503: "The event cannot be kept at the moment, nothing of it was; `Retry-After` says when to come again.",
}


def document() -> Document:
    """Return the document; the same for the same Structs."""
    _, schemas = msgspec.json.schema_components(_KINDS, ref_template="#/components/schemas/{name}")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tidemark ingestion",
            "version": "1.0.0",
            "description": "Events from web pages and back ends. A 2xx means: on Kafka, or on disk, for good.",
        },
        "paths": {
            "/event": {"post": _event()},
            "/events": {"post": _events()},
            "/event.gif": {"get": _pixel()},
            "/sites/{site_id}/ledger": {"get": _ledger()},
            "/health": {"get": _look("The process lives", replies.Health)},
            "/ready": {"get": _look("Kafka answers", replies.Ready, {503: _NOT_READY})},
            "/metrics": {"get": _plain("Prometheus metrics", "text/plain")},
            "/openapi.json": {"get": _plain("This document", "application/json")},
            "/docs": {"get": _plain("This document as a page", "text/html")},
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A site's write key."},
                "query": {"type": "apiKey", "in": "query", "name": "key", "description": "The same, for beacons."},
            },
        },
    }


def _event() -> Document:
    return {
        "summary": "Send one event",
        "description": "In either shape. The content type does not matter: beacons send text/plain.",
        "security": [{}, {"bearer": []}, {"query": []}],
        "parameters": [_GZIP],
        "requestBody": _body({"anyOf": [_ref(SiteEvent), _ref(Event)]}, ("application/json", "text/plain")),
        "responses": {"200": _response("Accepted", replies.Accepted), **_problems(_SENDING_PROBLEMS)},
    }


def _events() -> Document:
    one = {"anyOf": [_ref(SiteEvent), _ref(Event)]}
    body = _body({"type": "array", "items": one}, ("application/json", "text/plain"))
    body["content"]["application/x-ndjson"] = {"schema": {"type": "string", "description": "One event a line."}}
    refused = {
        str(status): {
            "description": text,
            "content": {"application/json": {"schema": {"anyOf": [_ref(replies.Problem), _ref(replies.BatchReply)]}}},
        }
        for status, text in _SENDING_PROBLEMS.items()
    }
    return {
        "summary": "Send many events",
        "description": "A JSON array, or NDJSON. Each event is taken or refused by itself; `results` says so in order.",
        "security": [{}, {"bearer": []}, {"query": []}],
        "parameters": [_GZIP],
        "requestBody": body,
        "responses": {"200": _response("At least one was accepted, or there was none", replies.BatchReply), **refused},
    }


def _pixel() -> Document:
    fields = msgspec.json.schema(SiteEvent)["$defs"]["SiteEvent"]
    parameters = [
        {"name": name, "in": "query", "required": name in fields["required"] and name != "timestamp", "schema": schema}
        for name, schema in fields["properties"].items()
    ]
    return {
        "summary": "Send one event as an image's address",
        "description": "For pages without JavaScript. `timestamp` may be absent: now.",
        "security": [{}, {"query": []}],
        "parameters": parameters,
        "responses": {
            "200": {"description": "Accepted", "content": {"image/gif": {}}},
            **_problems({status: text for status, text in _SENDING_PROBLEMS.items() if status not in (408, 413)}),
        },
    }


def _ledger() -> Document:
    problems = {
        400: "`since` is no time that is past.",
        401: _SENDING_PROBLEMS[401],
        403: "The key is another site's, or the web page may not ask.",
        429: "The address asks too much; `Retry-After` says when to come again.",
        503: "InfluxDB does not answer, or too many ask; `Retry-After` says when to come again.",
    }
    since = {"type": "string", "description": "How long ago (90s, 15m, 1h, 7d), ISO 8601, or ms since the epoch."}
    return {
        "summary": "Where a site's events went",
        "description": "Needs a key of the site. What the door was sent and what became of it in the streams.",
        "security": [{"bearer": []}, {"query": []}],
        "parameters": [
            {"name": "site_id", "in": "path", "required": True, "schema": msgspec.json.schema(Site)},
            {"name": "since", "in": "query", "schema": since | {"default": "1h"}},
        ],
        "responses": {"200": _response("The ledger", Ledger), **_problems(problems)},
    }


def _look(summary: str, kind: type[Struct], problems: dict[int, str] | None = None) -> Document:
    return {"summary": summary, "responses": {"200": _response(summary, kind), **_problems(problems or {})}}


def _plain(summary: str, content_type: str) -> Document:
    return {"summary": summary, "responses": {"200": {"description": summary, "content": {content_type: {}}}}}


def _body(schema: Document, content_types: Iterable[str]) -> Document:
    return {"required": True, "content": {name: {"schema": schema} for name in content_types}}


def _response(description: str, kind: type[Struct]) -> Document:
    return {"description": description, "content": {"application/json": {"schema": _ref(kind)}}}


def _problems(problems: dict[int, str]) -> Document:
    return {str(status): _response(text, replies.Problem) for status, text in problems.items()}


def _ref(kind: type[Struct]) -> Document:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


class Pages:
    """The two pages, made once."""

    def __init__(self) -> None:
        made = document()
        self._document = msgspec.json.format(msgspec.json.encode(made))
        self._page = _page(made).encode()

    async def document(self, _: Request) -> replies.Response:
        """Answer with the document."""
        return replies.Response(200, self._document)

    async def page(self, _: Request) -> replies.Response:
        """Answer with the page."""
        return replies.Response(200, self._page, b"text/html; charset=utf-8")


_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h2 code { font-size: 1.1rem }
td { padding: .2rem .8rem .2rem 0; vertical-align: top }
"""


def _page(made: Document) -> str:
    """Return the document for people: without scripts, and without anything from elsewhere."""
    info = made["info"]
    parts = [f"<h1>{escape(info['title'])}</h1><p>{escape(info['description'])}</p>"]
    parts += [
        f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(told['summary'])}. "
        f"{escape(told.get('description', ''))}</p>{_answers(told)}"
        for path, methods in made["paths"].items()
        for method, told in methods.items()
    ]
    parts.append("<h2>Fields of an event</h2>")
    parts += [_fields(kind) for kind in (SiteEvent, Event)]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f"<style>{_STYLE}</style>{''.join(parts)}"
        '<p>All of it, for programs: <a href="/openapi.json">openapi.json</a></p></html>'
    )


def _answers(told: Document) -> str:
    rows = "".join(
        f"<tr><td>{status}<td>{escape(response['description'])}" for status, response in told["responses"].items()
    )
    return f"<table>{rows}</table>"


def _fields(kind: type[Struct]) -> str:
    rows = "".join(
        f"<tr><td><code>{field.encode_name}</code><td>{'needed' if field.required else ''}"
        for field in msgspec.structs.fields(kind)
    )
    return f"<h3>{kind.__name__}</h3><p>{escape(getdoc(kind) or '')}</p><table>{rows}</table>"

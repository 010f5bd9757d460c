"""The spans of the door's requests, and what its log says of them."""

from collections.abc import Iterator
from typing import Any, cast

import pytest
import structlog

from ingestion.door import Door
from ingestion.requests import Receive, Scope, Send
from ingestion.tracing import TracedDoor
from monitoring.spans import Traces
from tests.ingestion.made import Client, page_view
from tests.support.collector import Collector, collecting

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


@pytest.fixture
def logged() -> list[dict[str, Any]]:
    """What the log would say of each request besides its text."""
    return []


@pytest.fixture
def traced(door: Client, collector: Collector, logged: list[dict[str, Any]]) -> Iterator[Traces]:
    """The door with its traces, none of which begins here."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        logged.append(structlog.contextvars.get_contextvars())
        await inner(scope, receive, send)

    inner, traces = door.app, Traces("ingestion", collector.url, 0.0)
    door.app = cast(Door, TracedDoor(cast(Door, answer), traces))
    yield traces
    traces.close()


def test_a_sampled_request_has_a_span_and_its_trace_in_the_log(
    door: Client, traced: Traces, collector: Collector, logged: list[dict[str, Any]]
) -> None:
    sender = f"00-{TRACE}-{SPAN}-01"
    assert door.post("/event", page_view(), traceparent=sender).status == 200
    assert door.post("/events", b"no events", traceparent=sender).status == 400
    assert door.get("/event.gif?event_type=page_view&site_id=shop&path=/", traceparent=sender).status == 200
    assert door.post("/event", page_view()).status == 200
    assert door.get("/health", traceparent=sender).status == 200
    assert door.ask("OPTIONS", "/event", headers={"traceparent": sender}).status == 204
    traced.close()
    assert [(span.name, span.attributes["http.response.status_code"]) for span in collector.spans] == [
        ("POST /event", 200), ("POST /events", 400), ("GET /event.gif", 200),
    ]  # fmt: skip
    assert {(span.trace, span.parent) for span in collector.spans} == {(TRACE, SPAN)}
    assert logged == [{"trace_id": TRACE}] * 3 + [{}] * 3


def test_a_web_page_may_send_its_trace_along(door: Client) -> None:
    preflight = door.ask("OPTIONS", "/event", headers={"origin": "https://shop.example"})
    assert "traceparent" in preflight.headers["access-control-allow-headers"]

"""The door with traces: a span for each sampled request that brings events, below the sender's own if it names one."""

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from structlog.contextvars import bound_contextvars

from ingestion.door import Door
from ingestion.requests import Receive, Scope, Send

if TYPE_CHECKING:
    from monitoring.spans import Traces

#: What brings events; the rest is not traced.
_ROUTES = {("POST", "/event"), ("POST", "/events"), ("GET", "/event.gif")}


class TracedDoor:
    """The same ASGI application; what the door logs for a sampled request names its trace."""

    def __init__(self, door: Door, traces: "Traces") -> None:
        self._door = door
        self._traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if (scope["method"], scope["path"]) not in _ROUTES:
            await self._door(scope, receive, send)
            return
        with self._traces.serving(scope["method"], scope["path"], scope["headers"]) as span:
            if span is None:
                await self._door(scope, receive, send)
                return

            async def send_and_tell(message: MutableMapping[str, Any]) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                await send(message)

            with bound_contextvars(trace_id=f"{span.get_span_context().trace_id:032x}"):
                await self._door(scope, receive, send_and_tell)

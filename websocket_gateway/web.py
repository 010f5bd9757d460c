"""The gateway's plain HTTP: how the process stands, its Prometheus metrics, and the built dashboard's files."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from monitoring.metrics import GATEWAY
from monitoring.serving import exposition

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

NOT_BUILT = "The gateway runs, but the dashboard has not been built here: `make demo` builds it.\n"
#: The build names these files after what is in them.
HASHED = "assets/"
IMMUTABLE, REVALIDATED, UNCACHED = "public, max-age=31536000, immutable", "no-cache", "no-store"

_POLICY = (
    "default-src 'self'; connect-src 'self' {socket}; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


class Web:
    """The pages of one gateway. ``trouble`` says why it is not ready, None when it is; ``events`` answers /sse."""

    def __init__(self, dashboard: Path, trouble: Callable[[], str | None], events: Handler, *, tls: bool) -> None:
        self._dashboard = dashboard.resolve()
        self._trouble = trouble
        self._events = events
        self._policy = _POLICY.format(socket="wss:" if tls else "ws:")

    def app(self) -> web.Application:
        """Return the routes; each connection gets one response."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/health", self._health),
                web.get("/ready", self._ready),
                web.get("/metrics", self._metrics),
                web.get("/sse", self._events),
                web.get("/{path:.*}", self._file),
            ]
        )
        app.on_response_prepare.append(self._finish)
        return app

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _ready(self, _: web.Request) -> web.Response:
        trouble = self._trouble()
        return web.Response(text="ready\n") if trouble is None else web.Response(status=503, text=f"{trouble}\n")

    async def _metrics(self, _: web.Request) -> web.Response:
        content_type, text = exposition(GATEWAY)
        return web.Response(body=text, headers={"Content-Type": content_type})

    async def _file(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"] or "index.html"
        found = self._find(path)
        if found is not None:
            caching = IMMUTABLE if path.startswith(HASHED) else REVALIDATED
            return web.FileResponse(found, headers={"Cache-Control": caching})
        return web.Response(status=404, text=NOT_BUILT if path == "index.html" else "There is no such page.\n")

    def _find(self, path: str) -> Path | None:
        """The file of the dashboard at a path; None if there is none, or if it is none of the dashboard's."""
        try:
            found = (self._dashboard / path).resolve()
            return found if found.is_relative_to(self._dashboard) and found.is_file() else None
        except (OSError, ValueError):  # a path that no file can have
            return None

    async def _finish(self, _: web.Request, response: web.StreamResponse) -> None:
        response.force_close()
        response.headers["Connection"] = "close"
        response.headers.setdefault("Cache-Control", UNCACHED)
        response.headers["Content-Security-Policy"] = self._policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"

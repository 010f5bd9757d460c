"""The web servers of the tracker's tests: a small site, and a door that records, each at an origin of its own."""

import json
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[2]
SITE = Path(__file__).parent / "site"
SCRIPT = ROOT / "dashboard" / "dist-tracker" / "tidemark.js"

#: What the door may do to a request instead of taking it.
REFUSE, TAKE_AND_CUT = "refuse", "take and cut"


S = TypeVar("S", bound=ThreadingHTTPServer)


class Quiet(BaseHTTPRequestHandler):
    """Answers with keep-alive, and logs nothing."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        self.wfile.write(body)


class RecordingDoor(ThreadingHTTPServer):
    """Stands for the HTTP door: serves the tracker and keeps what it sends. ``trouble``: what the next requests get."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _DoorHandler)
        self.requests: list[tuple[str, list[dict[str, Any]]]] = []
        self.trouble: deque[str] = deque()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _DoorHandler(Quiet):
    server: RecordingDoor

    def do_GET(self) -> None:
        self.answer(200, "text/javascript", SCRIPT.read_bytes())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        trouble = self.server.trouble.popleft() if self.server.trouble else ""
        if trouble == REFUSE:
            self.answer(503, "application/json", b"{}")
            return
        assert self.headers["Content-Type"].startswith("text/plain")
        assert self.headers["Cookie"] is None
        self.server.requests.append((self.path, json.loads(body)))
        if trouble == TAKE_AND_CUT:
            self.close_connection = True
        else:
            self.answer(200, "application/json", b'{"status":"accepted"}')


class Site(ThreadingHTTPServer):
    """The pages in ``site``; all addresses under /app are one page's."""

    daemon_threads = True

    def __init__(self, **named: str) -> None:
        super().__init__(("127.0.0.1", 0), _SiteHandler)
        self.named = named

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _SiteHandler(Quiet):
    server: Site
    pages: ClassVar = {page.stem: page.read_text() for page in SITE.glob("*.html")}

    def do_GET(self) -> None:
        name = urlsplit(self.path).path.split("/")[1] or "index"
        page = self.pages[name]
        for word, text in self.server.named.items():
            page = page.replace(f"{{{word}}}", text)
        self.answer(200, "text/html; charset=utf-8", page.encode())


@contextmanager
def serving(server: S) -> Iterator[S]:
    """Let a server answer while the context lasts."""
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

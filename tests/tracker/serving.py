"""The web servers of the tracker's tests: a small site, and one between it and the door that gives trouble."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlsplit

PAGES = Path(__file__).parent / "site"

#: What may happen to a request on its way to the door: 503, or no answer although the door has it.
REFUSE, CUT = "refuse", "cut"

S = TypeVar("S", bound="LoopbackServer")


class LoopbackServer(ThreadingHTTPServer):
    """Answers on a free loopback port, so at an origin of its own."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


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


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Site(LoopbackServer):
    """The pages in ``site``, with these words in them; all addresses under /app are one page's."""

    def __init__(self, **words: str) -> None:
        super().__init__(_SiteHandler)
        self.words = words


class _SiteHandler(_Handler):
    server: Site
    pages: ClassVar = {page.stem: page.read_text() for page in PAGES.glob("*.html")}

    def do_GET(self) -> None:
        page = self.pages[urlsplit(self.path).path.split("/")[1] or "index"]
        for word, text in self.server.words.items():
            page = page.replace(f"{{{word}}}", text)
        self.answer(200, {"Content-Type": "text/html; charset=utf-8"}, page.encode())


class Between(LoopbackServer):
    """Passes requests on to the door. ``trouble``: what happens to the next events; ``seen``: the requests' headers.

    Who asks for /hold waits until all is ``over``; ``held``: those who have asked.
    """

    def __init__(self, door: str) -> None:
        super().__init__(_BetweenHandler)
        self.door = urlsplit(door).netloc
        self.trouble: deque[str] = deque()
        self.seen: list[dict[str, str]] = []
        self.held: list[str] = []
        self.over = Event()

    def shutdown(self) -> None:
        self.over.set()
        super().shutdown()


class _BetweenHandler(_Handler):
    server: Between

    def do_GET(self) -> None:
        if self.path.startswith("/hold"):
            self.server.held.append(self.path)
            self.server.over.wait()
            self.close_connection = True
        else:
            self.answer(*self._passed_on(b""))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append(dict(self.headers))
        trouble = self.server.trouble.popleft() if self.server.trouble else ""
        if trouble == REFUSE:
            self.answer(503, {"Access-Control-Allow-Origin": "*"}, b"")
            return
        answer = self._passed_on(body)
        if trouble == CUT:
            self.close_connection = True
        else:
            self.answer(*answer)

    def _passed_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = HTTPConnection(self.server.door, timeout=10)
        try:
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            headers = {name: value for name, value in answer.getheaders() if name.lower() != "content-length"}
            return answer.status, headers, answer.read()
        finally:
            connection.close()

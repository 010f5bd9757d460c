"""Stands for an OpenTelemetry collector: takes spans over OTLP/HTTP and keeps them."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Told(NamedTuple):
    """A span as it came; ids in hex, ``parent`` "" for none, times in ns since the epoch."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    start: int
    end: int
    kind: int
    attributes: dict[str, Any]
    links: list[str]
    failed: bool


class Collector:
    """``spans`` are those that have come; while ``refuses`` is set it takes none."""

    def __init__(self) -> None:
        self.spans: list[Told] = []
        self.refuses = False
        self.requests = 0
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.requests += 1
                taken = self.path == "/v1/traces" and not collector.refuses
                if taken:
                    collector.spans += _decoded(body)
                self.send_response(200 if taken else 400)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def serve(self) -> None:
        self._server.serve_forever(0.1)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def of(self, trace: str) -> list[Told]:
        """A trace's spans, in order of time."""
        return sorted((span for span in self.spans if span.trace == trace), key=lambda span: span.start)

    def way_to(self, span: Told) -> list[Told]:
        """The spans from the trace's first down to this one, as far as they have come."""
        known = {each.id: each for each in self.of(span.trace)}
        way = [span]
        while (above := known.get(way[0].parent)) is not None:
            way.insert(0, above)
        return way

    def tree(self, trace: str) -> str:
        """A trace as text, a line a span: when it began and how long it took, in ms."""
        spans = self.of(trace)
        lines = []
        for span in spans:
            indent = "  " * (len(self.way_to(span)) - 1)
            begin, took = (span.start - spans[0].start) / 1e6, (span.end - span.start) / 1e6
            lines.append(f"{begin:8.1f} +{took:7.1f}  {indent}{span.name}  [{span.service}]")
        return "\n".join(lines)


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()
    thread = Thread(target=collector.serve)
    thread.start()
    try:
        yield collector
    finally:
        collector.close()
        thread.join()


def _decoded(body: bytes) -> Iterator[Told]:
    for of_part in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = _attributes(of_part.resource.attributes)["service.name"]
        for of_scope in of_part.scope_spans:
            for span in of_scope.spans:
                yield Told(
                    service, span.name, span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(),
                    span.start_time_unix_nano, span.end_time_unix_nano, span.kind, _attributes(span.attributes),
                    [link.trace_id.hex() for link in span.links], span.status.code == span.status.STATUS_CODE_ERROR,
                )  # fmt: skip


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}

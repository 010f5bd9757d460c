"""Spans of OpenTelemetry, from the parts to a collector (OTLP over HTTP), by the conventions for messaging and HTTP.

Only ``monitoring.traces`` imports this, and only where traces are on. A span tells topic, partition, offset and site;
never a user, a visitor or a page.
"""

import logging
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from random import random
from threading import Thread

from confluent_kafka import KafkaError, Message
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tidemark.logs import get_logger

#: W3C's trace context: the header of a request, and of a record.
HEADER = "traceparent"
#: The path of the collector's address that takes spans, by the OTLP specification.
SPANS_PATH = "/v1/traces"
#: Spans go to the collector so often (ms).
EXPORT_EVERY_MS = 1_000
#: So long may the collector take for the last ones (s).
CLOSE_S = 2.0

Report = Callable[[KafkaError | None, Message], None]
#: Where a trace stands: what the next span of it goes under.
TraceContext = SpanContext
Headers = Iterable[tuple[str | bytes, str | bytes | None]]

_W3C = TraceContextTextMapPropagator()

log = get_logger("monitoring.traces")


class Sending:
    """The span of records on their way to a topic; it ends when the last of them is reported, failed or delivered.

    ``header`` is what the records carry: who reads them goes on with the trace.
    """

    def __init__(self, span: Span, records: int) -> None:
        self._span = span
        self._alone = records == 1
        self._left = records
        carrier: dict[str, str] = {}
        _W3C.inject(carrier, trace.set_span_in_context(span, Context()))
        self.header = (HEADER, carrier.get(HEADER, ""))  # nothing where OTEL_SDK_DISABLED is set

    def reporting(self, report: Report | None) -> Report:
        """Return a delivery report that tells the span, after it has told ``report``."""

        def reported(error: KafkaError | None, message: Message) -> None:
            if report is not None:
                report(error, message)
            self._reported(error, message)

        return reported

    def _reported(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._span.set_attribute("error.type", str(error.name()))
            self._span.set_status(StatusCode.ERROR, error.str())
        elif self._alone:
            self._span.set_attributes(_place(message.partition(), message.offset()))
        self._left -= 1
        if not self._left:
            self._span.end()


class Traces:
    """One part's spans. Nothing here waits for the collector: while it is away spans are lost, which is logged once.

    ``sampling``: the share of what comes without a trace of its own that begins one. What belongs to a trace already
    goes on with it if that is sampled, and has no spans if it is not.
    """

    def __init__(self, part: str, endpoint: str, sampling: float) -> None:
        # It complains of each batch; what matters of that is told here.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        self._sampling = sampling
        # Sampled before there is a span: the others cost a random number, not a span that records nothing.
        self._provider = TracerProvider(ParentBased(ALWAYS_ON), _resource(part), shutdown_on_exit=False)
        exporter = _TellingExporter(OTLPSpanExporter(endpoint.rstrip("/") + SPANS_PATH))
        self._provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=EXPORT_EVERY_MS))
        self._tracer = self._provider.get_tracer("tidemark", version("tidemark"))

    def chosen(self) -> bool:
        """Say whether the next event that has no trace begins one."""
        return random() < self._sampling

    @contextmanager
    def serving(self, method: str, route: str, headers: Headers) -> Iterator[Span | None]:
        """Give the span of a request while it is served, None if it is not sampled."""
        parent = _context_in(headers)
        if not (parent.trace_flags.sampled if parent.is_valid else self.chosen()):
            yield None
            return
        attributes = {"http.request.method": method, "http.route": route}
        with self._tracer.start_as_current_span(
            f"{method} {route}", _under(parent), SpanKind.SERVER, attributes
        ) as span:
            yield span

    def send_served(self, topic: str, sites: Iterable[str | None], records: int) -> Sending | None:
        """Begin to send records of the request that is being served; None if that is not sampled.

        The span has a site if all are of one.
        """
        request = trace.get_current_span().get_span_context()
        if not request.is_valid:
            return None
        site, *more = set(sites)
        return self.send(topic, None if more else site, request, records=records)

    def send(
        self,
        topic: str,
        site: str | None,
        parent: TraceContext | None = None,
        others: Sequence[TraceContext] = (),
        records: int = 1,
    ) -> Sending:
        """Begin to send records to a topic, as part of the parent's trace (none: a new one), linked to the others'."""
        attributes = _messaging("send", topic, site)
        if records > 1:
            attributes["messaging.batch.message_count"] = records
        links = [Link(context) for context in others]
        span = self._tracer.start_span(f"send {topic}", _under(parent), SpanKind.PRODUCER, attributes, links)
        return Sending(span, records)

    def carried(self, headers: Headers) -> TraceContext | None:
        """Return the trace that a record belongs to; None if it belongs to none that is sampled."""
        context = _context_in(headers)
        return context if context.is_valid and context.trace_flags.sampled else None

    def process(
        self,
        topic: str,
        partition: int,
        offset: int,
        site: str,
        parent: TraceContext,
        since_ns: int,
        error: str | None = None,
    ) -> TraceContext:
        """Tell that a record was dealt with, from then (ns since the epoch) until now; return what goes on from here.

        ``error``: why it was refused.
        """
        attributes = _messaging("process", topic, site) | _place(partition, offset)
        span = self._tracer.start_span(
            f"process {topic}", _under(parent), SpanKind.CONSUMER, attributes, start_time=since_ns
        )
        if error is not None:
            span.set_attribute("error.type", error)
            span.set_status(StatusCode.ERROR)
        span.end()
        return span.get_span_context()

    def show(self, site: str, clients: int, parent: TraceContext, since_ns: int) -> None:
        """Tell that so many live clients were written a message, from then (ns since the epoch) until now."""
        attributes: dict[str, str | int] = {
            "network.protocol.name": "websocket", "tidemark.site": site, "tidemark.clients": clients,
        }  # fmt: skip
        self._tracer.start_span(
            "send websocket", _under(parent), SpanKind.PRODUCER, attributes, start_time=since_ns
        ).end()

    def close(self, within_s: float = CLOSE_S) -> None:
        """Hand over what is left; wait for the collector at most so long."""
        # The library would wait as long as its exporter does.
        closing = Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(within_s)


class _TellingExporter(SpanExporter):
    """Says once that the collector takes no spans, and once that it does again."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export spans, in a thread of the library's."""
        result = self._exporter.export(spans)
        failed = result is not SpanExportResult.SUCCESS
        if failed and not self._failing:
            log.warning("the collector of TIDEMARK_TRACES_ENDPOINT takes no spans: they are lost until it does")
        elif self._failing and not failed:
            log.info("the collector takes spans again")
        self._failing = failed
        return result

    def shutdown(self) -> None:
        """End the exporter."""
        self._exporter.shutdown()


def _resource(part: str) -> Resource:
    return Resource.create(
        {
            "service.namespace": "tidemark",
            "service.name": part,
            "service.version": version("tidemark"),
            "host.name": socket.gethostname(),
            "process.pid": os.getpid(),
        }
    )


def _messaging(operation: str, topic: str, site: str | None) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {
        "messaging.system": "kafka",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": topic,
    }
    return attributes if site is None else attributes | {"tidemark.site": site}


def _place(partition: int | None, offset: int | None) -> dict[str, str | int]:
    return {"messaging.destination.partition.id": str(partition), "messaging.kafka.offset": offset or 0}


def _under(parent: TraceContext | None) -> Context:
    """Return the context of a span below this one; nothing else that may be current counts."""
    nothing = Context()
    return nothing if parent is None else trace.set_span_in_context(NonRecordingSpan(parent), nothing)


def _context_in(headers: Headers) -> TraceContext:
    """Return the trace that headers name, an invalid one if they name none or no proper one."""
    for name, value in headers:
        if value is not None and _text(name) == HEADER:
            found = _W3C.extract({HEADER: _text(value)}, Context())
            return trace.get_current_span(found).get_span_context()
    return trace.INVALID_SPAN_CONTEXT


def _text(raw: str | bytes) -> str:
    return raw if isinstance(raw, str) else raw.decode("latin-1")

"""A part's spans on their way to a collector: what is sampled, what is told while it is away, what it costs without."""

import logging
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from monitoring import spans
from monitoring.spans import Traces
from monitoring.traces import open_traces
from tests.support import wait
from tests.support.collector import Collector, collecting
from tidemark.settings import Settings

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, NOT_SAMPLED = f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00"
APPS = ("ingestion.app", "simulator.app", "streams.app", "websocket_gateway.app")


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "EXPORT_EVERY_MS", 10)


def serve(traces: Traces, traceparent: str | None) -> bool:
    """Serve a request; say whether it is sampled."""
    headers = [] if traceparent is None else [(b"accept", b"*/*"), (b"traceparent", traceparent.encode())]
    with traces.serving("POST", "/event", headers) as span:
        return span is not None


def test_without_a_collector_nothing_of_opentelemetry_is_imported() -> None:
    program = (
        f"import sys, {', '.join(APPS)}\n"
        "from monitoring.traces import open_traces\n"
        "from tidemark.settings import Settings\n"
        "assert open_traces('streams', Settings()) is None\n"
        "sys.exit(str([name for name in sys.modules if name.startswith('opentelemetry')] or ''))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (1, "")  # exit("") prints an empty line


@pytest.mark.parametrize(
    ("sampling", "traceparent", "sampled"),
    [
        (0.0, None, False),
        (1.0, None, True),
        (0.0, SAMPLED, True),
        (1.0, NOT_SAMPLED, False),
        (1.0, "00-no-trace-01", True),
        (0.0, "00-no-trace-01", False),
    ],
)
def test_a_request_that_belongs_to_a_trace_is_sampled_as_that_is_the_others_by_their_share(
    collector: Collector, sampling: float, traceparent: str | None, sampled: bool
) -> None:
    traces = open_traces("ingestion", Settings(traces_endpoint=collector.url + "/", traces_sampling=sampling))
    assert traces is not None
    assert serve(traces, traceparent) is sampled
    traces.close()
    goes_on = sampled and traceparent == SAMPLED
    assert len(collector.spans) == sampled
    assert len(collector.of(TRACE)) == goes_on


def test_a_share_of_what_has_no_trace_begins_one() -> None:
    traces = Traces("simulator", "http://127.0.0.1:9", 0.1)
    assert 800 < sum(traces.chosen() for _ in range(10_000)) < 1_200
    traces.close(0)


def test_what_is_sent_carries_its_span_and_ends_with_its_last_report(collector: Collector) -> None:
    traces = Traces("ingestion", collector.url, 1.0)
    sending = traces.send("topic", "shop", records=2)
    reports: list[object] = []
    report = sending.reporting(lambda error, message: reports.append(message))
    goes_on = traces.carried([("other", b"x"), ("traceparent", sending.header[1].encode())])
    assert goes_on is not None
    traces.process("topic", 3, 7, "shop", goes_on, time.time_ns(), "late")
    for message in ("first", "second"):
        wait.until(lambda: len(collector.spans) == 1, 5.0)
        report(None, message)  # type: ignore[arg-type]
    traces.close()
    processed, sent = collector.spans
    assert reports == ["first", "second"]
    assert (processed.trace, processed.parent) == (sent.trace, sent.id)
    assert (sent.name, sent.attributes["messaging.batch.message_count"], sent.failed) == ("send topic", 2, False)
    assert (processed.name, processed.attributes["error.type"], processed.failed) == ("process topic", "late", True)
    assert processed.attributes["messaging.destination.partition.id"] == "3"
    assert processed.attributes["messaging.kafka.offset"] == 7


def test_a_collector_that_takes_nothing_is_told_of_once(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []
    monkeypatch.setattr(spans, "log", SimpleNamespace(warning=told.append, info=told.append))
    traces = Traces("streams", collector.url, 1.0)
    collector.refuses = True
    for requests in (1, 2, 3):
        serve(traces, None)
        wait.until(lambda: collector.requests == requests, 5.0)  # noqa: B023
    collector.refuses = False
    serve(traces, None)
    traces.close()
    assert len(collector.spans) == 1
    refused, again = told
    assert "takes no spans" in refused
    assert "takes spans again" in again
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


def test_a_collector_that_does_not_answer_holds_up_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        traces = Traces("gateway", f"http://127.0.0.1:{silent.getsockname()[1]}", 1.0)
        began = time.monotonic()
        for _ in range(5_000):  # more than wait for the collector
            serve(traces, None)
        traces.close(0.1)
        assert time.monotonic() - began < 5.0

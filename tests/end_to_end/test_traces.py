"""Traces of the real parts on the real servers: one from the sender of an event to the live client that sees it."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from websockets.sync.client import ClientConnection, connect

from deploy.local.addresses import free_ports
from tests.conftest import provisioned
from tests.ingestion.made import page_view
from tests.ingestion.sending import door_settings, running_door, url
from tests.ingestion.test_ingest import ask
from tests.support import wait
from tests.support.collector import Collector, Told, collecting
from tests.support.parts import running
from tidemark.settings import Settings
from tidemark.topics import EVENTS, METRICS, PARTIALS

SHOWN = "send websocket"
TRACE, SENDERS_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Platform(NamedTuple):
    settings: Settings
    collector: Collector
    client: ClientConnection
    folder: Path

    def way(self, *first: str) -> list[str]:
        """The spans' names on the way of an event, from those that begin it."""
        topics = [self.settings.topic(topic.name) for topic in (EVENTS, PARTIALS, METRICS)]
        return [*first, *(f"{verb} {topic}" for topic in topics for verb in ("send", "process")), SHOWN]


@pytest.fixture(scope="module")
def platform(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The parts an event goes through, all its traces sampled, and a live client of two sites."""
    folder = tmp_path_factory.mktemp("traces")
    with collecting() as collector, ExitStack() as parts:
        traced = {"gateway_port": free_ports(), "traces_endpoint": collector.url, "traces_sampling": 1.0}
        # What takes long on a busy machine must not end on disk.
        settings = door_settings(provisioned(stack), folder, **traced, ingestion_patience_seconds=30.0)
        gateway = parts.enter_context(running(settings, folder / "gateway.log", "gateway"))
        parts.enter_context(running(settings, folder / "streams.log", "streams", "run"))
        parts.enter_context(running_door(settings, folder / "door.log"))
        gateway.wait_until(lambda: gateway.logged('"reading"'))
        address = f"ws://{settings.gateway_host}:{settings.gateway_port}"
        client = parts.enter_context(connect(address, proxy=None, compression=None, max_queue=None))
        for site in ("shop", "default"):
            client.send(json.dumps({"action": "subscribe", "site": site}))
        yield Platform(settings, collector, client, folder)


def check(way: list[Told]) -> None:
    """Each step began after the one before, and knows the record that it got from it; none says who it was about."""
    assert all(before.start <= after.start for before, after in pairwise(way))
    assert all(span.start <= span.end for span in way)
    sent = [span for span in way if span.name.startswith("send ") and span.name != SHOWN]
    processed = [span for span in way if span.name.startswith("process ")]
    for before, after in zip(sent, processed, strict=True):
        for name in ("destination.name", "destination.partition.id", "kafka.offset"):
            assert before.attributes[f"messaging.{name}"] == after.attributes[f"messaging.{name}"]
    assert not any(span.failed for span in way)


def test_a_request_with_a_trace_goes_on_with_it_to_the_live_client(platform: Platform) -> None:
    collector = platform.collector
    event = page_view(user_id="nobody-else", url="/not/to/be/told", timestamp=_now())
    header = {"traceparent": f"00-{TRACE}-{SENDERS_SPAN}-01"}
    assert ask(url(platform.settings), event, header)[0] == 200
    way = platform.way("POST /event")
    wait.until(lambda: len(collector.of(TRACE)) >= len(way), 40.0, lambda: collector.tree(TRACE))
    [last] = [span for span in collector.of(TRACE) if span.name == SHOWN]
    spans = collector.way_to(last)
    assert [span.name for span in spans] == way
    assert spans[0].parent == SENDERS_SPAN
    check(spans)
    services = [span.service for span in spans]
    assert services == ["ingestion"] * 2 + ["streams"] * 4 + ["gateway"] * 2
    assert spans[0].attributes["http.response.status_code"] == 200
    assert {span.attributes["tidemark.site"] for span in spans[1:]} == {"shop"}
    assert spans[-1].attributes["tidemark.clients"] == 1
    everything = str(collector.spans)
    assert not any(told in everything for told in ("nobody-else", "/not/to/be/told", "127.0.0.1"))


def test_what_the_simulator_sends_begins_traces(platform: Platform) -> None:
    collector = platform.collector
    load = ("simulate", "--rate", "20", "--duration", "3", "--disorder-ms", "0")
    with running(platform.settings, platform.folder / "simulator.log", *load) as simulator:
        assert simulator.process.wait(30) == 0, simulator.log
    begun = {span.trace for span in collector.spans if span.service == "simulator"}
    assert len(begun) == json.loads(simulator.output.split()[2])  # "records sent  60 in …"
    way = platform.way()

    def whole() -> list[list[Told]]:
        shown = [span for span in collector.spans if span.name == SHOWN and span.trace in begun]
        return [spans for spans in map(collector.way_to, shown) if [span.name for span in spans] == way]

    wait.until(whole, 30.0, lambda: collector.tree(next(iter(begun))))
    for spans in whole():
        assert not spans[0].parent
        check(spans)
    # Each was judged, and went on by itself or as a link of the one that did, unless it was late.
    wait.until(lambda: begun <= {span.trace for span in collector.spans if span.name == way[1]}, 20.0)
    late = {span.trace for span in collector.spans if span.name == way[1] and span.failed}
    wait.until(lambda: begun - late <= _went_on(collector, way[2]), 20.0)


def test_requests_at_the_same_time_do_not_mix_their_traces(platform: Platform) -> None:
    collector = platform.collector
    traces = [f"{number:032x}" for number in range(1, 41)]

    def send(trace: str) -> int:
        header = {"traceparent": f"00-{trace}-{SENDERS_SPAN}-01"}
        return ask(url(platform.settings), page_view(timestamp=_now()), header)[0]

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(send, traces)) == {200}
    begins = ["POST /event", *platform.way()[:2]]
    wait.until(lambda: all([span.name for span in collector.of(trace)[:3]] == begins for trace in traces), 20.0)
    for trace in traces:
        request, sent, judged = collector.of(trace)[:3]
        assert (sent.parent, judged.parent) == (request.id, sent.id)


def _now() -> int:
    return time.time_ns() // 1_000_000


def _went_on(collector: Collector, name: str) -> set[str]:
    sent = [span for span in collector.spans if span.name == name]
    return {span.trace for span in sent} | {linked for span in sent for linked in span.links}

"""One run of the whole pipeline on the real servers: 60,000 past-dated events, through streams, sink and gateway."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

from deploy.local.addresses import free_ports
from sinks.app import GROUP as SINK_GROUP
from streams.app import GROUP as STREAMS_GROUP
from tests.end_to_end.live_page import LivePage
from tests.monitoring.told import Told, told
from tests.support import wait
from tests.support.exactness import Observed, expect, observe, wait_until_exact
from tests.support.kafka_log import LogRecord, read_log, wait_for_lag_zero
from tests.support.parts import running
from tests.support.reference import Expected
from tidemark.settings import Settings
from tidemark.topics import ALERTS, EVENTS, METRICS, PARTIALS, SESSIONS

SITES = ("default", "site-2", "site-3")
EVENTS_SENT = 60_000
#: 20 events/s: 50 minutes of event time, so that visits end by their gap too, and the newest windows are not empty.
LOAD = (
    "simulate", "--max-speed", "--count", str(EVENTS_SENT), "--rate", "20", "--users", "3000", "--sites", "3",
    "--late", "2%", "--duplicates", "1%", "--bad", "0.5%", "--disorder-ms", "1500", "--seed", "11",
)  # fmt: skip


@dataclass(frozen=True)
class Finished:
    """What is left when all is through and the streams have stopped; the gateway still serves ``page``.

    ``due``: what the log asked for before they stopped; ``allowed``: what its last ticks ask for besides; ``told``: the
    streams' metrics then.
    """

    settings: Settings
    manifest: dict[str, Any]
    log: list[LogRecord]
    due: Expected
    allowed: Expected
    seen: Observed
    page: LivePage
    told: Told


@contextmanager
def finished_run(settings: Settings, folder: Path) -> Iterator[Finished]:
    """Fill the topic, then run all parts until everything the log asks for is there and in InfluxDB."""
    manifest = _filled(settings, folder)
    with ExitStack() as parts:
        parts.enter_context(running(settings, folder / "gateway.log", "gateway"))
        parts.enter_context(running(settings, folder / "sink.log", "sink", "influxdb"))
        page = parts.enter_context(_open_page(settings))
        # What is read is committed with the next checkpoint: it comes soon.
        often = settings.model_copy(update={"checkpoint_interval_ms": 500, "metrics_port": free_ports()})
        streams = parts.enter_context(running(often, folder / "streams.log", "streams", "run"))
        due = wait_until_exact(settings, 120.0)
        # What was not accepted is in the windows of when the topic was filled: ticks have to pass these too.
        sent = manifest["recordsSent"]
        wait.until(lambda: observe(settings).outcomes().total() == sent, 30.0, "not every record is counted")
        wait_for_lag_zero(settings, STREAMS_GROUP, [EVENTS, PARTIALS])
        metrics = told(f"http://127.0.0.1:{often.metrics_port}/metrics")
        assert streams.stop() == 0, streams.log
        wait_for_lag_zero(settings, SINK_GROUP, [METRICS, SESSIONS, ALERTS], 60.0)
        log, seen = read_log(settings, EVENTS), observe(settings)
        yield Finished(settings, manifest, log, due, expect(settings), seen, page, metrics)


def _filled(settings: Settings, folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    with running(settings, folder / "simulator.log", *LOAD, "--manifest", str(path)) as simulator:
        assert simulator.process.wait(120) == 0, simulator.log
    manifest: dict[str, Any] = json.loads(path.read_text())
    return manifest


@contextmanager
def _open_page(settings: Settings) -> Iterator[LivePage]:
    """Connect to the gateway as soon as it listens."""
    url = f"ws://{settings.gateway_host}:{settings.gateway_port}"
    with ExitStack() as connections:
        wait.until(lambda: _listens(url), 20.0, "the gateway does not listen")
        # The page reads only when it is asked to: its queue must hold the whole run.
        page = LivePage(connections.enter_context(connect(url, proxy=None, compression=None, max_queue=None)))
        for site in SITES:
            page.subscribe(site)
        yield page


def _listens(url: str) -> bool:
    try:
        with connect(url, proxy=None):
            return True
    except OSError:
        return False

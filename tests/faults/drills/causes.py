"""The faults: each is a block in which it is there; at the block's end it is removed as the alert's runbook says."""

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

from websockets.sync.client import ClientConnection, connect

from tests.faults.drills.platform import Platform
from tests.ingestion.sending import Sending
from tests.support.parts import running
from tests.support.topic_settings import set_of_topic
from tidemark.topics import METRICS

#: A slowed worker runs for so much of each period (s), as under cpulimit.
PERIOD_SECONDS, SHARE = 0.5, 0.05
#: Bad records a second, beside the 200 good events a second of `tidemark up`.
BAD_RATE = 100
#: Events a second at the door while the broker hangs.
DOOR_RATE = 50
#: So much of the gateway's limit is used, and so much of the disk left.
CROWDED = 0.9
LEFT = 0.06
#: The largest batch that a topic takes, and Kafka's default.
MOST_BYTES, KAFKAS_MOST_BYTES = "max.message.bytes", "1048588"


@contextmanager
def hung(platform: Platform, part: str) -> Iterator[None]:
    """SIGSTOP; in the end SIGKILL, after which it is started again."""
    pid = platform.pid(part)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@contextmanager
def alerts_hung(platform: Platform) -> Iterator[None]:
    """The part that judges the finals does not answer any more."""
    with hung(platform, "alerts"):
        yield


@contextmanager
def influxdb_hung(platform: Platform) -> Iterator[None]:
    """InfluxDB takes connections and does not answer."""
    with hung(platform, "influxdb"):
        yield


@contextmanager
def broker_hung(platform: Platform) -> Iterator[None]:
    """The only broker does not answer, while a site sends events to the door; in the end all of them are accepted."""
    sending = Sending(platform.settings, DOOR_RATE, "shop")
    with ThreadPoolExecutor(1) as sender, hung(platform, "kafka"):
        sent = sender.submit(lambda: asyncio.run(sending.run()))
        try:
            yield
        finally:
            sending.going = False
    sent.result()


@contextmanager
def worker_slowed(platform: Platform) -> Iterator[None]:
    """The only worker has a small share of a core, and its successor too, if it ends."""
    healed = threading.Event()
    with ThreadPoolExecutor(1) as executor:
        slowing = executor.submit(_slow, platform, healed)
        try:
            yield
        finally:
            healed.set()
    slowing.result()


def _slow(platform: Platform, healed: threading.Event) -> None:
    while not healed.is_set():
        with suppress(KeyError, ProcessLookupError):  # it ends, or starts
            pid = platform.pid("streams")
            os.kill(pid, signal.SIGSTOP)
            healed.wait(PERIOD_SECONDS * (1 - SHARE))
            os.kill(pid, signal.SIGCONT)
        healed.wait(PERIOD_SECONDS * SHARE)


@contextmanager
def bad_records(platform: Platform) -> Iterator[None]:
    """A sender's records are no events; in the end it sends none."""
    settings = platform.settings.model_copy(update={"metrics_port": None})
    load = ("simulate", "--rate", str(BAD_RATE), "--bad", "100%")
    with running(settings, platform.folder / "bad.log", *load) as simulator:
        yield
        assert simulator.process.poll() is None, simulator.log


@contextmanager
def results_refused(platform: Platform) -> Iterator[None]:
    """The broker takes no result: the worker dies of that as often as it is started."""
    set_of_topic(platform.settings, METRICS, MOST_BYTES, "1")
    try:
        yield
    finally:
        set_of_topic(platform.settings, METRICS, MOST_BYTES, KAFKAS_MOST_BYTES)


@contextmanager
def crowd(platform: Platform) -> Iterator[None]:
    """Nearly as many live clients as the gateway may have; in the end they go."""
    settings = platform.settings
    url = f"ws://{settings.gateway_host}:{settings.gateway_port}"
    count = int(CROWDED * settings.gateway_max_connections)
    with ThreadPoolExecutor(count) as reading, ExitStack() as clients:
        for _ in range(count):
            client = clients.enter_context(connect(url, proxy=None, compression=None))
            reading.submit(_read, client)
        yield


def _read(client: ClientConnection) -> None:
    for _ in client:
        pass


@contextmanager
def disk_filled(platform: Platform) -> Iterator[None]:
    """Something that is none of ours takes nearly all that is left on the disk; in the end it is deleted."""
    assert platform.disk is not None
    there = os.statvfs(platform.disk)
    ballast = platform.disk / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, int((there.f_bavail - LEFT * there.f_blocks) * there.f_frsize))
    try:
        yield
    finally:
        ballast.unlink()

"""Sends events to a door that runs, again if need be, and remembers which it has accepted."""

import asyncio
import os
import signal
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

from deploy.local.addresses import free_ports
from tests.ingestion.made import page_view
from tests.support import wait
from tests.support.kafka_log import read_log
from tests.support.parts import Part, gone_afterwards
from tidemark.decoding import decode_event
from tidemark.settings import Settings
from tidemark.topics import EVENTS


def door_settings(settings: Settings, folder: Path, **changes: Any) -> Settings:
    """Return the settings with a port and a folder of its own for the door."""
    own = {"ingestion_port": free_ports(), "ingestion_dir": folder / "door"}
    return settings.model_copy(update=own | changes)


def url(settings: Settings, path: str = "/event") -> str:
    return f"http://127.0.0.1:{settings.ingestion_port}{path}"


class DoorPart(Part):
    """A running ``tidemark ingest``, its workers included."""

    def __init__(self, settings: Settings, log: Path) -> None:
        super().__init__(settings, log, "ingest")
        self.settings = settings

    def workers(self) -> list[int]:
        """Return the processes that answer."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def kill(self) -> None:
        """End it and its workers at once, by SIGKILL; return when they are gone."""
        workers = self.workers() if self.process.poll() is None else []
        super().kill()
        for pid in workers:
            kill(pid)
        wait.until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), 10)


def kill(pid: int) -> None:
    """End a process at once, by SIGKILL, if it is there."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@contextmanager
def running_door(settings: Settings, log: Path) -> Iterator[DoorPart]:
    """Run a door that answers; whatever happens, it is gone afterwards."""
    with gone_afterwards(DoorPart(settings, log)) as part:
        part.wait_until(lambda: part.logged("Started worker-1"))
        yield part


class Sending:
    """Sends events, one a request, each again and again until it is accepted; ``accepted`` has their ids."""

    def __init__(self, settings: Settings, rate: float, site: str) -> None:
        self._url = url(settings)
        self._rate = rate
        self._site = site
        self.sent = 0
        self.accepted: set[str] = set()
        self.answers: Counter[int | str] = Counter()
        self.going = True

    async def run(self) -> None:
        """Send until ``going`` is False, then on until all that was sent is accepted."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as session:
            tasks = []
            began = time.monotonic()
            while self.going:
                tasks.append(asyncio.create_task(self._send(session, str(uuid.uuid4()))))
                self.sent = len(tasks)
                await asyncio.sleep(max(0.0, began + len(tasks) / self._rate - time.monotonic()))
            await asyncio.gather(*tasks)

    async def _send(self, session: aiohttp.ClientSession, event_id: str) -> None:
        now = time.time_ns() // 1_000_000
        event = page_view(site_id=self._site, event_id=event_id, user_id=event_id[:2], timestamp=now)
        while event_id not in self.accepted:
            try:
                async with session.post(self._url, json=event) as answer:
                    self.answers[answer.status] += 1
                    if answer.status == 200:
                        self.accepted.add((await answer.json())["event_id"])
                        return
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                self.answers[type(error).__name__] += 1
            await asyncio.sleep(0.2)

    def wait_for_more(self, count: int) -> None:
        """Return when so many more are accepted."""
        enough = len(self.accepted) + count
        wait.until(lambda: len(self.accepted) >= enough, 30, lambda: str(self.answers))

    def finish(self) -> None:
        """Return when all is accepted."""
        self.going = False
        wait.until(lambda: len(self.accepted) == self.sent, 30, lambda: f"{self.sent} sent, {self.answers}")


def while_sending(settings: Settings, rate: float, scene: Callable[[Sending], Any], site: str = "shop") -> Sending:
    """Send while the scene, in a thread of its own, does what it does; return what was sent."""

    async def both() -> Sending:
        sending = Sending(settings, rate, site)
        task = asyncio.create_task(sending.run())
        try:
            await asyncio.to_thread(scene, sending)
        finally:
            sending.going = False
        await task
        return sending

    return asyncio.run(both())


def ids_in(settings: Settings) -> list[str]:
    """Return the ids of all events in the log."""
    return [decode_event(record.value)[0].event_id for record in read_log(settings, EVENTS) if record.value]

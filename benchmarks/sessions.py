"""What open sessions cost a streams worker: speed, memory, checkpoints and restores, from ten thousand to a million.

Run ``python -m benchmarks.sessions``. No broker: the windows of all twelve partitions are fed directly, each number of
sessions in a process of its own. First every session gets an event, then events come for sessions at random.
"""

import gc
import random
import resource
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator

import msgspec
from rich.console import Console
from rich.table import Table

from streams.windows.checkpoint import Changes
from streams.windows.partition import PartitionWindows
from tests.support.stages import Consumed
from tidemark.events import Event, PageViewData, SessionData, encode_event
from tidemark.topics import EVENTS

SESSIONS = (10_000, 100_000, 1_000_000)
#: Events for sessions that are open, whose handling is timed.
EVENTS_TIMED = 200_000
#: In event time: all sessions begin within 10 minutes, so that none is over before the end.
BEGIN_MS = 600_000
TIMED_MS = 100_000
BATCH = 1_000
START_MS = 1_764_547_200_000
LATENESS_MS = 2_000
#: Between as many checkpoints the sessions begin.
PARTS = 20
FUNNEL = ("/", "/products*", "/cart", "/checkout")
URLS = [f"/products/{number}" for number in range(40)]
BROWSERS = ["Chrome", "Firefox", "Safari", "Edge"]
COUNTRIES = ["Germany", "France", "Norway", "Brazil", "India"]


class Figures(msgspec.Struct):
    """What was measured for a number of open sessions."""

    sessions: int
    events_per_second: float
    bytes_per_visit: float
    bytes_per_id: float
    opening_checkpoints_seconds: float
    checkpoint_seconds: float
    checkpoint_entries: int
    restore_seconds: float


class Feeder:
    """Makes events for sessions and feeds them to the windows of their partitions; only the feeding is timed."""

    def __init__(self, windows: list[PartitionWindows]) -> None:
        self._windows = windows
        self._rng = random.Random(1)
        self._waiting: list[list[Consumed]] = [[] for _ in windows]
        self._offsets = [0] * len(windows)
        self.seconds = 0.0

    def feed(self, sessions: Iterator[int], start_ms: int, span_ms: int, count: int) -> None:
        """Feed an event for each of ``count`` sessions, evenly spread over a time."""
        for number in range(count):
            self._add(next(sessions), start_ms + number * span_ms // count)
        for partition in range(len(self._windows)):
            self._flush(partition)

    def any_of(self, sessions: int) -> Iterator[int]:
        """Yield sessions at random, for ever."""
        while True:
            yield self._rng.randrange(sessions)

    def _add(self, session: int, time_ms: int) -> None:
        rng = self._rng
        event = Event(
            event_id=f"{rng.getrandbits(32):08x}-0000-4000-8000-{rng.getrandbits(48):012x}",
            timestamp=time_ms,
            event_type="PAGE_VIEW",
            session_id=f"s-{session:024x}",
            user_id=f"user-{session:08d}",
            page_view_data=PageViewData(
                url=rng.choice(URLS), title="x" * 180, referrer="https://search.example/?q=tide"
            ),
            session_data=SessionData(
                user_agent="Mozilla/5.0 " + "y" * 100,
                country=rng.choice(COUNTRIES),
                device_type="desktop",
                browser=rng.choice(BROWSERS),
            ),
        )
        partition = zlib.crc32(b"%d" % session) % len(self._windows)
        waiting = self._waiting[partition]
        waiting.append(Consumed(self._offsets[partition], time_ms, b"key", encode_event(event), ()))
        self._offsets[partition] += 1
        if len(waiting) == BATCH:
            self._flush(partition)

    def _flush(self, partition: int) -> None:
        records, self._waiting[partition] = self._waiting[partition], []
        started = time.thread_time()
        self._windows[partition].feed(records)
        self.seconds += time.thread_time() - started


def measure(sessions: int) -> Figures:
    """Open so many sessions with a checkpoint now and then, as a worker does; then measure."""
    gc.set_threshold(100_000, 50, 1_000)  # as the worker does
    windows, feeder = opened()
    before = resident_bytes()
    first = 0.0
    for _ in _open_sessions(feeder, sessions):
        first += checkpoint(windows)[0]
    grown = resident_bytes() - before
    ids, ids_bytes = sum(each.ids for each in windows), sum(each.ids_bytes for each in windows)
    feeder.seconds = 0.0
    feeder.feed(feeder.any_of(sessions), START_MS + BEGIN_MS, TIMED_MS, EVENTS_TIMED)
    took, changed = checkpoint(windows)
    return Figures(
        sessions=sessions,
        events_per_second=EVENTS_TIMED / feeder.seconds,
        bytes_per_visit=(grown - ids_bytes) / sessions,
        bytes_per_id=ids_bytes / ids,
        opening_checkpoints_seconds=first,
        checkpoint_seconds=took,
        checkpoint_entries=sum(map(len, changed)),
        restore_seconds=restore_seconds(sessions),
    )


def opened() -> tuple[list[PartitionWindows], Feeder]:
    """Return the windows of all partitions, empty, and what feeds them."""
    windows = [
        PartitionWindows(partition, lateness_ms=LATENESS_MS, funnel=FUNNEL) for partition in range(EVENTS.partitions)
    ]
    return windows, Feeder(windows)


def _open_sessions(feeder: Feeder, sessions: int) -> Iterator[int]:
    """Give each session its first event; yields after each of some parts."""
    part, part_ms = sessions // PARTS, BEGIN_MS // PARTS
    for number in range(PARTS):
        feeder.feed(iter(range(number * part, (number + 1) * part)), START_MS + number * part_ms, part_ms, part)
        yield number


def restore_seconds(sessions: int) -> float:
    """Return how long it takes to restore all partitions with so many open sessions from their entries."""
    windows, feeder = opened()
    saved: list[dict[bytes, bytes]] = [{} for _ in windows]
    for _ in _open_sessions(feeder, sessions):
        for entries, changes in zip(saved, checkpoint(windows)[1], strict=True):
            entries.update((key, value) for key, value in changes if value is not None)
            for key in [key for key, value in changes if value is None]:
                entries.pop(key, None)
    started = time.perf_counter()
    for partition, entries in enumerate(saved):
        PartitionWindows.restored(entries, partition, lateness_ms=LATENESS_MS, funnel=FUNNEL)
    return time.perf_counter() - started


def checkpoint(windows: list[PartitionWindows]) -> tuple[float, list[Changes]]:
    """Take what changed of all partitions; return the CPU seconds and the changes."""
    started = time.thread_time()
    changes = [each.changes() for each in windows]
    return time.thread_time() - started, changes


def resident_bytes() -> int:
    """Return what the process has in memory."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def main() -> None:
    """Measure each number of sessions in a process of its own and print a table."""
    table = Table(
        "open sessions", "events/s of CPU", "bytes a visit", "bytes an id", f"{PARTS} checkpoints of all, s",
        f"one of {EVENTS_TIMED:,} events, s", "its entries", "restore, s",
    )  # fmt: skip
    for sessions in SESSIONS:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.sessions", str(sessions)], check=True, capture_output=True
        )
        found = msgspec.json.decode(done.stdout, type=Figures)
        table.add_row(
            f"{found.sessions:,}",
            f"{found.events_per_second:,.0f}",
            f"{found.bytes_per_visit:,.0f}",
            f"{found.bytes_per_id:.1f}",
            f"{found.opening_checkpoints_seconds:.2f}",
            f"{found.checkpoint_seconds:.2f}",
            f"{found.checkpoint_entries:,}",
            f"{found.restore_seconds:.2f}",
        )
    Console().print(table)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.stdout.buffer.write(msgspec.json.encode(measure(int(sys.argv[1]))))
    else:
        main()

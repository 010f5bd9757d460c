"""One run: connects the plan, the pacer, the sender, the manifest and the progress, until its end or a signal."""

import gc
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from confluent_kafka import Producer
from rich.console import Console

from monitoring.metrics import EVENTS as RECORDS
from monitoring.metrics import SIMULATOR
from monitoring.traces import open_traces
from simulator.faults import Faults
from simulator.manifest import Tally, write_atomically
from simulator.pacing import MaxSpeed, Pacer, Punctuality
from simulator.plan import Plan
from simulator.producer import Connection, Sender, sender_config
from simulator.progress import Progress, schedule
from simulator.visitors import Load
from tidemark.events import MICROS
from tidemark.settings import Settings
from tidemark.topics import EVENTS

#: Between updates of the progress and of the manifest.
_BEAT_S = 1.0
#: A paced run starts so much later than now (ms): time to bring the visits under way that it begins with.
_HEAD_START_MS = 1_000


@dataclass(frozen=True)
class Options:
    """What a run is asked for.

    ``start_ms`` is the event time of its start, None for now (not with ``max_speed``); ``duration_ms`` and ``count``
    end it, whichever comes first.
    """

    load: Load
    faults: Faults
    start_ms: int | None = None
    duration_ms: int | None = None
    count: int | None = None
    max_speed: bool = False
    manifest: Path | None = None


class Stop:
    """Counts the signals: at the first one a run ends in order, at the second it waits for nothing more."""

    def __init__(self) -> None:
        self.requests = 0

    def request(self, number: int = signal.SIGINT, frame: FrameType | None = None) -> None:
        """Ask for the end; fit to be a signal handler."""
        self.requests += 1

    def requested(self) -> bool:
        """Say whether the run is to end."""
        return self.requests > 0

    def insisted(self) -> bool:
        """Say whether it is to end at once."""
        return self.requests > 1

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Take SIGINT and SIGTERM as requests."""
        before = {number: signal.signal(number, self.request) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class Run:
    """One run of the simulator against the broker of the settings; ``execute`` it once."""

    def __init__(self, settings: Settings, options: Options, stop: Stop, console: Console) -> None:
        self._options = options
        self._stop = stop
        self._tally = Tally()
        self._punctuality = Punctuality()
        self._traces = open_traces(SIMULATOR, settings)
        self._sender = self._connect(settings)
        self._progress = Progress(console, self._tally, self._punctuality, time.monotonic)
        self._plan: Plan | None = None
        self._start_ms = options.start_ms or 0
        self._started_at = _now_ms()
        self._next_beat = 0.0
        self._began = self._ended = time.monotonic()
        self._exported = (0, 0)

    def _connect(self, settings: Settings) -> Sender:
        connection = Connection()
        return Sender(
            Producer(sender_config(settings, connection.on_error)),
            settings.topic(EVENTS.name),
            self._tally,
            self._punctuality,
            connection,
            time.monotonic,
            self._beat,
            self._traces,
        )

    def execute(self) -> bool:
        """Send everything and wait for the acknowledgements; return whether each record was acknowledged.

        Raises SendError if the topic is missing or the producer failed for good; the manifest is written even then.
        """
        try:
            with self._progress, self._stop.on_signals(), _rare_collections():
                if self._sender.find_topic(self._stop.requested):
                    self._send_all()
                    self._sender.flush(self._stop.insisted)
        finally:
            self._ended = time.monotonic()
            self._export()
            self._write_manifest(ended_at=_now_ms())
            if self._traces is not None:
                self._traces.close()
        return self._tally.acknowledged == self._tally.sent

    def _send_all(self) -> None:
        options = self._options
        pacer = self._begin()
        self._plan = plan = Plan(
            options.load, options.faults, self._start_ms, duration_ms=options.duration_ms, count=options.count
        )
        for scheduled, records in pacer.waves(plan, plan.is_draining):
            self._sender.send(records, scheduled)

    def _begin(self) -> Pacer | MaxSpeed:
        """Settle when the run starts: in event time and, if it is paced, on the clock."""
        self._began = time.monotonic()
        if self._options.max_speed:
            return MaxSpeed(time.monotonic)
        self._began += _HEAD_START_MS / 1_000
        if self._options.start_ms is None:
            self._start_ms = _now_ms() + _HEAD_START_MS
        return Pacer(self._began, time.monotonic, self._sender.poll)

    def _beat(self) -> None:
        if self._stop.requested() and self._plan is not None:
            self._plan.stop()
        now = time.monotonic()
        if now >= self._next_beat:
            self._next_beat = now + _BEAT_S
            self._progress.update()
            self._export()
            self._write_manifest(ended_at=None)

    def _export(self) -> None:
        """Bring the Prometheus counters up to the tally."""
        counted = (self._tally.acknowledged, self._tally.failed.total())
        for outcome, before, now in zip(("acknowledged", "failed"), self._exported, counted, strict=True):
            RECORDS.labels("simulator", outcome).inc(now - before)
        self._exported = counted

    def _write_manifest(self, ended_at: int | None) -> None:
        if self._options.manifest is not None:
            write_atomically(self._options.manifest, self._manifest(ended_at))

    def _manifest(self, ended_at: int | None) -> dict[str, Any]:
        options = self._options
        return {
            "options": _named(options),
            "start": self._start_ms,
            "startedAt": self._started_at,
            "endedAt": ended_at,
            **self._tally.figures(self._start_ms),
            "behindSchedule": self._punctuality.behind,
            "worstBehindMs": round(self._punctuality.worst_behind_ms),
        }

    def summary(self) -> str:
        """Return the run's result for people, a line a figure."""
        figures = self._tally.figures(self._start_ms)
        seconds = max(self._ended - self._began, 1e-9)
        shown = {
            "records sent": f"{self._tally.sent:,} in {seconds:,.1f} s ({self._tally.sent / seconds:,.0f}/s)",
            "acknowledged": f"{self._tally.acknowledged:,}",
            "failed": ", ".join(f"{records:,} {why}" for why, records in self._tally.failed.items()) or "0",
            **{name: f"{events:,}" for name, events in figures["events"].items()},
            "visits": f"{figures['visits']:,}",
            "revenue": f"{figures['revenueMicros'] / MICROS:,.2f}",
            "late, duplicates, bad": f"{figures['late']:,}, {figures['duplicates']:,}, {self._tally.bad.total():,}",
            **schedule(self._punctuality),
        }
        return "\n".join(f"{name:<24}{figure}" for name, figure in shown.items())


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Let Python look for cycles seldom: records form none, and it would look through all that are ahead each time."""
    before = gc.get_threshold()
    gc.set_threshold(1_000_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _named(options: Options) -> dict[str, Any]:
    """Return the options under the names of the command line, times in ms."""
    load = options.load
    return {
        **asdict(options.faults),
        **{"seed": load.seed, "rate": load.rate, "users": load.users, "sites": load.sites},
        "scenario": load.scenario.name,
        **{"start_ms": options.start_ms, "duration_ms": options.duration_ms, "count": options.count},
        "max_speed": options.max_speed,
    }


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

"""One run of a row: its own topics, a live load, parts that are killed and started, and what is measured meanwhile."""

import json
import shutil
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

from deploy.local.addresses import free_ports
from streams.app import GROUP
from tests.conftest import OwnStack
from tests.faults.page import Page
from tests.support.kafka_log import ends, lag_behind, out_of_sync, wait_for_lag_zero
from tests.support.parts import Part
from tidemark.settings import Settings
from tidemark.topics import CHECKPOINTS, EVENTS, PARTIALS, Topic

RATE = 300
LOAD = (
    "--users",
    "500",
    "--sites",
    "3",
    "--late",
    "2%",
    "--duplicates",
    "1%",
    "--bad",
    "0.5%",
    "--disorder-ms",
    "1500",
)
#: After the last fault, or the end of the load if that is later, the lag must be gone within this.
RECOVERY_SECONDS = 30.0
STARTED_SECONDS = 60.0
STATES = CHECKPOINTS.partitions
WORKER = ("streams", "run")
SINK = ("sink", "influxdb")
GATEWAY = ("gateway",)


@dataclass(frozen=True)
class Command:
    """How a part is started; ``module`` is the test's own where the part has a defect."""

    settings: Settings
    words: tuple[str, ...]
    module: str = "tidemark"


@dataclass
class Measured:
    """What a run has measured, in seconds; ``moves`` by how the worker went whose partitions moved."""

    faults: int = 0
    recovery_s: float = 0.0
    moves: dict[str, float] = field(default_factory=dict)
    ended_by_themselves: int = 0


class Scene:
    """Everything a row's faults need. All chance comes from the run's ``seed``."""

    def __init__(self, settings: Settings, servers: OwnStack | None, folder: Path, seed: int, seconds: float) -> None:
        self.chance = Random(seed)
        self._servers = servers
        self.settings = settings.model_copy(
            update={
                "gateway_port": free_ports(),
                "checkpoint_interval_ms": self.chance.choice([300, 1_000, 2_000]),
            }
        )
        self.folder = folder
        self.seed = seed
        self.seconds = seconds
        self.measured = Measured()
        self.followed: tuple[str, tuple[Topic, ...]] = (GROUP, (EVENTS, PARTIALS))
        self.parts: dict[str, Part] = {}
        #: A page that watches, where a row has one.
        self.page: Page | None = None
        self._commands: dict[str, Command] = {}
        self._began = 0.0
        self._disturbed = 0.0
        self._ends: dict[tuple[str, int], int] = {}

    @property
    def servers(self) -> OwnStack:
        """The servers, for a row that breaks them: they must be its own."""
        assert self._servers is not None
        return self._servers

    # ---- Parts

    def start(self, name: str, *words: str, module: str = "tidemark") -> Part:
        """Start a part; without words again as before."""
        if words:
            settings = self.settings.model_copy(update={"data_dir": self.folder / name})
            self._commands[name] = Command(settings, words, module)
        command = self._commands[name]
        part = Part(command.settings, self.folder / f"{name}.log", *command.words, module=command.module)
        self.parts[name] = part
        return part

    def start_workers(self, count: int, module: str = "tidemark", words: tuple[str, ...] = WORKER) -> list[str]:
        """Start workers and wait until they have shared all partitions."""
        names = [f"worker-{number}" for number in range(1, count + 1)]
        for name in names:
            self.start(name, *words, module=module)
        self.wait_until_assigned(names, 0.0)
        return names

    def kill(self, name: str) -> None:
        """End a part by SIGKILL; it stays away until it is started again."""
        self.parts.pop(name).kill()

    def stop(self, name: str) -> None:
        """End a part by SIGTERM, in order; one that has ended by itself is only counted."""
        part = self.parts.pop(name)
        if part.process.poll() is not None:
            self.measured.ended_by_themselves += 1
            return
        try:
            assert part.stop() == 0, part.log[-3_000:]
        finally:
            if part.process.poll() is None:
                part.kill()

    def wipe(self, name: str) -> None:
        """Delete what a part has on its disk."""
        shutil.rmtree(self._commands[name].settings.data_dir, ignore_errors=True)

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a part a signal."""
        self.parts[name].process.send_signal(number)

    def let_finish(self) -> None:
        """Wait until the workers have done all there is to do, and stop them."""
        self.catch_up(GROUP, (EVENTS, PARTIALS))
        for name in [name for name in self.parts if name.startswith("worker")]:
            self.stop(name)

    def end(self) -> None:
        """Leave no process, whatever happened."""
        if self.page is not None:
            self.page.close()
        for part in self.parts.values():
            if part.process.poll() is None:
                part.kill()

    def logs(self) -> str:
        """Return the ends of all logs, for a failed run."""
        return "\n".join(f"{path.name}: {path.read_text()[-2_000:]}" for path in sorted(self.folder.glob("*.log")))

    def look_after(self) -> None:
        """Start again what ended by itself, as the supervisor does."""
        for name, part in list(self.parts.items()):
            if part.process.poll() is not None and name in self._commands:
                self.measured.ended_by_themselves += 1
                self.start(name)

    # ---- Load and moments

    def fill(self, count: int) -> None:
        """Send so many events of the past at once."""
        simulator = self._simulate("--max-speed", "--count", str(count))
        assert simulator.process.wait(60) == 0, simulator.log

    @contextmanager
    def load(self) -> Iterator[None]:
        """Send events as they would come, while the block runs and until the load's end."""
        simulator = self._simulate("--duration", str(self.seconds))
        self._began = self._disturbed = time.monotonic()
        yield
        assert simulator.process.wait(self.seconds + 120) == 0, simulator.log

    def _simulate(self, *options: str) -> Part:
        manifest = str(self.folder / "manifest.json")
        simulator = self.parts["simulator"] = Part(
            self.settings,
            self.folder / "simulator.log",
            *("simulate", *LOAD, "--rate", str(RATE), "--seed", str(self.seed), "--manifest", manifest, *options),
        )
        return simulator

    def moments(self, count: int) -> Iterator[int]:
        """Come back at so many random moments of the load."""
        drawn = sorted(self.chance.uniform(1.0, self.seconds) for _ in range(count))
        for number, moment in enumerate(drawn):
            self.pause(self._began + moment - time.monotonic())
            yield number

    def pause(self, seconds: float) -> None:
        """Wait so long, and look after the parts meanwhile."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.look_after()
            time.sleep(min(left, 0.2))

    # ---- Measuring

    def manifest(self) -> dict[str, Any]:
        """Return what the load says it has sent."""
        manifest: dict[str, Any] = json.loads((self.folder / "manifest.json").read_text())
        return manifest

    def fault(self) -> None:
        """Note that a fault comes now: from here on it is measured how long the recovery takes."""
        self.measured.faults += 1
        self.disturbed()

    def disturbed(self) -> None:
        """Measure the recovery from now on, without another fault."""
        self._disturbed = time.monotonic()
        _, topics = self.followed
        self._ends = ends(self.settings, topics)

    def disturbed_again(self) -> None:
        """Measure from now on until what was in the logs before is committed: the broker cannot be asked."""
        self._disturbed = time.monotonic()

    def recovered(self) -> None:
        """Wait until what was in the logs at the last fault is committed. Raises AssertionError after 30 s."""
        group, _ = self.followed
        deadline = self._disturbed + RECOVERY_SECONDS
        while behind := lag_behind(self.settings, group, self._ends):
            assert time.monotonic() < deadline, f"{group} is behind {RECOVERY_SECONDS} s after the last fault: {behind}"
            self.pause(0.1)
        self.measured.recovery_s = time.monotonic() - self._disturbed

    def catch_up(self, group: str, topics: Iterable[Topic]) -> None:
        """Wait until a group has committed what is there now, of one topic after the other."""
        wait_for_lag_zero(self.settings, group, topics, RECOVERY_SECONDS)

    def assigned_at(self, names: list[str], since: float) -> float | None:
        """Return when (s since the epoch) these workers had all partitions among them, None if they have not.

        Each one's last assignment counts, and only one after ``since``.
        """
        last = [self._last_assignment(name) for name in names]
        if any(line is None or line[0] < since for line in last):
            return None
        known = [line for line in last if line is not None]
        return max(when for when, _ in known) if sum(count for _, count in known) == STATES else None

    def _last_assignment(self, name: str) -> tuple[float, int] | None:
        lines = [line for line in self.parts[name].log.splitlines() if '"partitions assigned"' in line]
        if not lines:
            return None
        line = json.loads(lines[-1])
        return datetime.fromisoformat(line["timestamp"]).timestamp(), line["all"]

    def wait_until_assigned(self, names: list[str], since: float) -> float:
        """Return when these workers have all partitions among them, as ``assigned_at`` does."""
        deadline = time.monotonic() + STARTED_SECONDS
        while (when := self.assigned_at(names, since)) is None:
            assert time.monotonic() < deadline, f"not all partitions are assigned: {self.logs()}"
            self.pause(0.1)
        return when

    def wait_until_in_sync(self) -> None:
        """Wait until every copy of every partition is up to date, those of Kafka's own topics too."""
        deadline = time.monotonic() + STARTED_SECONDS
        while behind := out_of_sync(self.settings):
            assert time.monotonic() < deadline, f"copies are behind: {behind}"
            self.pause(0.1)

    def moved(self, how: str, names: list[str], since: float, within_s: float) -> None:
        """Measure how long after ``since`` these workers have all partitions and read on."""
        took = self.wait_until_assigned(names, since) - since
        self.measured.moves[how] = took
        assert took <= within_s, f"after a {how} partitions moved in {took:.1f} s, more than {within_s} s"

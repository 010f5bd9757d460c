"""One run of one contender: started as its own process, watched until it is done, ended."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.contenders import OURS, Contender, environment, group
from benchmarks.progress import Progress, counted_by_worker
from deploy.local.addresses import free_ports
from deploy.local.processes import Child
from tidemark.settings import Settings

POLL_SECONDS = 0.2
LIMIT_SECONDS = 1_800.0
STOP_SECONDS = 20.0
SETTLE_SECONDS = 60.0
_CLOCK_TICKS_PER_SECOND = 100


@dataclass(frozen=True)
class Sample:
    """What one run took, until everything was committed.

    ``seconds`` since the process started, ``assigned`` since its group had the partitions; ``rate`` is records a second
    from the first that was dealt with (a baseline: committed) to the last, or since it had the partitions if the first
    look found most of them. ``cpu``
    is user and system seconds of the process since its start, ``rss`` its largest resident size in MB. ``wrong`` tells
    the totals that are not what was sent.
    """

    events: int
    seconds: float
    assigned: float
    rate: float
    cpu: float
    rss: float
    wrong: list[str]

    @property
    def cpu_us(self) -> float:
        """CPU µs an event, the start included."""
        return self.cpu / self.events * 1e6


def run(
    contender: Contender,
    settings: Settings,
    events: int,
    records: int,
    afterwards: Callable[[], None],
    differences: Callable[[], list[str]],
) -> Sample:
    """Measure a contender on the log that is there, then let its last results arrive and compare, both untimed.

    ``records`` is how many of the log's Tidemark's worker will count; ``afterwards`` may append to it. Raises
    RuntimeError with the end of its log if it ends or takes too long.
    """
    command = contender.command()
    port = free_ports()
    with _progress(contender, settings) as progress, started(command, settings, port) as child:
        handled, total = progress.events, progress.total()
        if contender.name == OURS:
            handled, total = partial(counted_by_worker, port), records
        began = time.monotonic()
        _wait(child, progress.has_partitions, 0.05)
        assigned = time.monotonic()
        _wait(child, lambda: handled() > 0, POLL_SECONDS)
        first, before = time.monotonic(), handled()
        _wait(child, lambda: handled() >= total, POLL_SECONDS)
        read = time.monotonic()
        _wait(child, progress.is_done, POLL_SECONDS)
        done, cpu, rss = time.monotonic(), cpu_seconds(child.pid), peak_mb(child.pid)
        afterwards()
        wrong = _settled(differences)
    # Few commits tell no speed between them.
    rate = (total - before) / (read - first) if before < total / 2 else total / (read - assigned)
    return Sample(events, done - began, done - assigned, rate, cpu, rss, wrong)


def _settled(differences: Callable[[], list[str]]) -> list[str]:
    """Return the differences that are left when the last results have had time to arrive."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while (wrong := differences()) and time.monotonic() < deadline:
        time.sleep(1.0)
    return wrong


@contextmanager
def started(command: list[str], settings: Settings, metrics_port: int) -> Iterator[Child]:
    """Run a contender until the end of the block, with its metrics at this port."""
    with TemporaryDirectory() as folder:
        child = Child(Path(folder) / "pid", Path(folder) / "log")
        child.spawn(command, environment(settings, Path(folder) / "state", metrics_port))
        try:
            yield child
        finally:
            child.stop(STOP_SECONDS)


@contextmanager
def _progress(contender: Contender, settings: Settings) -> Iterator[Progress]:
    progress = Progress(settings, group(contender, settings))
    try:
        progress.events()  # a new broker takes seconds to find out who looks after a group: not in the measured time
        yield progress
    finally:
        progress.close()


def _wait(child: Child, condition: Callable[[], bool], interval: float) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        if not child.running() or time.monotonic() > deadline:
            raise RuntimeError(f"it ended ({child.exit_code}) or is not done:\n{child.last_lines()}")
        time.sleep(interval)


def cpu_seconds(pid: int | None) -> float:
    """Return user and system time of a process and of the children it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(ticks) for ticks in fields[11:15]) / _CLOCK_TICKS_PER_SECOND


def peak_mb(pid: int | None) -> float:
    """Return the largest resident size so far."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024

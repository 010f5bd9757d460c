"""Whether one streams worker keeps up with the events of many sites: its lag, early results and finals in an open loop.

Run ``python -m benchmarks.sites``: it starts its own broker, and for each rate a worker as users start it and a
simulator that sends at that rate whatever becomes of it. A rate is kept up with if the lag, looked at from outside once
a second, stays bounded and the finals come in time. Worker, simulator and broker share the machine.
"""

import argparse
import json
import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from benchmarks.contenders import OURS, contenders, group
from benchmarks.own_stack import java_as_in_production, own_stack
from benchmarks.progress import Progress
from benchmarks.running import started
from benchmarks.timeliness import Timeliness, keep_with_append_times, percentile, read_timeliness
from benchmarks.watching import GROWTH_SECONDS, LAG_SECONDS, Looks, Watched
from deploy.local.addresses import free_ports
from deploy.local.processes import Child
from deploy.local.provision import create_topics
from tidemark.settings import Settings

#: Seconds that do not count: the parts start, the first windows are not whole.
WARM_UP_SECONDS = 20
#: In time: 95 of 100 finals not later than so many seconds after their window's end and the lateness.
FINALS_SECONDS = 1.0
START_SECONDS = 60.0
STOP_SECONDS = 20.0
#: After the load: ticks close the last windows.
SETTLE_SECONDS = 10.0

console = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class Outcome:
    """What came of a rate; ``behind_ms``: how far the simulator was behind its schedule at worst, from its start on."""

    rate: int
    watched: Watched
    times: Timeliness
    behind_ms: int

    def is_bounded(self) -> bool:
        """Say whether the lag stayed bounded on both topics."""
        return all(map(self.watched.is_bounded, self.watched.lag))

    def is_in_time(self) -> bool:
        """Say whether the finals came in time."""
        return percentile(self.times.finals, 95) <= FINALS_SECONDS

    def kept_up(self) -> bool:
        """Say whether the worker kept up with the whole load."""
        return self.watched.is_loaded(self.rate) and self.is_bounded() and self.is_in_time()


def measure(settings: Settings, rate: int, sites: int, seconds: int) -> Outcome:
    """Run a worker and the load at a rate on topics of their own."""
    settings = settings.model_copy(update={"topic_prefix": f"rate{rate}."})
    create_topics(settings)
    keep_with_append_times(settings)
    ours, port = contenders()[OURS], free_ports()
    with TemporaryDirectory() as folder, started(ours.command(), settings, port) as worker:
        _await_partitions(settings, worker)
        manifest = Path(folder) / "manifest.json"
        simulator = Child(Path(folder) / "pid", Path(folder) / "log")
        simulator.spawn(_load(rate, sites, manifest), settings.environment())
        looks = Looks(settings, worker, port)
        try:
            looks.watch(WARM_UP_SECONDS)
            since_ms = _now_ms()
            watched = looks.watch(seconds)
            until_ms = _now_ms()
        finally:
            looks.close()
            simulator.stop(STOP_SECONDS)
        time.sleep(settings.lateness_ms / 1_000 + SETTLE_SECONDS)
        behind_ms = json.loads(manifest.read_text())["worstBehindMs"]
    return Outcome(rate, watched, read_timeliness(settings, since_ms, until_ms), behind_ms)


def _load(rate: int, sites: int, manifest: Path) -> list[str]:
    options = {"--rate": rate, "--sites": sites, "--users": max(10_000, 20 * rate), "--manifest": manifest}
    named = [word for name, value in options.items() for word in (name, str(value))]
    return [sys.executable, "-m", "tidemark", "--json", "simulate", *named]


def _await_partitions(settings: Settings, worker: Child) -> None:
    progress = Progress(settings, group(contenders()[OURS], settings))
    deadline = time.monotonic() + START_SECONDS
    while not progress.has_partitions():
        if not worker.running() or time.monotonic() > deadline:
            raise RuntimeError(f"the worker did not begin:\n{worker.last_lines()}")
        time.sleep(0.2)
    progress.close()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def print_outcome(outcome: Outcome) -> None:
    """Print the figures of a rate, and say whether it was kept up with."""
    watched, times = outcome.watched, outcome.times
    table = Table(f"{outcome.rate:,} events/s", *("min", "median", "max"))
    for name, lag in watched.lag.items():
        _add(table, f"{name}: records/s", watched.sent[name], ",.0f")
        _add(table, f"{name}: lag, records", lag, ",.0f")
    _add(table, "worker: CPU, % of a core", [100 * cores for cores in watched.cpu], ".0f")
    table.add_row("worker: peak RSS, MB", "", "", f"{watched.peak_rss:,.0f}")
    timed = Table("seconds", "count", "P50", "P95", "max")
    for metric, intervals in times.intervals.items():
        _add_times(timed, f"between early {metric}", intervals)
    _add_times(timed, "window end + lateness → final", times.finals)
    console.print(table, timed)
    judged = {
        "sent at the rate": watched.is_loaded(outcome.rate),
        "lag bounded": outcome.is_bounded(),
        "finals in time": outcome.is_in_time(),
    }
    told = "; ".join(f"{name}: {'yes' if right else 'NO'}" for name, right in judged.items())
    console.print(f"{told} (the load was {outcome.behind_ms:,} ms behind its schedule at worst)")


def _add(table: Table, name: str, values: list[float], form: str) -> None:
    table.add_row(name, *(f"{of(values):{form}}" for of in (min, statistics.median, max)))


def _add_times(table: Table, name: str, values: list[float]) -> None:
    table.add_row(name, f"{len(values):,}", *(f"{percentile(values, percent):.3f}" for percent in (50, 95, 100)))


def main() -> None:
    """Measure each rate and say which one was kept up with."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sites")
    parser.add_argument("--sites", type=int, default=1_000)
    parser.add_argument("--rates", default="20000", help="events a second, comma separated")
    parser.add_argument("--seconds", type=int, default=60, help=f"after {WARM_UP_SECONDS} s that do not count")
    options = parser.parse_args()
    outcomes = []
    with java_as_in_production(), own_stack() as settings:
        for rate in map(int, options.rates.split(",")):
            console.print(f"machine: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {options.sites:,} sites")
            outcomes.append(measure(settings, rate, options.sites, options.seconds))
            print_outcome(outcomes[-1])
    console.print(
        f"bounded: at the end at most what comes in {LAG_SECONDS:.0f} s, in the last quarter at most "
        f"{GROWTH_SECONDS:.0f} s more than in the third; in time: P95 at most {FINALS_SECONDS:.0f} s"
    )
    kept_up = [outcome.rate for outcome in outcomes if outcome.kept_up()]
    console.print(f"highest rate kept up with: {max(kept_up):,} events/s" if kept_up else "no rate was kept up with")


if __name__ == "__main__":
    main()

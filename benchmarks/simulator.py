"""How many events a second one simulator process sends at full speed to a broker on the same machine: three runs.

Run ``python -m benchmarks.simulator``: it starts its own broker, compiled by Java as in production and warmed up by
runs that do not count. CPU time is the sending thread's own, and the whole process's with the client's threads.
"""

import io
import os
import statistics
import time

from rich.console import Console

from benchmarks.own_stack import java_as_in_production, own_stack
from deploy.local.provision import create_topics
from simulator.app import Options, Run, Stop
from simulator.faults import Faults
from simulator.scenarios import STEADY
from simulator.visitors import Load
from tidemark.settings import Settings

RUNS = 3
EVENTS = 500_000
#: Java has compiled the broker's work after about a million events.
WARM_UP_RUNS = 3
LOAD = Load(seed=1, rate=200, users=10_000, sites=1, scenario=STEADY)
FAULTS = Faults(disorder_ms=1_500)


def main() -> None:
    """Measure and print minimum, median and maximum of the runs."""
    speeds, thread_us, process_us = [], [], []
    with java_as_in_production(), own_stack() as settings:
        create_topics(settings)
        for number in range(-WARM_UP_RUNS, RUNS):
            seconds, thread, process = measure(settings)
            counted = number >= 0
            told = "" if counted else ", to warm up"
            print(f"{EVENTS:,} events in {seconds:.2f} s: {EVENTS / seconds:,.0f}/s{told}")  # noqa: T201
            if counted:
                speeds.append(EVENTS / seconds)
                thread_us.append(thread / EVENTS * 1e6)
                process_us.append(process / EVENTS * 1e6)
    print(f"machine: {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")  # noqa: T201
    print("events/s: " + spread(speeds, ",.0f"))  # noqa: T201
    print("CPU µs an event, sending thread: " + spread(thread_us, ".1f"))  # noqa: T201
    print("CPU µs an event, whole process: " + spread(process_us, ".1f"))  # noqa: T201


def measure(settings: Settings) -> tuple[float, float, float]:
    """Send the events and wait for all acknowledgements; return wall-clock, thread and process CPU seconds."""
    start_ms = time.time_ns() // 1_000_000 - round(EVENTS / LOAD.rate * 1_000)
    options = Options(LOAD, FAULTS, start_ms=start_ms, count=EVENTS, max_speed=True)
    run = Run(settings, options, Stop(), Console(file=io.StringIO()))
    before = time.perf_counter(), time.thread_time(), time.process_time()
    if not run.execute():
        raise SystemExit("not every record was acknowledged")
    return time.perf_counter() - before[0], time.thread_time() - before[1], time.process_time() - before[2]


def spread(figures: list[float], form: str) -> str:
    """Return minimum, median and maximum."""
    low, middle, high = min(figures), statistics.median(figures), max(figures)
    return f"min {low:{form}}, median {middle:{form}}, max {high:{form}}"


if __name__ == "__main__":
    main()

"""How many events a second one simulator process sends at full speed to the broker of the settings: three runs.

Run it as ``python -m benchmarks.simulator``; the topics must exist. CPU time is the sending thread's own, and that of
the whole process with the client's threads.
"""

import io
import os
import statistics
import time

from rich.console import Console

from simulator.app import Options, Run, Stop
from simulator.faults import Faults
from simulator.scenarios import STEADY
from simulator.visitors import Load
from tidemark.settings import load_settings

RUNS = 3
EVENTS = 500_000
LOAD = Load(seed=1, rate=200, users=10_000, sites=1, scenario=STEADY)
FAULTS = Faults(disorder_ms=1_500)


def main() -> None:
    """Measure and print minimum, median and maximum of the runs."""
    speeds, thread_us, process_us = [], [], []
    for _ in range(RUNS):
        seconds, thread, process = measure()
        speeds.append(EVENTS / seconds)
        thread_us.append(thread / EVENTS * 1e6)
        process_us.append(process / EVENTS * 1e6)
        print(f"{EVENTS:,} events in {seconds:.2f} s: {speeds[-1]:,.0f}/s")  # noqa: T201
    print(f"machine: {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")  # noqa: T201
    print("events/s: " + spread(speeds, ",.0f"))  # noqa: T201
    print("CPU µs an event, sending thread: " + spread(thread_us, ".1f"))  # noqa: T201
    print("CPU µs an event, whole process: " + spread(process_us, ".1f"))  # noqa: T201


def measure() -> tuple[float, float, float]:
    """Send the events and wait for all acknowledgements; return wall-clock, thread and process CPU seconds."""
    start_ms = time.time_ns() // 1_000_000 - round(EVENTS / LOAD.rate * 1_000)
    options = Options(LOAD, FAULTS, start_ms=start_ms, count=EVENTS, max_speed=True)
    run = Run(load_settings(), options, Stop(), Console(file=io.StringIO()))
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

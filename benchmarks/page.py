"""How smoothly the dashboard's page runs while 20 updates a second come, and how soon it shows something.

Run ``python -m benchmarks.page`` (own servers, own ports, about two minutes). A real Chromium without a screen loads
the page from a real gateway; updates go into the real topic. Frames are what requestAnimationFrame is called for: at
most 60 a second, drawn in software here, so the same page without updates says what this machine can do.
"""

import os
import statistics
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.latency import connected
from benchmarks.own_stack import own_stack
from benchmarks.timeliness import keep_with_append_times
from benchmarks.updates import Updates
from deploy.local.addresses import free_ports
from deploy.local.processes import Child
from deploy.local.provision import create_bucket, create_topics
from tests.dashboard.browser import Page, browser
from tests.support import wait

RUNS = 3
SECONDS = 10.0
INTERVAL_S = 0.05
LOOKS = 5
#: A window of each length has ended, so that every card has a number.
WARM_UP_SECONDS = 6.0
FRAMES_A_SECOND = 60
FIRST_LOOK_MS = 1_000

#: Calls back with the times between frames (ms), the long tasks' lengths (ms), and how many values a card showed.
_COUNT_FRAMES = """
const [milliseconds, done] = arguments;
const frames = [], tasks = [];
let shown = 0, last = performance.now();
const end = last + milliseconds;
const noted = new PerformanceObserver((list) => tasks.push(...list.getEntries().map((task) => task.duration)));
noted.observe({ type: 'longtask' });
const card = document.querySelector('[data-metric=pageViewsPerSecond] .card-open');
const changed = new MutationObserver(() => (shown += 1));
changed.observe(card, { subtree: true, childList: true, characterData: true });
requestAnimationFrame(function frame() {
  const now = performance.now();
  frames.push(now - last);
  last = now;
  if (now < end) return requestAnimationFrame(frame);
  noted.disconnect();
  changed.disconnect();
  done({ frames, tasks, shown });
});
"""

#: In a new page: notes when (ms since the navigation began) the first number is there.
_NOTE_FIRST_NUMBER = """
new MutationObserver((_, observer) => {
  if (!document.querySelector('.card-value[data-end]')) return;
  window.firstNumber = performance.now();
  observer.disconnect();
}).observe(document, { subtree: true, childList: true });
"""
_FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


@dataclass(frozen=True)
class Smoothness:
    """Of one run: frames a second, its longest frame (ms), long tasks (ms, over 50 each), values a card showed."""

    rate: float
    longest: float
    tasks: list[float]
    shown: int


def smoothness(page: Page) -> Smoothness:
    """Count frames for SECONDS."""
    found: dict[str, Any] = page.driver.execute_async_script(_COUNT_FRAMES, SECONDS * 1_000)
    frames: list[float] = found["frames"]
    return Smoothness(len(frames) / sum(frames) * 1_000, max(frames), found["tasks"], found["shown"])


def updated(page: Page, updates: Updates) -> Smoothness:
    """Count frames while updates come."""
    writing = threading.Thread(target=updates.write_for, args=(SECONDS + 1, INTERVAL_S))
    writing.start()
    found = smoothness(page)
    writing.join()
    return found


def first_look(page: Page, url: str) -> tuple[float, float]:
    """Load the page anew; return when (ms) it showed anything, and when the first number."""
    page.driver.get("about:blank")
    page.open(url)
    wait.until(lambda: page.evaluate(f"{_FIRST_PAINT} && window.firstNumber"), 20.0, lambda: page.text("body"))
    return page.evaluate(_FIRST_PAINT), page.evaluate("window.firstNumber")


def spread(values: list[float]) -> str:
    """Write the smallest, the median and the largest."""
    return " / ".join(f"{each:,.1f}" for each in (min(values), statistics.median(values), max(values)))


def report(found: dict[str, list[Smoothness]], looks: list[tuple[float, float]]) -> Table:
    """Return what was measured, and whether the targets are met."""
    table = Table(
        "", "min / median / max", "target", "", title=f"the page, {RUNS} runs of {SECONDS:g} s, {LOOKS} loads"
    )
    for name, runs in found.items():
        rates = [run.rate for run in runs]
        met = round(statistics.median(rates)) >= FRAMES_A_SECOND
        table.add_row(f"{name}: frames/s", spread(rates), f"{FRAMES_A_SECOND}", "met" if met else "MISSED")
        table.add_row("longest frame, ms", spread([run.longest for run in runs]))
        tasks = [task for run in runs for task in run.tasks]
        table.add_row("tasks over 50 ms: in all, longest", f"{len(tasks)}, {max(tasks, default=0):.0f} ms")
        table.add_row("values shown/s", spread([run.shown / SECONDS for run in runs]))
        table.add_section()
    for name, times in zip(("first paint, ms", "first number, ms"), zip(*looks, strict=True), strict=True):
        met = statistics.median(times) <= FIRST_LOOK_MS
        table.add_row(name, spread(list(times)), f"{FIRST_LOOK_MS}", "met" if met else "MISSED")
    return table


def main() -> None:
    """Measure and print."""
    console = Console()
    with own_stack() as stack, TemporaryDirectory() as name, browser() as page:
        settings = stack.model_copy(update={"gateway_port": free_ports()})
        create_topics(settings)
        create_bucket(settings)
        keep_with_append_times(settings)
        updates = Updates(settings)
        gateway = Child(Path(name) / "pid", Path(name) / "log")
        gateway.spawn([sys.executable, "-m", "tidemark", "--json", "gateway"], settings.environment())
        with connected(f"ws://127.0.0.1:{settings.gateway_port}"):
            updates.write_for(WARM_UP_SECONDS, INTERVAL_S)
        url = f"http://127.0.0.1:{settings.gateway_port}/"
        page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _NOTE_FIRST_NUMBER})
        page.driver.set_script_timeout(SECONDS + 30)
        looks = [first_look(page, url) for _ in range(LOOKS)]
        runs = [(smoothness(page), updated(page, updates)) for _ in range(RUNS)]
        gateway.stop(20)
    without, with_updates = ([run[index] for run in runs] for index in (0, 1))
    console.print(report({"without updates": without, "20 updates/s": with_updates}, looks))
    console.print(f"machine: {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()

"""Events a second and CPU seconds of Tidemark's streams worker and of three programs that do less of the same job.

Run ``python -m benchmarks.streams``: it starts its own broker. Tidemark's worker does the whole job (four kinds of
windows, duplicates, dead letters, results in Kafka) on a log with late, doubled and bad records. The baselines read a
clean log and do less, as their docstrings tell. Each run begins with no state and is over when the group has committed
everything; each contender's totals are compared with what was sent.
"""

import argparse
import os
import statistics
from collections import defaultdict
from collections.abc import Callable

from rich.console import Console
from rich.table import Column, Table

from benchmarks.contenders import OURS, Contender, contenders, group
from benchmarks.filling import (
    LOAD,
    RATE,
    Manifest,
    delete_all,
    end_with_later_events,
    end_with_ticks,
    fill,
    forget_run,
    mean_bytes,
)
from benchmarks.own_stack import own_stack
from benchmarks.running import Sample, run
from benchmarks.totals import differences
from deploy.local.offsets import end_offsets
from tidemark.settings import Settings
from tidemark.topics import EVENTS

console = Console(highlight=False)


class Contest:
    """All runs of all contenders on one broker."""

    def __init__(self, settings: Settings, events: int) -> None:
        self._settings = settings
        self._events = events
        self._ours: tuple[Settings, Manifest] | None = None
        # Of Tidemark's log, without the ticks: each of its runs leaves more of them.
        self._records = 0
        self.samples: defaultdict[str, list[Sample]] = defaultdict(list)

    def run(self, contender: Contender, number: int) -> None:
        """Let a contender run once, and say what came of it."""
        settings, manifest = self._log(contender, number)
        sample = run(
            contender,
            settings,
            contender.events(self._events),
            self._records,
            _appended(contender, settings),
            lambda: differences(contender, settings, manifest),
        )
        self.samples[contender.name].append(sample)
        told = f"{sample.rate:,.0f} events/s, {sample.cpu:.1f} CPU s, {sample.rss:,.0f} MB"
        console.print(f"{contender.name}, run {number}: {told}", *sample.wrong, sep="\n  wrong: ")
        if contender.name == OURS:
            forget_run(settings, group(contender, settings))
        else:
            delete_all(settings)

    def _log(self, contender: Contender, number: int) -> tuple[Settings, Manifest]:
        """Return where the contender finds its events: Tidemark's runs share one log, a baseline's run has its own."""
        if contender.name != OURS:
            return self._filled(f"{contender.name}-{number}.", contender, faults=False)
        if self._ours is None:
            self._ours = self._filled("ours.", contender, faults=True)
            self._records = sum(end_offsets(self._ours[0], [EVENTS]).values())
            end_with_ticks(self._ours[0])
            console.print(f"events: {mean_bytes(self._ours[0]):,.0f} bytes each, simulated with {' '.join(LOAD)}")
        return self._ours

    def _filled(self, prefix: str, contender: Contender, *, faults: bool) -> tuple[Settings, Manifest]:
        settings = self._settings.model_copy(update={"topic_prefix": prefix})
        return settings, fill(settings, contender.events(self._events), faults=faults, own=contender.own)


def _appended(contender: Contender, settings: Settings) -> Callable[[], None]:
    """Return what makes a contender send the results it still owes."""
    return (lambda: end_with_later_events(settings)) if contender.waits else (lambda: None)


#: What is printed of the runs: a name, a form and where it is.
FIGURES: tuple[tuple[str, str, Callable[[Sample], float]], ...] = (
    ("events/s", ",.0f", lambda sample: sample.rate),
    ("… since assigned", ",.0f", lambda sample: sample.events / sample.assigned),
    ("… since started", ",.0f", lambda sample: sample.events / sample.seconds),
    ("CPU s", ",.1f", lambda sample: sample.cpu),
    ("CPU µs an event", ",.1f", lambda sample: sample.cpu_us),
    ("peak RSS, MB", ",.0f", lambda sample: sample.rss),
)


def print_samples(samples: dict[str, list[Sample]]) -> None:
    """Print each contender's figures: events/s from the first event to the last, the rest until all is committed."""
    table = Table("contender, events", "figure", *(Column(name, justify="right") for name in ("min", "median", "max")))
    for name, runs in samples.items():
        heading = f"{name}, {runs[0].events:,}"
        for number, (figure, form, of) in enumerate(FIGURES):
            found = [of(sample) for sample in runs]
            spread = (min(found), statistics.median(found), max(found))
            table.add_row("" if number else heading, figure, *(f"{value:{form}}" for value in spread))
        table.add_section()
    console.print(table)


def print_ratios(samples: dict[str, list[Sample]]) -> None:
    """Print the ratios of the medians; a contender that was wrong in any run gets none."""
    wrong = {name for name, runs in samples.items() if any(sample.wrong for sample in runs)}
    for name, theirs in samples.items():
        if name in wrong:
            console.print(f"{name}: wrong")
        elif name != OURS and OURS in samples.keys() - wrong:
            ours = samples[OURS]
            speed = _median(ours, lambda sample: sample.rate) / _median(theirs, lambda sample: sample.rate)
            cpu = _median(theirs, lambda sample: sample.cpu_us) / _median(ours, lambda sample: sample.cpu_us)
            console.print(f"ours against {name}: {speed:.1f} times the events/s, CPU an event 1/{cpu:.1f}")


def _median(samples: list[Sample], of: Callable[[Sample], float]) -> float:
    return statistics.median(of(sample) for sample in samples)


def main() -> None:
    """Run the contenders in turn and print what was measured."""
    known = contenders()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streams")
    parser.add_argument("--events", type=int, default=1_000_000, help="in the log; slow baselines read 100,000 at most")
    parser.add_argument("--runs", type=int, default=3, help="of each contender")
    parser.add_argument("--only", default=",".join(known), help="of %(default)s")
    options = parser.parse_args()
    unknown = set(options.only.split(",")) - known.keys()
    if unknown:
        parser.error(f"--only: expected {', '.join(known)}, got {', '.join(sorted(unknown))}")
    with own_stack() as settings:
        contest = Contest(settings, options.events)
        console.print(f"machine: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, the broker on the same ones")
        console.print(f"{options.events:,} events are {options.events / RATE:,.0f} s of event time")
        for number in range(1, options.runs + 1):
            for name in options.only.split(","):
                contest.run(known[name], number)
    print_samples(contest.samples)
    print_ratios(contest.samples)


if __name__ == "__main__":
    main()

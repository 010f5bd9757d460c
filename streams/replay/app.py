"""Wires a replay: the log, where its results go, how it gets on, and what the comparison says."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from streams.replay.asked import Asked
from streams.replay.comparison import KINDS, Comparison, Difference
from streams.replay.live import LiveTopics
from streams.replay.log import EventsLog
from streams.replay.output import Lines, Output, Records
from streams.replay.run import Replay
from tidemark.settings import Settings
from tidemark.times import iso

#: So many differences of a topic and kind are shown, the rest counted.
SHOWN = 20


@dataclass(frozen=True)
class Options:
    """What a replay is to do; without ``file``, ``topic`` and ``compare`` the results go to stdout."""

    asked: Asked
    file: Path | None = None
    topic: str | None = None
    compare: bool = False


def replay(settings: Settings, options: Options) -> bool:
    """Replay; return False if a comparison found something that is not the same.

    Raises KafkaException or TimeoutError when Kafka fails, TopicRefused and OSError.
    """
    with ExitStack() as stack:
        outputs = list(_outputs(settings, options, stack))
        comparison, live = Comparison(options.asked), None
        if options.compare:
            # Its ends before the log's: what is live by then is of records that the replay reads.
            live = stack.enter_context(closing(LiveTopics(settings)))
            outputs.append(comparison)
        log = stack.enter_context(closing(EventsLog(settings)))
        run = Replay(options.asked)
        _with_progress(settings, run, log, outputs)
        _warn(run, log, options.asked)
        return live is None or _report(comparison, live)


def _outputs(settings: Settings, options: Options, stack: ExitStack) -> Iterator[Output]:
    if options.file is not None:
        yield Lines(stack.enter_context(options.file.open("wb")))
    if options.topic is not None:
        yield Records(settings, options.topic)
    if options.file is None and options.topic is None and not options.compare:
        yield Lines(sys.stdout.buffer)


def _with_progress(settings: Settings, run: Replay, log: EventsLog, outputs: list[Output]) -> None:
    console = Console(stderr=True)
    columns = (TextColumn("replay"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("replay", total=sum(log.ends.values()) - sum(log.starts.values()))
        run.run(settings, log, outputs, lambda: progress.update(task, completed=run.records))


def _warn(run: Replay, log: EventsLog, asked: Asked) -> None:
    """Say on stderr what was done, and what makes a replay differ from what was live."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"{run.records:,} records read, {run.results:,} results from {iso(asked.start)} to {iso(asked.end)}")
    if run.headless:
        console.print(
            f"the log's head is missing, deleted or in the topic before: {len(run.headless)} partitions begin later, "
            f"the last of them at {iso(max(run.headless.values()))}; results that depend on what was before are not "
            "what was live"
        )


def _report(comparison: Comparison, live: LiveTopics) -> bool:
    """Print the differences and a table to stdout; say whether there are none."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    shown: Counter[tuple[str, str]] = Counter()
    for difference in comparison.differences(live):
        place = (difference.topic, difference.kind)
        shown[place] += 1
        if shown[place] <= SHOWN:
            for line in _lines(difference):
                console.print(line)
    for (topic, kind), count in shown.items():
        if count > SHOWN:
            console.print(f"{kind}: {topic}: {count - SHOWN:,} more")
    console.print(_table(comparison.counts))
    return not shown


def _lines(difference: Difference) -> Iterator[str]:
    yield f"{difference.kind}: {difference.topic} {difference.name}"
    if difference.live is not None:
        yield f"  live      {difference.live}  ({difference.place})"
    for replayed in difference.replayed:
        yield f"  replayed  {replayed}"


def _table(counts: dict[str, Counter[str]]) -> Table:
    table = Table("", box=None)
    for kind in KINDS:
        table.add_column(kind, justify="right")
    for topic, by_kind in counts.items():
        table.add_row(topic, *(f"{by_kind[kind]:,}" for kind in KINDS))
    return table

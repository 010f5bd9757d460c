"""Both stages of the streams without Kafka: logs in, cut and interleaved by chance, results out."""

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from streams.windows import partials
from streams.windows.merge import MergeWindows
from streams.windows.output import Output
from streams.windows.partials import Marker, SitePartial
from streams.windows.partition import PartitionWindows
from tests.support.reference import DEFAULT_FUNNEL, LogRecord
from tidemark.results import Alert, MetricUpdate, SessionSummary
from tidemark.topics import TICK_HEADER

PARTITIONS = 3
MERGES = 2
LATENESS_MS = 2_000
#: Early results of all sites, however many there are.
ALL = 1_000_000


@dataclass(frozen=True)
class Consumed:
    """A record as a consumer gives it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


def consumed(record: LogRecord) -> Consumed:
    headers = [(TICK_HEADER, b"")] if record.tick else []
    return Consumed(record.offset, record.append_time, None if record.tick else b"key", record.value, headers)


@dataclass
class Results:
    """All that came out of both stages, in the order it came."""

    finals: list[MetricUpdate] = field(default_factory=list)
    updates: dict[tuple[str, str, int], list[MetricUpdate]] = field(default_factory=lambda: defaultdict(list))
    sessions: list[SessionSummary] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    dead: dict[tuple[int, int], str] = field(default_factory=dict)
    accepted: int = 0
    duplicates: int = 0


class Stages:
    """Both stages with the topic between them: what a partition sends arrives in its order, but when it likes."""

    def __init__(self, partitions: int, checkpoints: Sequence[dict[bytes, bytes]] = ()) -> None:
        self.windows = [
            PartitionWindows(each, lateness_ms=LATENESS_MS, funnel=DEFAULT_FUNNEL, partitions=partitions)
            for each in range(partitions)
        ]
        self.merges = [MergeWindows(partitions) for _ in range(MERGES)]
        # The entries of each state's last checkpoint: the partitions', then the merges'.
        self.checkpoints: list[dict[bytes, bytes]] = [{} for _ in range(partitions + MERGES)]
        for number, entries in enumerate(checkpoints):
            self.checkpoints[number] = entries
            self.go_on(number)
        self.under_way: list[list[bytes]] = [[] for _ in range(partitions)]
        self.results = Results()
        #: What early results are paced by (ms).
        self.clock = 0

    def feed(self, partition: int, records: Iterable[LogRecord]) -> None:
        out = self.windows[partition].feed([consumed(record) for record in records])
        self.keep(out)
        self.send(partition, out.partials)
        self.under_way[partition].append(partials.encode(Marker(partition, out.progress)))

    def keep(self, out: Output) -> None:
        self.results.sessions += out.sessions
        self.results.alerts += out.alerts
        self.results.accepted += out.accepted
        self.results.duplicates += out.duplicates
        self.results.dead |= {(letter.partition, letter.offset): letter.reason for letter in out.dead}

    def send(self, partition: int, several: Iterable[SitePartial]) -> None:
        self.under_way[partition] += [partials.encode(chunk) for partial in several for chunk in partial.chunks()]

    def arrive(self, partition: int, count: int) -> None:
        arrived, self.under_way[partition] = self.under_way[partition][:count], self.under_way[partition][count:]
        for raw in arrived:
            message = partials.decode(raw)
            if isinstance(message, Marker):
                for merge in self.merges:
                    merge.progress(message.partition, message.progress)
            else:
                self.merges[len(message.site) % MERGES].add(message)

    def save(self, number: int) -> None:
        """Make a checkpoint of a state: a partition's, or a merge's from ``partitions`` on."""
        states: list[PartitionWindows | MergeWindows] = [*self.windows, *self.merges]
        for key, value in states[number].changes():
            if value is None:
                del self.checkpoints[number][key]
            else:
                self.checkpoints[number][key] = value

    def restore(self, number: int) -> None:
        """Make a checkpoint and go on with what is restored from it, as if the worker had been stopped."""
        self.save(number)
        self.go_on(number)

    def go_on(self, number: int) -> None:
        """Begin where a state's checkpoint stands."""
        entries = self.checkpoints[number]
        if number < len(self.windows):
            self.windows[number] = PartitionWindows.restored(
                entries, number, lateness_ms=LATENESS_MS, funnel=DEFAULT_FUNNEL, partitions=len(self.windows)
            )
        else:
            self.merges[number - len(self.windows)] = MergeWindows.restored(entries, len(self.windows))

    def finals(self, merge: MergeWindows) -> None:
        for final in merge.finals():
            self.results.finals.append(final)
            self.results.updates[final.site_id, final.metric, final.window_start].append(final)

    def early_partials(self, partition: int, sites: int = ALL) -> None:
        self.clock += 300
        self.send(partition, self.windows[partition].early(self.clock, sites))

    def early(self, merge: MergeWindows) -> None:
        for update in merge.early(ALL):
            self.results.updates[update.site_id, update.metric, update.window_start].append(update)


def run(log: Iterable[LogRecord], chance: random.Random, *, partitions: int = PARTITIONS, early: bool = True) -> Stages:
    """Put the log through both stages, cut and interleaved by chance, with early results and restarts at any moment."""
    return go_on(Stages(partitions), log, chance, early=early)


def go_on(stages: Stages, log: Iterable[LogRecord], chance: random.Random, *, early: bool = True) -> Stages:
    """Put a log through stages that are there already."""
    partitions = len(stages.windows)
    waiting = [sorted((r for r in log if r.partition == each), key=lambda r: r.offset) for each in range(partitions)]
    while any(waiting) or any(stages.under_way):
        partition = chance.randrange(partitions)
        match chance.randrange(8):
            case 0 | 1:
                size = chance.choice([1, 1, 2, 5, 1_000])
                batch, waiting[partition] = waiting[partition][:size], waiting[partition][size:]
                stages.feed(partition, batch)
            case 2 if early:
                stages.early_partials(partition, chance.choice([1, ALL]))
            case 3:
                stages.arrive(partition, chance.choice([1, 3, 1_000]))
            case 4 if early:
                stages.early(chance.choice(stages.merges))
            case 5:
                stages.finals(chance.choice(stages.merges))
            case 6:
                stages.save(chance.randrange(len(stages.checkpoints)))
            case 7:
                stages.restore(chance.randrange(len(stages.checkpoints)))
    for merge in stages.merges:
        stages.finals(merge)
    return stages


def by_key(finals: Iterable[MetricUpdate]) -> dict[tuple[str, str, int], MetricUpdate]:
    return {(final.site_id, final.metric, final.window_start): final for final in finals}

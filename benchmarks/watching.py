"""What a worker that runs is behind and takes: looked at from outside, once a second."""

import statistics
import time
from dataclasses import dataclass, field

from benchmarks.progress import positions_of_worker
from benchmarks.running import cpu_seconds, peak_mb
from deploy.local.processes import Child
from streams.log_reader import LogReader, Place
from tidemark.settings import Settings
from tidemark.topics import EVENTS, PARTIALS

TOPICS = (EVENTS, PARTIALS)
#: Bounded: at the end not more than what comes in so many seconds,
LAG_SECONDS = 5.0
#: and in the last quarter (median) not more than in the one before, but for what comes in so many seconds.
GROWTH_SECONDS = 1.0

#: The load is what was meant if it is so much of it.
LOADED = 0.95


def _by_topic() -> dict[str, list[float]]:
    return {topic.name: [] for topic in TOPICS}


@dataclass
class Watched:
    """A look a second: by topic ``lag`` in records and records ``sent`` a second; ``cpu`` in cores, RSS in MB."""

    lag: dict[str, list[float]] = field(default_factory=_by_topic)
    sent: dict[str, list[float]] = field(default_factory=_by_topic)
    cpu: list[float] = field(default_factory=list)
    peak_rss: float = 0.0

    def is_loaded(self, rate: int) -> bool:
        """Say whether as many events were sent as was meant."""
        return statistics.mean(self.sent[EVENTS.name]) >= rate * LOADED

    def is_bounded(self, topic: str) -> bool:
        """Say whether the lag is small at the end and did not grow over the last half."""
        lag, a_second = self.lag[topic], max(1.0, statistics.median(self.sent[topic]))
        quarter = max(1, len(lag) // 4)
        before, last = statistics.median(lag[-2 * quarter : -quarter]), statistics.median(lag[-quarter:])
        return lag[-1] <= LAG_SECONDS * a_second and last - before <= GROWTH_SECONDS * a_second


class Looks:
    """Looks at a worker and at the logs it reads, which all begin at offset 0."""

    def __init__(self, settings: Settings, worker: Child, metrics_port: int) -> None:
        self._places = [(settings.topic(topic.name), number) for topic in TOPICS for number in range(topic.partitions)]
        self._names = {settings.topic(topic.name): topic.name for topic in TOPICS}
        self._reader = LogReader(settings)
        self._worker = worker
        self._port = metrics_port

    def watch(self, seconds: int) -> Watched:
        """Look once a second for so long. Raises RuntimeError if the worker ends."""
        watched = Watched()
        began = then = time.monotonic()
        cpu, before = cpu_seconds(self._worker.pid), self._ends()
        for number in range(1, seconds + 1):
            time.sleep(max(0.0, began + number - time.monotonic()))
            if not self._worker.running():
                raise RuntimeError(f"the worker ended ({self._worker.exit_code}):\n{self._worker.last_lines()}")
            positions, ends = self._sums(positions_of_worker(self._port)), self._ends()
            passed, used = time.monotonic() - then, cpu_seconds(self._worker.pid) - cpu
            for topic, end in ends.items():
                watched.lag[topic].append(end - positions[topic])
                watched.sent[topic].append((end - before[topic]) / passed)
            watched.cpu.append(used / passed)
            then, cpu, before = then + passed, cpu + used, ends
        watched.peak_rss = peak_mb(self._worker.pid)
        return watched

    def close(self) -> None:
        """Close the connection."""
        self._reader.close()

    def _ends(self) -> dict[str, int]:
        return self._sums({place: end for place, (_, end) in self._reader.bounds(self._places).items()})

    def _sums(self, offsets: dict[Place, int]) -> dict[str, int]:
        sums = dict.fromkeys(self._names.values(), 0)
        for topic, partition in self._places:
            sums[self._names[topic]] += offsets.get((topic, partition), 0)
        return sums

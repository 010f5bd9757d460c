"""One replay: the events log through both stages; what was asked for goes to the outputs as it comes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from streams.replay.asked import Asked
from streams.replay.log import EventsLog
from streams.replay.output import Output
from streams.replay.stages import ReplayStages
from streams.windows.records import is_grown
from tidemark.settings import Settings

#: A partition waits when its watermark is so far (ms) ahead of the slowest one's: the merge holds what is in between.
AHEAD_MS = 60 * 60_000


@dataclass
class Replay:
    """``headless`` are the partitions without the head of their logs, with the time (ms) they begin at."""

    asked: Asked
    ahead_ms: int = AHEAD_MS
    records: int = 0
    results: int = 0
    headless: dict[int, int] = field(default_factory=dict)

    def run(self, settings: Settings, log: EventsLog, outputs: Sequence[Output], progress: Callable[[], None]) -> None:
        """Read until nothing more can come in the range, or to the log's end; then close the outputs."""
        stages = ReplayStages(log.starts, lateness_ms=settings.lateness_ms, funnel=settings.funnel)
        for partition, records in log.batches():
            if records[0].offset == log.starts[partition] and (log.starts[partition] > 0 or is_grown(records[0])):
                self.headless[partition] = records[0].timestamp
            for result in stages.feed(partition, records):
                if self.asked.takes(result):
                    self.results += 1
                    for output in outputs:
                        output.write(result)
            self.records += len(records)
            if stages.watermark(partition) >= self.asked.enough:
                log.finish(partition)
            log.hold_back(self._ahead(stages, log))
            progress()
        for output in outputs:
            output.close()

    def _ahead(self, stages: ReplayStages, log: EventsLog) -> set[int]:
        """Return the partitions that the others are to catch up with first, half of the way at least."""
        watermarks = {partition: stages.watermark(partition) for partition in log.unfinished}
        slowest = min(watermarks.values(), default=0)
        limits = {partition: self.ahead_ms // (2 if partition in log.held_back else 1) for partition in watermarks}
        return {partition for partition, watermark in watermarks.items() if watermark > slowest + limits[partition]}

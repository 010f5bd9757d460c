"""What a run has put into the log, counted from the broker's acknowledgements, and the file that tells it."""

import json
import os
from collections import Counter
from collections.abc import Sequence
from math import inf
from operator import attrgetter
from pathlib import Path
from typing import Any

from simulator.faults import BAD_KINDS
from simulator.plan import BadRecord, Record
from simulator.visitors import Step
from tidemark.events import CONVERSION, MICROS

_site_and_type = attrgetter("visit.person.site", "act.event_type")
_MICROS_PER_CENT = MICROS // 100


class Tally:
    """Counts a run's records. But for ``sent`` and ``failed`` only what the broker has acknowledged counts.

    So at the end, and after any failure too, these are the figures of the log.
    """

    def __init__(self) -> None:
        self.sent = 0
        self.acknowledged = 0
        self.failed: Counter[str] = Counter()
        self.duplicates = 0
        self.late = 0
        self.bad: Counter[str] = Counter()
        self.events: Counter[tuple[str, str]] = Counter()
        self.visits: Counter[str] = Counter()
        self.cents: Counter[str] = Counter()
        self.first_ms = inf
        self.last_ms = -inf

    def acknowledge(self, records: Sequence[Record]) -> None:
        """Count records that are in the log; the first of an event is the event, the others are its duplicates."""
        steps = []
        self.acknowledged += len(records)
        for record in records:
            if isinstance(record, BadRecord):
                self.bad[record.kind] += 1
            elif record.acknowledged:
                self.duplicates += 1
            else:
                record.acknowledged = True
                self.late += record.late
                steps.append(record.step)
        if steps:
            self._count(steps)

    def _count(self, steps: list[Step]) -> None:
        self.events.update(map(_site_and_type, steps))
        for visit in [step.visit for step in steps if not step.visit.acknowledged]:
            self.visits[visit.person.site] += not visit.acknowledged
            visit.acknowledged = True
        for step in [step for step in steps if step.act.cents]:
            self.cents[step.visit.person.site] += step.act.cents
        times = [step.at_ms for step in steps]
        self.first_ms = min(self.first_ms, *times)
        self.last_ms = max(self.last_ms, *times)

    def figures(self, start_ms: int) -> dict[str, Any]:
        """Return all counts as JSON; event times in ms since the epoch, money in 10⁻⁶ units."""
        by_site: dict[str, dict[str, int]] = {}
        by_type = Counter[str]()
        for (site, event_type), events in sorted(self.events.items()):
            by_site.setdefault(site, {})[event_type] = events
            by_type[event_type] += events
        by_reason = Counter[str]()
        for kind, records in self.bad.items():
            by_reason[BAD_KINDS[kind]] += records
        return {
            "recordsSent": self.sent,
            "recordsAcknowledged": self.acknowledged,
            "recordsFailed": self.failed.total(),
            "events": dict(sorted(by_type.items())),
            "distinctEventIds": by_type.total(),
            "visits": self.visits.total(),
            "conversions": by_type[CONVERSION],
            "revenueMicros": self.cents.total() * _MICROS_PER_CENT,
            "duplicates": self.duplicates,
            "late": self.late,
            "bad": {"byReason": dict(sorted(by_reason.items())), "byKind": dict(sorted(self.bad.items()))},
            "sites": {site: self._site(site, events) for site, events in by_site.items()},
            "firstEventTime": start_ms + self.first_ms if self.events else None,
            "lastEventTime": start_ms + self.last_ms if self.events else None,
        }

    def _site(self, site: str, by_type: dict[str, int]) -> dict[str, Any]:
        return {
            "events": by_type,
            "visits": self.visits[site],
            "conversions": by_type.get(CONVERSION, 0),
            "revenueMicros": self.cents[site] * _MICROS_PER_CENT,
        }


def write_atomically(path: Path, content: dict[str, Any]) -> None:
    """Replace the file by this content as JSON: a reader sees the old or the new one, never a part."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps(content, indent=2) + "\n")
    part.replace(path)

"""Plans of the tests: small loads with all faults."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain

from simulator.faults import Faults
from simulator.plan import GoodRecord, Plan, Record
from simulator.scenarios import SCENARIOS
from simulator.visitors import Load, Step, walk

START_MS = 1_780_000_000_000
ALL_FAULTS = Faults(late=0.02, duplicates=0.01, bad=0.005, disorder_ms=1_500)


def load(seed: int = 1, rate: float = 200, users: int = 10_000, sites: int = 1, scenario: str = "steady") -> Load:
    return Load(seed, rate, users, sites, SCENARIOS[scenario])


def plan(of: Load, faults: Faults = ALL_FAULTS, count: int | None = None, duration_ms: int | None = None) -> Plan:
    return Plan(of, faults, START_MS, count=count, duration_ms=duration_ms)


def walked(of: Load, start_ms: int = START_MS) -> Iterator[Step]:
    return chain.from_iterable(walk(of, start_ms))


def good(records: Iterable[tuple[int, Record]]) -> list[tuple[int, GoodRecord]]:
    return [(send_ms, record) for send_ms, record in records if isinstance(record, GoodRecord)]


def mix(steps: Iterable[Step]) -> dict[str, float]:
    """Return each event type's percentage."""
    types = Counter(step.act.event_type for step in steps)
    return {name: 100 * events / types.total() for name, events in types.items()}

"""An installation that grows somewhere in a log tells what one tells that never grew, in memory."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec
import pytest
from confluent_kafka import murmur2
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from streams.growing import merges
from streams.growing.ids import SourceIds
from streams.growing.places import Places
from streams.growing.sources import SourceStates
from streams.windows.checkpoint import META
from streams.windows.entries import decode_meta
from tests.faults.simulation import SHORT
from tests.support.random_streams import MINUTE, Step, build, logs
from tests.support.reference import LogRecord, reference
from tests.support.spreading import Spread, begun, differences, without_revision
from tests.support.stages import LATENESS_MS, Results, Stages, consumed, go_on


class Installation:
    """Both stages with so many partitions, and their log so far."""

    def __init__(self, partitions: int, stages: Stages | None = None) -> None:
        self.partitions = partitions
        self.has_grown = stages is not None
        self.stages = stages or Stages(partitions)
        self.log: list[LogRecord] = []
        self._spread = Spread(partitions)

    def run(self, records: Iterable[LogRecord], chance: random.Random) -> None:
        """Put the next records through the stages."""
        new = list(self._spread.records(records))
        self.log += new
        go_on(self.stages, new, chance)

    def grown(self, partitions: int) -> "Installation":
        """Return the installation with more partitions that goes on from here."""
        for number in range(len(self.stages.checkpoints)):
            self.stages.save(number)
        sources, targets = self.partitions, partitions
        places = Places(sources, targets, murmur2)
        states = SourceStates(places)
        for source, entries in enumerate(self.stages.checkpoints[:sources]):
            ids = SourceIds(source, entries, places)
            ids.find([consumed(record) for record in self.log if record.partition == source])
            assert self.has_grown or ids.left == 0
            states.add(source, entries, decode_meta(entries[META]).watermark, ids)
        new = states.checkpoints(0, LATENESS_MS)
        merged = [merges.grown(entries, sources, targets) for entries in self.stages.checkpoints[sources:]]
        return Installation(targets, Stages(targets, [*new.values(), *merged]))


def told(installations: Sequence[Installation]) -> Results:
    """Return what all of them told together."""
    together = Results()
    for each in installations:
        results = each.stages.results
        together.finals += results.finals
        together.sessions += results.sessions
        together.alerts += results.alerts
        together.accepted += results.accepted
        together.duplicates += results.duplicates
    return together


def check(log: list[LogRecord], cuts: Sequence[int], sizes: Sequence[int], chance: random.Random) -> None:
    """Grow at each cut to the next size, and hold all that was told against the reference; nothing comes twice."""
    installations = [Installation(sizes[0])]
    for number, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(log)], strict=True)):
        if number:
            installations.append(installations[-1].grown(sizes[number]))
        installations[-1].run(log[start:end], chance)
    expected, seen = reference(log, partitions=1), told(installations)
    assert not differences(without_revision(seen.finals), without_revision(expected.finals.values()))[:3]
    assert len(seen.finals) == len(expected.finals)
    assert not differences({visit.visit_id: visit for visit in seen.sessions}, expected.sessions)[:3]
    assert len(seen.sessions) == len(expected.sessions)
    alerts = [msgspec.structs.replace(alert, description="") for alert in seen.alerts]
    assert not differences({alert.alert_id: alert for alert in alerts}, expected.alerts)[:3]
    assert len(alerts) == len(expected.alerts)
    dead = Counter(reason for each in installations for reason in each.stages.results.dead.values())
    assert dead == Counter(expected.dead.values())
    assert (seen.accepted, seen.duplicates) == (expected.accepted, expected.duplicates)


@settings(max_examples=8, deadline=None)
@given(
    logs(partitions=1, longest=25),
    st.lists(st.integers(0, 60), min_size=1, max_size=2),
    st.lists(st.integers(1, 3), min_size=3, max_size=3),
    st.integers(0, 2**32),
)
def test_growing_anywhere_changes_no_result(log: list[LogRecord], cuts: list[int], steps: list[int], seed: int) -> None:
    first = begun(log)
    assume(first < len(log))
    places = sorted(first + cut % (len(log) - first) for cut in cuts)
    sizes = [sum(steps[: number + 1]) for number in range(len(places) + 1)]
    check(log, places, sizes, random.Random(seed))


@pytest.mark.parametrize("seed", range(8))
def test_growing_while_much_is_open_changes_no_result(seed: int) -> None:
    chance = random.Random(seed)
    steps = [Step(**{name: chance.choice(values) for name, values in SHORT.items()}) for _ in range(100)]
    log = build(steps, partitions=1, past_dated=seed % 4 == 3, until=90_000 if seed % 4 else 40 * MINUTE)
    check(log, sorted(chance.sample(range(10, 95), 2)), [2, 3, 5], chance)


def test_whoever_is_in_two_partitions_is_two_afterwards() -> None:
    places = Places(12, 20, murmur2)
    for visitor in ("u", "v", "é"):
        home = murmur2(visitor.encode(), 12)
        assert places.of(home, visitor) == murmur2(visitor.encode(), 20)
        assert len({places.of(source, visitor) for source in range(12)}) == 12

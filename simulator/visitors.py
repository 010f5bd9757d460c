"""Seeded visitors: from a seed and a load to the steps of their journeys, endless, a slice of time after the other."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import repeat
from math import ceil, inf
from operator import attrgetter
from random import Random

from msgspec import Struct

from simulator.journeys import (
    BOUNCING,
    EVENTS_PER_DECK,
    LONGEST_VISIT_S,
    SHORTEST_VISIT_S,
    USUAL,
    VISITS_PER_DECK,
    Act,
    Journey,
    draw_deck,
)
from simulator.people import Person, Visit, new_visit, person
from simulator.scenarios import Scenario

#: So many decks of journeys are drawn for a run; drawing a journey for each visit would be a quarter of its cost.
_DECKS = 25
_MEAN_VISIT_S = (SHORTEST_VISIT_S + LONGEST_VISIT_S) / 2
_TRIES_FOR_AN_IDLE_PERSON = 8
_STEPS_PER_SLICE = 100


@dataclass(frozen=True)
class Load:
    """What is asked of the visitors: ``rate`` events/s (before the scenario's factor) from ``users`` people."""

    seed: int
    rate: float
    users: int
    sites: int
    scenario: Scenario

    @property
    def slice_ms(self) -> int:
        """How long the slices of time are in which a run is made."""
        return ceil(_STEPS_PER_SLICE * 1_000 / self.rate)


class Step(Struct, gc=False, frozen=True):
    """One act of a visit, ``at_ms`` after the run's start."""

    at_ms: int
    visit: Visit
    act: Act


_at_ms = attrgetter("at_ms")


def walk(load: Load, start_ms: int) -> Iterator[list[Step]]:
    """Yield what all visitors do from the run's start on, a list for each ``load.slice_ms``, in order of time.

    Within a visit each ms holds one step. At the start visits are already under way: their earlier steps are left
    out. ``start_ms`` only seeds the ids, so that two runs with one seed do not mix their visits.
    """
    # Slices are sorted when they are due: of thousands of steps ahead, a heap would touch many each time.
    slice_ms = load.slice_ms
    ahead: defaultdict[int, list[Step]] = defaultdict(list)
    current = 0
    for steps in _Arrivals(load, start_ms):
        while steps[0].at_ms >= (current + 1) * slice_ms:
            yield sorted(ahead.pop(current, ()), key=_at_ms)
            current += 1
        for step in steps:
            if step.at_ms >= 0:
                ahead[step.at_ms // slice_ms].append(step)


class _Arrivals:
    """The visits of a load in the order in which they start, each as its steps."""

    def __init__(self, load: Load, start_ms: int) -> None:
        self._load = load
        self._rng = Random(f"{load.seed}/visits")
        self._ids = Random(f"{load.seed}/{start_ms}/ids")
        self._person = lru_cache(65_536)(partial(person, load.seed, load.sites))
        self._busy_until = [-inf] * load.users
        self._visits_per_s = load.rate * VISITS_PER_DECK / EVENTS_PER_DECK
        # At most half of the people are on the site at once, so that nobody walks two visits at a time.
        pace = min(1.0, load.users / 2 / (self._visits_per_s * _MEAN_VISIT_S))
        self._longest_s = LONGEST_VISIT_S * pace
        self._decks = {
            bouncing: [draw_deck(self._rng, BOUNCING if bouncing else USUAL, pace) for _ in range(_DECKS)]
            for bouncing in sorted({phase.bouncing for phase in load.scenario.phases})
        }

    def __iter__(self) -> Iterator[list[Step]]:
        rng, scenario = self._rng, self._load.scenario
        number = -ceil(self._longest_s * self._visits_per_s)
        while True:
            bouncing = scenario.bouncing(scenario.seconds(number / self._visits_per_s))
            for journey in rng.choice(self._decks[bouncing]):
                # One visit in each slot, anywhere in it: irregular, yet the rate holds.
                yield self._visit((number + rng.random()) / self._visits_per_s, journey)
                number += 1

    def _visit(self, begin: float, journey: Journey) -> list[Step]:
        visitor = self._idle_person(begin, begin + journey.seconds)
        visit = new_visit(visitor, self._ids.getrandbits(96))
        at = _distinct_ms([begin + time for time in journey.times], self._load.scenario)
        return list(map(Step, at, repeat(visit), journey.acts))

    def _idle_person(self, begin: float, end: float) -> Person:
        for _ in range(_TRIES_FOR_AN_IDLE_PERSON):
            number = int(self._rng.random() * self._load.users)
            if self._busy_until[number] < begin:
                break
        self._busy_until[number] = end
        return self._person(number)


def _distinct_ms(times: list[float], scenario: Scenario) -> list[int]:
    """Bend a visit's times to the scenario and round them to ms, each at least 1 ms after the one before."""
    at = [int(seconds * 1_000) for seconds in scenario.bend(times)]
    for i in range(1, len(at)):
        if at[i] <= at[i - 1]:
            at[i] = at[i - 1] + 1
    return at

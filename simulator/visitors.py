"""Seeded visitors: from a seed and a load to the steps of their journeys, endless and in order of time."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from math import ceil, inf
from operator import attrgetter
from random import Random

from msgspec import Struct

from simulator import shop
from simulator.people import Person, Visit, new_visit, person
from simulator.scenarios import Scenario
from tidemark.events import CONVERSION, PAGE_VIEW, SESSION_END, SESSION_START

#: A visit's shape: its page views, and whether it converts (after /cart and /checkout).
Shape = tuple[int, bool]
#: Sixty visits that together hold the mix exactly: 280 page views, 60 starts, 40 ends, 20 conversions.
USUAL: tuple[Shape, ...] = (
    *(((1, False),) * 18 + ((2, False),) * 6 + ((5, False),) * 6 + ((8, False),) * 10),
    *(((6, True),) * 10 + ((8, True),) * 10),
)
#: The same sums with twice the bounces, so that a bounce spike does not change the mix.
BOUNCING: tuple[Shape, ...] = ((1, False),) * 36 + ((6, False),) * 4 + ((11, True),) * 20
ENDS = (True,) * 40 + (False,) * 20
VISITS_PER_DECK = 60
EVENTS_PER_DECK = 400

#: A visit lasts so many seconds, less where the population is small for the rate.
SHORTEST_VISIT_S, LONGEST_VISIT_S = 20.0, 100.0
_MEAN_VISIT_S = (SHORTEST_VISIT_S + LONGEST_VISIT_S) / 2
_TRIES_FOR_AN_IDLE_PERSON = 8
_STEPS_PER_SLICE = 1_000


@dataclass(frozen=True)
class Load:
    """What is asked of the visitors: ``rate`` events/s (before the scenario's factor) from ``users`` people."""

    seed: int
    rate: float
    users: int
    sites: int
    scenario: Scenario


class Step(Struct, gc=False, frozen=True):
    """One thing a visitor does, ``at_ms`` after the run's start; ``cents`` is a conversion's value in 1/100.

    ``referrer`` is the page before: one of the shop's urls, or for a visit's first page the address that led to it.
    """

    at_ms: int
    visit: Visit
    event_type: str
    url: str
    referrer: str | None
    cents: int = 0


_at_ms = attrgetter("at_ms")


def walk(load: Load, start_ms: int) -> Iterator[Step]:
    """Yield what all visitors do from the run's start on, in order of time; within a visit each ms holds one step.

    At the start visits are already under way: their earlier steps are left out. ``start_ms`` only seeds the ids, so
    that two runs with one seed do not mix their visits.
    """
    # Slices of time that are sorted when they are due: of thousands of steps ahead, a heap would touch many each time.
    slice_ms = ceil(_STEPS_PER_SLICE * 1_000 / load.rate)
    ahead: defaultdict[int, list[Step]] = defaultdict(list)
    current = 0
    for steps in _Arrivals(load, start_ms):
        while steps[0].at_ms >= (current + 1) * slice_ms:
            yield from sorted(ahead.pop(current, ()), key=_at_ms)
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
        self._pace = min(1.0, load.users / 2 / (self._visits_per_s * _MEAN_VISIT_S))

    def __iter__(self) -> Iterator[list[Step]]:
        rng, scenario = self._rng, self._load.scenario
        number = -ceil(LONGEST_VISIT_S * self._pace * self._visits_per_s)
        while True:
            bouncing = scenario.bouncing(scenario.seconds(number / self._visits_per_s))
            shapes = rng.sample(BOUNCING if bouncing else USUAL, VISITS_PER_DECK)
            ends = rng.sample(ENDS, VISITS_PER_DECK)
            for (pages, converts), sends_end in zip(shapes, ends, strict=True):
                # One visit in each slot, anywhere in it: irregular, yet the rate holds.
                begin = (number + rng.random()) / self._visits_per_s
                yield self._visit(begin, pages, converts, sends_end)
                number += 1

    def _visit(self, begin: float, pages: int, converts: bool, sends_end: bool) -> list[Step]:
        rng = self._rng
        end = begin + self._pace * (SHORTEST_VISIT_S + (LONGEST_VISIT_S - SHORTEST_VISIT_S) * rng.random())
        visit = new_visit(self._idle_person(begin, end), self._ids.getrandbits(96))
        at = _distinct_ms(_times(rng, begin, end, self._pace, pages, converts), self._load.scenario)
        urls = _path(rng, pages, converts)
        came_from = shop.REFERRERS[int(rng.random() * len(shop.REFERRERS))]
        referrers = [came_from, *urls]
        steps = [Step(at[0], visit, SESSION_START, urls[0], came_from)]
        steps += [Step(at[i + 1], visit, PAGE_VIEW, urls[i], referrers[i]) for i in range(pages)]
        if converts:
            steps.append(Step(at[pages + 1], visit, CONVERSION, urls[-1], referrers[-2], _cents(rng)))
        if sends_end:
            steps.append(Step(at[-1], visit, SESSION_END, urls[-1], referrers[-2]))
        return steps

    def _idle_person(self, begin: float, end: float) -> Person:
        for _ in range(_TRIES_FOR_AN_IDLE_PERSON):
            number = int(self._rng.random() * self._load.users)
            if self._busy_until[number] < begin:
                break
        self._busy_until[number] = end
        return self._person(number)


def _times(rng: Random, begin: float, end: float, pace: float, pages: int, converts: bool) -> list[float]:
    """Draw a visit's times: its start, its page views, its conversion if it has one, its end."""
    first = begin + pace * rng.random()
    times = [begin, first]
    if pages > 1:
        span = end - first
        times += sorted([first + span * rng.random() for _ in range(pages - 1)])
    if converts:
        times.append((times[-1] + end) / 2)
    times.append(end)
    return times


def _distinct_ms(times: list[float], scenario: Scenario) -> list[int]:
    """Bend a visit's times to the scenario and round them to ms, each at least 1 ms after the one before."""
    seconds = scenario.seconds
    distinct = [int(seconds(time) * 1_000) for time in times]
    for i in range(1, len(distinct)):
        if distinct[i] <= distinct[i - 1]:
            distinct[i] = distinct[i - 1] + 1
    return distinct


def _path(rng: Random, pages: int, converts: bool) -> list[str]:
    """Walk the shop's links; who converts goes through the cart and the checkout last."""
    walked = pages - 2 if converts else pages
    url = shop.LANDINGS[int(rng.random() * len(shop.LANDINGS))]
    urls = [url]
    for _ in range(walked - 1):
        links = shop.LINKS[url]
        url = links[int(rng.random() * len(links))]
        urls.append(url)
    return [*urls, shop.CART, shop.CHECKOUT] if converts else urls


def _cents(rng: Random) -> int:
    """Draw what an order is worth: 5 at least, 65 in the mean."""
    return 500 + int(rng.expovariate(1 / 6_000))

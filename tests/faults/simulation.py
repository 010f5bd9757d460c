"""One seed, one simulated life: a random log, workers that crash, come back and are thought dead, and what came out."""

import sys
from collections.abc import Iterable
from hashlib import blake2b
from random import Random

import msgspec

from tests.faults.in_memory import Broker
from tests.faults.in_memory_worker import RESULTS, Worker
from tests.support.random_streams import CHOICES, MINUTE, Step, build
from tests.support.reference import LogRecord
from tests.support.stages import MERGES, PARTITIONS

RECORDS = 30
STEPS = 200
WORKERS = 3
#: No long pauses: each would be half an hour of zeros, in which nothing happens.
SHORT = CHOICES | {
    "wait": [wait for wait in CHOICES["wait"] if wait <= 11_000] + [70_000],
    "skew": [skew for skew in CHOICES["skew"] if -MINUTE < skew <= MINUTE] + [300_001],
    "gap": [gap for gap in CHOICES["gap"] if gap is None or gap <= MINUTE],
    "site": [None, "default", "b"],
}


def short_log(chance: Random) -> list[LogRecord]:
    """Return a log of some minutes; one in fifty ends half an hour later, so that all visits are over."""
    steps = [Step(**{name: chance.choice(values) for name, values in SHORT.items()}) for _ in range(RECORDS)]
    until = 40 * MINUTE if chance.randrange(50) == 0 else 90_000
    return build(steps, partitions=PARTITIONS, past_dated=chance.randrange(4) == 0, until=until)


class Simulation:
    """Workers on one broker, and who of them owns which state; a zombie is one that does not know what it lost."""

    def __init__(self, log: list[LogRecord], chance: Random) -> None:
        self._chance = chance
        self.broker = Broker([[record for record in log if record.partition == each] for each in range(PARTITIONS)])
        self._workers = [Worker(self.broker) for _ in range(WORKERS)]
        self._owned: list[set[int]] = [set() for _ in range(WORKERS)]
        self._move(set(range(PARTITIONS + MERGES)))

    def run(self) -> None:
        """Let chance have its way, then let the workers that are left finish."""
        for _ in range(STEPS):
            self._step(self._chance.randrange(WORKERS))
        for number, worker in enumerate(self._workers):
            worker.place(self._owned[number])
        while not all(worker.is_done() for worker in self._workers):
            for worker in self._workers:
                for state in list(worker.states):
                    worker.read(state, 1_000)
                worker.under_way.append(worker.settle())
                worker.finish()
                worker.deliver_all()

    def _step(self, number: int) -> None:
        chance, worker = self._chance, self._workers[number]
        state = chance.choice(sorted(worker.states)) if worker.states else None
        match chance.randrange(40):
            case 0:
                self._crash(number)
            case 1 | 2:
                self._move({chance.randrange(PARTITIONS + MERGES) for _ in range(chance.choice([1, 2, 5]))})
            case 3 | 4 | 5 if state is not None:
                worker.send_early(state)
            case 6 | 7 | 8 | 9 if state is not None:
                worker.under_way.append(worker.save(state))
            case 10 | 11 | 12 | 13:
                worker.under_way.append(worker.settle())
            case 14 | 15 | 16 | 17 | 18 | 19:
                worker.deliver(chance.randrange(RESULTS + 1), chance.choice([1, 3, 1_000]))
            case 20 | 21 | 22 | 23 | 24 | 25 if worker.under_way:
                worker.advance(chance.randrange(len(worker.under_way)))
            case _ if state is not None:
                worker.read(state, chance.choice([1, 1, 2, 5, 1_000]))

    def _crash(self, number: int) -> None:
        """Kill a worker and start another in its place; what it owned goes to any."""
        self.broker.happened["crashed"] += 1
        self._workers[number].kill(self._chance)
        self._workers[number] = Worker(self.broker)
        self._move(self._owned[number])

    def _move(self, states: set[int]) -> None:
        """Give states to workers by chance. Their owners write them down first, or begin to, or hear nothing of it."""
        for state in sorted(states):
            before = next((number for number, owned in enumerate(self._owned) if state in owned), None)
            self._owned = [owned - {state} for owned in self._owned]
            self._owned[self._chance.randrange(WORKERS)].add(state)
            if before is not None:
                self._give_away(self._workers[before], state)
        for number, worker in enumerate(self._workers):
            # Some hear of it late: at the next move, or not before they find themselves fenced.
            if self._chance.randrange(4):
                worker.place(self._owned[number])
            else:
                self.broker.happened["thought dead"] += bool(worker.states.keys() - self._owned[number])

    def _give_away(self, worker: Worker, state: int) -> None:
        if self._chance.randrange(3):
            worker.under_way.append(worker.save(state))
        if self._chance.randrange(2):
            worker.finish()


def life_of(seed: int) -> tuple[list[LogRecord], Broker]:
    """Return a seed's log, and the broker when its life is over."""
    chance = Random(seed)
    log = short_log(chance)
    simulation = Simulation(log, chance)
    simulation.run()
    return log, simulation.broker


def digest(seeds: Iterable[int]) -> str:
    """Return a hash over all that came out of these seeds: what a repetition must equal, byte by byte."""
    hashed = blake2b()
    for seed in seeds:
        _, broker = life_of(seed)
        hashed.update(msgspec.json.encode([broker.results, broker.partials]))
        for checkpoint in broker.checkpoints:
            hashed.update(msgspec.json.encode(sorted(checkpoint.entries.items())))
    return hashed.hexdigest()


if __name__ == "__main__":
    sys.stdout.write(digest(range(*map(int, sys.argv[1:]))))

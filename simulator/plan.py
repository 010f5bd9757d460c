"""The run's plan: takes the visitors' steps in order of event time and gives the records in the order of sending."""

from collections import defaultdict
from collections.abc import Iterator
from math import inf
from operator import itemgetter
from random import Random
from uuid import UUID

from msgspec import Struct

from simulator.faults import BAD_KINDS, DUPLICATE_WITHIN_MS, LATE_BY_MS, Faults, corrupt
from simulator.visitors import Load, Step, walk
from simulator.wire import EventEncoder


class GoodRecord(Struct, gc=False):
    """A valid event's record; its duplicates are the same object. ``acknowledged``: the log holds it at least once."""

    value: bytes
    key: bytes
    step: Step
    late: bool
    acknowledged: bool = False


class BadRecord(Struct, gc=False, frozen=True):
    """A record that must be refused, of a kind of ``faults.BAD_KINDS``; it comes with the event of ``step``."""

    value: bytes
    key: bytes
    step: Step
    kind: str


Record = GoodRecord | BadRecord


_send_ms = itemgetter(0)


class Plan:
    """The records of a run, each with its time of sending in ms after the run's start; iterate once.

    Times never go back. It ends after ``count`` events or before the first one at ``duration_ms``, whichever comes
    first; then, draining, what is still held back follows in its order.
    """

    def __init__(
        self, load: Load, faults: Faults, start_ms: int, *, duration_ms: int | None = None, count: int | None = None
    ) -> None:
        self._draining = False
        self._faults = faults
        self._rng = Random(f"{load.seed}/{start_ms}/faults")
        self._encode = EventEncoder(load.seed, start_ms).encode
        self._slices = walk(load, start_ms)
        self._slice_ms = load.slice_ms
        self._still_wanted = inf if count is None else count
        self._end_ms = inf if duration_ms is None else duration_ms
        # By the slice of time in which they are due.
        self._held: defaultdict[int, list[tuple[int, Record]]] = defaultdict(list)

    def stop(self) -> None:
        """Make no more events: what is held back of those up to now follows, and the plan ends."""
        self._draining = True

    def is_draining(self) -> bool:
        """Say whether no more events are made."""
        return self._draining

    def __iter__(self) -> Iterator[tuple[int, Record]]:
        now_ms = -1
        for number, steps in enumerate(self._slices):
            self._hold_all(self._wanted(steps))
            due = sorted(self._held.pop(number, ()), key=_send_ms)
            for position, (send_ms, record) in enumerate(due):
                if self._draining or send_ms > self._end_ms:
                    self._held[number] = due[position:]
                    break
                now_ms = send_ms
                yield send_ms, record
            if self._draining or (number + 1) * self._slice_ms > self._end_ms:
                break
        yield from self._rest(now_ms if self._draining else inf)

    def _wanted(self, steps: list[Step]) -> list[Step]:
        """Return those before the end, and settle the end if they are all that is wanted."""
        if steps and steps[-1].at_ms >= self._end_ms:
            steps = [step for step in steps if step.at_ms < self._end_ms]
        if len(steps) >= self._still_wanted:
            steps = steps[: int(self._still_wanted)]
            self._end_ms = steps[-1].at_ms
        self._still_wanted -= len(steps)
        return steps

    def _rest(self, until_ms: float) -> Iterator[tuple[int, Record]]:
        """Yield what is held of the events up to ``until_ms`` (inclusive)."""
        self._draining = True
        for number in sorted(self._held):
            for send_ms, record in sorted(self._held.pop(number), key=_send_ms):
                if record.step.at_ms <= until_ms:
                    yield send_ms, record

    def _hold_all(self, steps: list[Step]) -> None:
        faults, encode, chance, randint, hold = (
            self._faults, self._encode, self._rng.random, self._rng.randint, self._hold,
        )  # fmt: skip
        disorder_span = faults.disorder_ms + 1
        for step in steps:
            late = chance() < faults.late
            record = GoodRecord(encode(step), step.visit.key, step, late)
            send_ms = step.at_ms + (randint(*LATE_BY_MS) if late else int(chance() * disorder_span))
            hold(send_ms, record)
            if chance() < faults.duplicates:
                hold(send_ms + randint(0, DUPLICATE_WITHIN_MS), record)
            if chance() < faults.bad:
                hold(step.at_ms + int(chance() * disorder_span), self._bad(record))

    def _hold(self, send_ms: int, record: Record) -> None:
        self._held[send_ms // self._slice_ms].append((send_ms, record))

    def _bad(self, like: GoodRecord) -> BadRecord:
        kind = self._rng.choice(_KINDS)
        # A bad record has an id of its own: it must be refused for what it is, not pass for a duplicate.
        own_id = str(UUID(int=self._rng.getrandbits(128), version=4)).encode()
        template = like.value.replace(like.value[12:48], own_id, 1)
        return BadRecord(corrupt(kind, template, self._rng), like.key, like.step, kind)


_KINDS = tuple(BAD_KINDS)

"""The run's plan: takes the visitors' steps in order of event time and gives the records in the order of sending."""

import heapq
from collections.abc import Iterator
from itertools import islice
from math import inf
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
    """A record that must be refused, of a kind of ``faults.BAD_KINDS``."""

    value: bytes
    key: bytes
    kind: str


Record = GoodRecord | BadRecord


class Plan:
    """The records of a run, each with its time of sending in ms after the run's start; iterate once.

    Times never go back while events are made. It ends after ``count`` events or before the first one at
    ``duration_ms``, whichever comes first; then, draining, what is still held back follows in its order.
    """

    def __init__(
        self, load: Load, faults: Faults, start_ms: int, *, duration_ms: int | None = None, count: int | None = None
    ) -> None:
        self._draining = False
        self._faults = faults
        self._rng = Random(f"{load.seed}/{start_ms}/faults")
        self._disorder_span = faults.disorder_ms + 1
        self._encode = EventEncoder(load.seed, start_ms).encode
        self._steps = islice(walk(load, start_ms), count)
        self._end_ms = inf if duration_ms is None else duration_ms
        self._held: list[tuple[int, int, Record]] = []
        self._number = 0

    def stop(self) -> None:
        """Make no more events: what is held back follows, and the plan ends."""
        self._draining = True

    def is_draining(self) -> bool:
        """Say whether no more events are made."""
        return self._draining

    def __iter__(self) -> Iterator[tuple[int, Record]]:
        held = self._held
        until_ms: float = 0
        while not self._draining:
            step = next(self._steps, None)
            if step is not None:
                until_ms = step.at_ms if step.at_ms < self._end_ms else self._end_ms
            while held and held[0][0] <= until_ms and not self._draining:
                send_ms, _, record = heapq.heappop(held)
                yield send_ms, record
            if step is None or step.at_ms >= self._end_ms:
                self._draining = True
            elif not self._draining:
                self._add(step)
        while held:
            send_ms, _, record = heapq.heappop(held)
            yield send_ms, record

    def _add(self, step: Step) -> None:
        faults, chance = self._faults, self._rng.random
        late = chance() < faults.late
        record = GoodRecord(self._encode(step), step.visit.key, step, late)
        send_ms = step.at_ms + (self._rng.randint(*LATE_BY_MS) if late else int(chance() * self._disorder_span))
        self._hold(send_ms, record)
        if chance() < faults.duplicates:
            self._hold(send_ms + self._rng.randint(0, DUPLICATE_WITHIN_MS), record)
        if chance() < faults.bad:
            self._hold(step.at_ms + int(chance() * self._disorder_span), self._bad(record))

    def _bad(self, like: GoodRecord) -> BadRecord:
        kind = self._rng.choice(_KINDS)
        # A bad record has an id of its own: it must be refused for what it is, not pass for a duplicate.
        own_id = str(UUID(int=self._rng.getrandbits(128), version=4)).encode()
        template = like.value.replace(like.value[12:48], own_id, 1)
        return BadRecord(corrupt(kind, template, self._rng), like.key, kind)

    def _hold(self, send_ms: int, record: Record) -> None:
        self._number += 1
        heapq.heappush(self._held, (send_ms, self._number, record))


_KINDS = tuple(BAD_KINDS)

"""A worker on the broker in memory: it does what streams/worker.py and streams/saving.py do, step by step.

The windows keep some of what they send together in sets, whose order is another in every process. It is sorted here, so
that a seed is one life everywhere.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from random import Random

import msgspec

from streams.windows import partials
from streams.windows.merge import MergeWindows
from streams.windows.partials import Marker, SitePartial
from streams.windows.partition import PartitionWindows
from tests.faults.in_memory import Broker, Fenced, Result
from tests.support.reference import DEFAULT_FUNNEL
from tests.support.stages import ALL, LATENESS_MS, MERGES, consumed

#: Where the outbox sends: a merge partition's number, or the results.
RESULTS = MERGES


def encode(message: SitePartial | Marker) -> bytes:
    """Encode as on the wire, the counts in order of their keys."""
    return msgspec.json.encode(msgspec.to_builtins(message, str_keys=True), order="deterministic")


class Worker:
    """Its states by their number: the source partitions', then the merges'.

    What is ``under_way`` (waiting for acknowledgements, committing) goes on whenever somebody steps it, and the worker
    may be killed at any of its steps.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._sources = len(broker.events)
        self.states: dict[int, PartitionWindows | MergeWindows] = {}
        self._owner: dict[int, int] = {}
        self._version: dict[int, int] = {}
        self._progress: dict[int, list[tuple[int, int]]] = {}
        # By target, in order, as one idempotent producer sends: (number, what).
        self._outbox: list[deque[tuple[int, bytes | Result]]] = [deque() for _ in range(MERGES + 1)]
        self._sent = 0
        self.under_way: list[Iterator[None]] = []
        self._settling = self._saving = False
        self._clock = 0

    # ---- Reading

    def read(self, number: int, count: int) -> None:
        """Take the next records of a state's log."""
        state = self.states[number]
        if isinstance(state, MergeWindows):
            self._read_partials(number - self._sources, state, count)
            return
        waiting = (record for record in self._broker.events[number] if record.offset >= state.offset)
        batch = [consumed(record) for record, _ in zip(waiting, range(count), strict=False)]
        out = state.feed(batch)
        self._send_partials(out.partials)
        for visit in sorted(out.sessions, key=lambda visit: visit.visit_id):
            self._send(RESULTS, visit)
        for alert in sorted(out.alerts, key=lambda alert: alert.alert_id):
            self._send(RESULTS, alert)
        for letter in out.dead:
            self._send(RESULTS, letter)
        if out.progress:
            self._progress.setdefault(number, []).extend(out.progress)

    def _read_partials(self, number: int, merge: MergeWindows, count: int) -> None:
        for raw in self._broker.partials[number][merge.offset : merge.offset + count]:
            merge.offset += 1
            message = partials.decode(raw)
            if isinstance(message, Marker):
                merge.progress(message.partition, message.progress)
            else:
                merge.add(message)
        for final in merge.finals():
            self._send(RESULTS, final)

    def send_early(self, number: int) -> None:
        """Send what changed in a state's open windows."""
        state = self.states[number]
        if isinstance(state, MergeWindows):
            for update in sorted(state.early(ALL), key=lambda update: update.site_id):
                self._send(RESULTS, update)
        else:
            self._clock += 300
            self._send_partials(state.early(self._clock, ALL))

    def is_done(self) -> bool:
        """Say whether nothing is left to read, to send or to wait for."""
        return not (self.under_way or self._progress or any(self._outbox) or any(map(self._is_behind, self.states)))

    def _is_behind(self, number: int) -> bool:
        state = self.states[number]
        if isinstance(state, MergeWindows):
            return state.offset < len(self._broker.partials[number - self._sources])
        log = self._broker.events[number]
        return bool(log) and state.offset <= log[-1].offset

    # ---- Sending

    def _send(self, target: int, what: bytes | Result) -> None:
        self._sent += 1
        self._outbox[target].append((self._sent, what))

    def _send_partials(self, several: Iterable[SitePartial]) -> None:
        for each in sorted(several, key=lambda each: each.site):
            for chunk in each.chunks():
                self._send(len(chunk.site) % MERGES, encode(chunk))

    def deliver(self, target: int, count: int) -> None:
        """Let the first messages to a target arrive; what waits for them hears of it."""
        queue = self._outbox[target]
        for _ in range(min(count, len(queue))):
            _, what = queue.popleft()
            if isinstance(what, bytes):
                self._broker.partials[target].append(what)
            else:
                self._broker.results.append(what)

    def deliver_all(self) -> None:
        for target, queue in enumerate(self._outbox):
            self.deliver(target, len(queue))

    def _all_sent(self) -> Iterator[None]:
        """Wait until everything sent so far has arrived."""
        last = self._sent
        while any(queue and queue[0][0] <= last for queue in self._outbox):
            yield

    # ---- Markers and checkpoints

    def settle(self) -> Iterator[None]:
        """Send markers for the progress so far, once its partials have arrived; one such call at a time."""
        while self._settling:
            yield
        self._settling = True
        progress, self._progress = self._progress, {}
        yield from self._all_sent()
        for partition, pairs in progress.items():
            for target in range(MERGES):
                self._send(target, encode(Marker(partition, pairs)))
        self._settling = False

    def save(self, number: int) -> Iterator[None]:
        """Write a state down as it is then: results, markers, checkpoint, in this order; one state at a time."""
        while self._saving:
            yield
        self._saving = True
        yield from self._save(number)
        self._saving = False

    def _save(self, number: int) -> Iterator[None]:
        state = self.states.get(number)
        changes = state.changes() if state is not None else []
        if not changes:
            return
        yield from self.settle()
        yield from self._all_sent()
        try:
            self._broker.checkpoints[number].write(self._owner[number], changes)
            yield
            self._broker.checkpoints[number].commit(self._owner[number])
        except Fenced:
            self._broker.happened["fenced"] += 1
            if self.states.get(number) is state:
                self._release(number)
            return
        self._version[number] = self._broker.checkpoints[number].version

    def advance(self, index: int) -> None:
        """Let one of the things under way go on by a step."""
        if next(self.under_way[index], True):
            self.under_way.pop(index)

    def finish(self) -> None:
        """Let everything arrive and finish what is under way."""
        while self.under_way:
            self.deliver_all()
            for index in reversed(range(len(self.under_way))):
                self.advance(index)

    # ---- Partitions come and go

    def place(self, assigned: set[int]) -> None:
        """Own these states and no others: kept if nobody has written them meanwhile, else restored."""
        self.finish()
        for number in self.states.keys() - assigned:
            self._release(number)
        for number in sorted(assigned):
            checkpoint = self._broker.checkpoints[number]
            self._owner[number] = checkpoint.take_over()
            if number not in self.states or self._version[number] != checkpoint.version:
                self._broker.happened["restored"] += bool(checkpoint.entries)
                self._release(number)
                self._restore(number, dict(checkpoint.entries))
                self._version[number] = checkpoint.version

    def _release(self, number: int) -> None:
        self.states.pop(number, None)
        self._progress.pop(number, None)

    def _restore(self, number: int, entries: dict[bytes, bytes]) -> None:
        if number >= self._sources:
            sources = self._sources
            self.states[number] = MergeWindows.restored(entries, sources) if entries else MergeWindows(sources)
        else:
            open_at = partial(PartitionWindows.restored, entries) if entries else PartitionWindows
            self.states[number] = open_at(number, lateness_ms=LATENESS_MS, funnel=DEFAULT_FUNNEL)

    def kill(self, chance: Random) -> None:
        """End at once: of what was sent some has arrived, the rest never will."""
        for target, queue in enumerate(self._outbox):
            self.deliver(target, chance.randrange(len(queue) + 1))
        self.under_way.clear()
        self.states.clear()
        self._progress.clear()
        for queue in self._outbox:
            queue.clear()

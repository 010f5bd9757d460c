"""The order of a checkpoint, and which state a partition goes on with, on the real broker's checkpoints."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from faust.types import TP

from streams.checkpoints import Checkpoints
from streams.log_reader import LogReader
from streams.merging import MergeStage
from streams.outbox import DeliveryFailed
from streams.saving import Saving, Stage
from streams.source import SourceStage
from streams.state import Fenced
from streams.windows.checkpoint import StateError
from streams.windows.partition import NO_WATERMARK
from tests.support.stages import consumed
from tests.support.timeline import log_of, timeline
from tidemark.settings import Settings
from tidemark.topics import EVENTS, PARTIALS

GROUP = "group"


class Steps:
    """An outbox, checkpoints and batches that write down what happens to them, in order."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.failing: dict[str, Exception] = {}
        self.meanwhile: dict[str, Callable[[], None]] = {}

    def send(self, topic: str, *_: Any) -> None:
        self.seen.append(f"send to {topic}")

    async def settled(self) -> None:
        self.happen("settled")

    async def commit(self, partition: int, changes: Any) -> None:
        self.happen(f"commit {partition}")

    def batch(self, tp: TP) -> Any:
        return SimpleNamespace(message=SimpleNamespace(tp=tp), value=[b"record"], ack=lambda: self.happen("ack"))

    def happen(self, step: str) -> None:
        self.seen.append(step)
        self.meanwhile.get(step, lambda: None)()
        if step in self.failing:
            raise self.failing[step]


class Worker:
    """Both stages and what saves them, without Faust; a ``log`` says where each partition's log begins and ends."""

    def __init__(self, settings: Settings, checkpoints: Any, outbox: Any) -> None:
        self.events = TP(settings.topic(EVENTS.name), 3)
        self.partials = TP(settings.topic(PARTIALS.name), 2)
        self.source = SourceStage(settings, outbox)
        self.merging = MergeStage(settings, outbox)
        stages: dict[str, Stage] = {self.events.topic: self.source, self.partials.topic: self.merging}
        self.saving = Saving(settings, stages, self.source, outbox, checkpoints, cast(LogReader, self))
        self.log = {self.events: (0, 10), self.partials: (0, 10)}

    def bounds(self, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], tuple[int, int]]:
        return {place: self.log[TP(*place)] for place in places}

    async def place(self, *tps: TP) -> dict[TP, int]:
        return await self.saving.place(set(tps or self.log))

    def feed(self, drawing: str) -> None:
        self.source.process(3, [consumed(record) for record in log_of(timeline(drawing))])


def stepped(settings: Settings) -> tuple[Worker, Steps]:
    steps = Steps()
    worker = Worker(settings, steps, steps)
    worker.source.open(3, {}, 0)
    worker.feed("ann P....|P....|P....|P")
    steps.seen.clear()
    batch = steps.batch(worker.events)
    worker.saving.hand_in(batch)
    assert batch.value == []  # ten seconds of records would be a gigabyte
    return worker, steps


def test_results_then_markers_then_the_checkpoint_then_acks() -> None:
    worker, steps = stepped(Settings())
    asyncio.run(worker.saving.save([worker.events]))
    markers = [f"send to {PARTIALS.name}"] * PARTIALS.partitions
    assert steps.seen == ["settled", *markers, "settled", "commit 3", "ack"]


@pytest.mark.parametrize(("step", "error"), [("settled", DeliveryFailed()), ("commit 3", TimeoutError())])
def test_what_fails_is_not_acked_and_is_heard_of(step: str, error: Exception) -> None:
    worker, steps = stepped(Settings())
    steps.failing[step] = error
    with pytest.raises(type(error)):
        asyncio.run(worker.saving.save([worker.events]))
    assert "ack" not in steps.seen


def test_a_state_that_is_somebody_elses_is_dropped_and_nothing_is_acked() -> None:
    worker, steps = stepped(Settings())
    steps.failing["commit 3"] = Fenced()
    asyncio.run(worker.saving.save([worker.events]))
    assert "ack" not in steps.seen
    assert worker.source.partitions == {}


def test_a_batch_that_comes_during_a_checkpoint_waits_for_the_next_one() -> None:
    worker, steps = stepped(Settings())
    steps.meanwhile["commit 3"] = lambda: worker.saving.hand_in(steps.batch(worker.events))
    asyncio.run(worker.saving.save([worker.events]))
    assert steps.seen.count("ack") == 1
    asyncio.run(worker.saving.save([worker.events]))
    assert steps.seen.count("ack") == 2


def on_kafka(settings: Settings, scenario: Callable[[Callable[[], Worker]], Coroutine[Any, Any, None]]) -> None:
    """Run a scenario with workers of one group on the broker's checkpoints."""
    opened: list[Worker] = []
    reader = LogReader(settings)

    def worker() -> Worker:
        opened.append(Worker(settings, Checkpoints(settings, GROUP, reader), Steps()))
        return opened[-1]

    async def all_closed() -> None:
        try:
            await scenario(worker)
        finally:
            for one in opened:
                await one.saving.close()
            reader.close()

    asyncio.run(all_closed())


def test_a_state_goes_on_where_it_was_written_down(settings: Settings) -> None:
    async def scenario(worker: Callable[[], Worker]) -> None:
        first, second = worker(), worker()
        first.log[first.events] = first.log[first.partials] = (4, 10)
        assert await first.place() == {first.events: 4, first.partials: 4}
        first.feed("ann P.P")
        await first.saving.save(first.log)
        assert await second.place() == {second.events: 2, second.partials: 4}
        watermark = second.source.partitions[3].watermark
        assert watermark == first.source.partitions[3].watermark > NO_WATERMARK

    on_kafka(settings, scenario)


def test_a_state_is_kept_unless_somebody_else_wrote_meanwhile(settings: Settings) -> None:
    async def scenario(worker: Callable[[], Worker]) -> None:
        first, second = worker(), worker()
        await first.place()
        first.feed("ann P.P")
        await first.saving.save(first.log)
        first.feed("ann P.P.P")
        assert (await first.place())[first.events] == 3  # kept, with what was not written down yet
        assert (await second.place())[second.events] == 2
        assert (await first.place())[first.events] == 3  # the other one has written nothing
        assert (await second.place())[second.events] == 2
        second.feed("ann P.P.P.P")
        await second.saving.save(second.log)
        assert (await first.place())[first.events] == 4

    on_kafka(settings, scenario)


def test_a_log_that_has_lost_what_a_checkpoint_needs_goes_on_at_its_start(settings: Settings) -> None:
    async def scenario(worker: Callable[[], Worker]) -> None:
        first, second, third = worker(), worker(), worker()
        await first.place()
        first.feed("ann P.P")
        first.merging.partitions[2].offset = 5
        await first.saving.save(first.log)
        second.log = {second.events: (7, 10), second.partials: (6, 10)}
        assert await second.place() == {second.events: 7, second.partials: 6}
        assert second.source.partitions[3].watermark > NO_WATERMARK
        third.log = second.log
        assert await third.place() == {third.events: 7, third.partials: 6}

    on_kafka(settings, scenario)


def test_a_topic_that_was_made_anew_is_refused(settings: Settings) -> None:
    async def scenario(worker: Callable[[], Worker]) -> None:
        first, second = worker(), worker()
        await first.place()
        first.feed("ann P.P")
        await first.saving.save(first.log)
        second.log[second.events] = (0, 1)
        with pytest.raises(StateError, match="stands at offset 2, but the log ends at 1: the topic was made anew"):
            await second.place()

    on_kafka(settings, scenario)

"""When and in which order states are written down and restored: results, markers, checkpoint, acks; in this order."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from streams.checkpoints import Checkpoints
from streams.log_reader import LogReader
from streams.merging import MergeStage
from streams.outbox import Outbox
from streams.source import SourceStage
from streams.state import Fenced
from streams.windows.checkpoint import StateError
from tidemark.logs import get_logger
from tidemark.settings import Settings

#: A worker that owns nothing looks again after so long.
IDLE_SECONDS = 1.0

log = get_logger("streams.saving")

Stage = SourceStage | MergeStage


class Saving:
    """Checkpoints of the stages' states, and the batches acked with them. ``stages`` by their topics on the broker."""

    def __init__(
        self,
        settings: Settings,
        stages: Mapping[str, Stage],
        source: SourceStage,
        outbox: Outbox,
        checkpoints: Checkpoints,
        reader: LogReader,
    ) -> None:
        self._interval = settings.checkpoint_interval_ms / 1000
        self._stages = stages
        self._source = source
        self._outbox = outbox
        self._checkpoints = checkpoints
        self._reader = reader
        self._batches: dict[Any, list[Any]] = {}
        self._settling = asyncio.Lock()
        self._saving = asyncio.Lock()
        self._owned: list[Any] = []

    def hand_in(self, batch: Any) -> None:
        """Take a batch that is in its state now, without its records: the state's next checkpoint acks it."""
        batch.value.clear()
        self._batches.setdefault(batch.message.tp, []).append(batch)

    def forget(self, tp: Any) -> None:
        """Never ack the batches handed in so far: their partition is read again."""
        self._batches.pop(tp, None)

    async def settle(self) -> None:
        """Wait until all results so far are acknowledged, then tell the merge how far they go."""
        async with self._settling:
            progress = self._source.take_progress()
            await self._outbox.settled()
            self._source.send_markers(progress)

    async def for_ever(self) -> None:
        """Write one state after the other down, each once in the checkpoint interval."""
        while True:
            owned = self._owned
            if not owned:
                await asyncio.sleep(min(self._interval, IDLE_SECONDS))
            for tp in owned:
                await asyncio.sleep(self._interval / len(owned))
                await self.save([tp])

    async def save(self, tps: Iterable[Any]) -> None:
        """Write these states down as they are now, if they are here, and ack what they hold.

        A state whose partition is somebody else's by now is dropped instead. Raises what a failed delivery or commit
        raises: what changed is lost then, so that the process must end.
        """
        async with self._saving:
            await asyncio.gather(*(self._save(tp) for tp in tps))

    async def revoke(self, tps: set[Any]) -> None:
        """Write these states down before their partitions go; they stay until it is known who gets them."""
        await self.save(tps)
        self._owned = [tp for tp in self._owned if tp not in tps]

    def standing(self) -> dict[tuple[str, int], int | None]:
        """Return where the state of each partition that is owned stands, None if it was dropped; for any thread."""
        places = {}
        for tp in self._owned:
            state = self._stages[tp.topic].partitions.get(tp.partition)
            places[tp.topic, tp.partition] = None if state is None else state.offset
        return places

    async def close(self) -> None:
        """Write all states down, for the last time, and let go of them."""
        await self.save(self._owned)
        async with self._saving:
            for tp in self._owned:
                self._stages[tp.topic].release(tp.partition)
            self._owned = []
            await self._checkpoints.close()

    async def place(self, assigned: set[Any]) -> dict[Any, int]:
        """Own these partitions and no others; return where to read each on: where its state stands.

        A state that was here before is kept, unless somebody else has written its checkpoint since. Raises StateError
        for a checkpoint that is of no use.
        """
        async with self._saving:
            self._batches.clear()
            numbers = {self._number(tp): tp for tp in sorted(assigned)}
            await self._checkpoints.take_over(numbers)
            here = [number for number, tp in numbers.items() if tp.partition in self._stages[tp.topic].partitions]
            kept = await self._checkpoints.untouched(here)
            # After the take-over: nobody moves a checkpoint beyond these ends any more.
            bounds = await asyncio.to_thread(self._reader.bounds, [(tp.topic, tp.partition) for tp in assigned])
            async for number, entries in self._checkpoints.read(numbers.keys() - kept):
                tp = numbers[number]
                await self._restore(tp, entries, bounds[tp.topic, tp.partition][0])
            offsets = {tp: self._offset(tp, bounds[tp.topic, tp.partition][1]) for tp in numbers.values()}
            self._owned = list(offsets)
            log.info("partitions assigned", all=len(assigned), new=len(assigned) - len(kept))
            return offsets

    async def _save(self, tp: Any) -> None:
        state = self._stages[tp.topic].partitions.get(tp.partition)
        if state is None:
            return
        changes, batches = state.changes(), self._batches.pop(tp, [])
        if not changes and not batches:
            return
        await self.settle()
        await self._outbox.settled()  # the markers too: after a restore nobody would send them again
        try:
            if changes:
                await self._checkpoints.commit(self._number(tp), changes)
        except Fenced:
            log.warning("partition is somebody else's: its state is dropped", **_named(tp))
            self._drop(tp, state)
            return
        for batch in batches:
            batch.ack()

    def _drop(self, tp: Any, state: Any) -> None:
        stage = self._stages[tp.topic]
        if stage.partitions.get(tp.partition) is state:
            stage.release(tp.partition)

    async def _restore(self, tp: Any, entries: Mapping[bytes, bytes], start: int) -> None:
        stage = self._stages[tp.topic]
        stage.release(tp.partition)
        state = stage.open(tp.partition, entries, start)
        if entries:
            log.info("partition restored", **_named(tp), offset=state.offset, entries=len(entries))
        if state.offset < start:
            log.error(
                "retention has deleted records that the checkpoint needs: going on at the start of the log",
                **_named(tp),
                count=start - state.offset,
            )
            await self._checkpoints.commit(self._number(tp), stage.skip(tp.partition, entries, start))

    def _offset(self, tp: Any, end: int) -> int:
        offset = self._stages[tp.topic].partitions[tp.partition].offset
        if offset > end:
            raise StateError(
                f"the checkpoint of {tp.topic}-{tp.partition} stands at offset {offset}, but the log ends at {end}: "
                "the topic was made anew, and its checkpoints must go with it"
            )
        return offset

    def _number(self, tp: Any) -> int:
        """Return the partition of ``stream-checkpoints`` that is this one's."""
        return self._stages[tp.topic].first_checkpoint + int(tp.partition)


def _named(tp: Any) -> dict[str, Any]:
    return {"topic": tp.topic, "partition": tp.partition}

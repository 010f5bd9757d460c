"""Ends a worker in order and in time: what the broker does not let it finish, the next worker reads again."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from threading import Timer
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, cast

import faust

from streams.outbox import Outbox
from tidemark.logs import get_logger

if TYPE_CHECKING:
    from monitoring.spans import Traces

log = get_logger("streams.stopping")

#: After SIGTERM, Ctrl-C or a crash the process ends within this, whatever it waits for.
STOP_SECONDS = 10.0
#: So long may the broker take for the results that are left when Faust has stopped.
CLOSE_SECONDS = 2.0


class StreamsProcess(faust.Worker):
    """Faust's worker, with an end in bounded time.

    The exit code is 0 when it was told to end and all results it sent are acknowledged, else 1. Nothing is lost either
    way: results that are not acknowledged come again from the events that are read again.
    """

    def __init__(self, app: faust.App, outbox: Outbox, traces: "Traces | None") -> None:
        super().__init__(app, override_logging=False, redirect_stdouts=False, quiet=True)
        self._outbox = outbox
        self._traces = traces
        deadline = Timer(STOP_SECONDS, self._end_now)
        deadline.daemon = True
        self._deadlines = [deadline]

    def run(self) -> NoReturn:
        """Run until SIGTERM, Ctrl-C or a crash, and end the process."""
        try:
            self.execute_from_commandline()
        except SystemExit as ended:
            self._end(in_order=not ended.code, within=CLOSE_SECONDS)

    def install_signal_handlers(self) -> None:
        """Have Python's own handlers: they run even while the event loop is held up by a full outbox."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._asked_to_stop)

    async def on_stop(self) -> None:
        """Begin the deadline: a crash stops the worker too."""
        self._begin_deadline()
        await super().on_stop()

    def _asked_to_stop(self, _: int, __: FrameType | None) -> None:
        self._begin_deadline()
        self.loop.call_soon_threadsafe(self._on_sigterm)

    def _begin_deadline(self) -> None:
        # Whoever takes it out starts it: a second signal may come while the first one's handler does.
        with suppress(IndexError):
            self._deadlines.pop().start()

    def _end_now(self) -> None:
        try:
            where = sorted({place for loop in self._loops() for place in waiting(loop)})
            log.warning("stop took too long: ending now", seconds=STOP_SECONDS, waiting=where)
        finally:
            self._end(in_order=not self.crashed, within=0)

    def _end(self, *, in_order: bool, within: float) -> NoReturn:
        acknowledged = self._outbox.close(within)
        if self._traces is not None:
            self._traces.close(within)
        # The interpreter's own end would wait for threads of Faust and librdkafka, and those for the broker.
        os._exit(0 if acknowledged and in_order else 1)

    def _loops(self) -> list[asyncio.AbstractEventLoop]:
        consumer: Any = cast(faust.App, self.app)._consumer  # the property would make one
        return [self.loop] if consumer is None else [self.loop, consumer.thread_loop]


def waiting(loop: asyncio.AbstractEventLoop) -> Iterator[str]:
    """Yield where each task of a loop waits: the outermost and the innermost of its coroutines."""
    for task in asyncio.all_tasks(loop):
        chain: list[Any] = [task.get_coro()]
        while (inner := getattr(chain[-1], "cr_await", None)) is not None and hasattr(inner, "cr_code"):
            chain.append(inner)
        yield " … ".join(dict.fromkeys(getattr(each, "__qualname__", repr(each)) for each in (chain[0], chain[-1])))

"""Ctrl-C, SIGTERM and a closed terminal as one request to stop, made once, so that nothing interrupts the stopping."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def until_stopped() -> Iterator[None]:
    """Run the block until it ends or the first signal, which raises KeyboardInterrupt in it and ends it quietly.

    The block's ``finally`` clauses stop what it has started; further signals change nothing.
    """
    before = {number: signal.signal(number, _request) for number in SIGNALS}
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _request(_number: int, _frame: FrameType | None) -> None:
    for number in SIGNALS:
        signal.signal(number, _known)
    raise KeyboardInterrupt


def _known(_number: int, _frame: FrameType | None) -> None:
    """Asked again while it stops; no SIG_IGN, which children would inherit."""

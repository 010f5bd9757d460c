"""A part whose Python clock is stepped by signals: SIGUSR1 puts it an hour on, SIGUSR2 an hour back.

It is ``time.time`` and ``time.time_ns`` of this process that move, for everything written in Python. What C libraries
read (librdkafka, ``datetime``) is the machine's clock, which a test must not touch.
"""

import signal
import time
from types import FrameType

HOUR_S = 3_600

_steps = {signal.SIGUSR1: HOUR_S, signal.SIGUSR2: -HOUR_S}
_ahead_s = 0
_time, _time_ns = time.time, time.time_ns


def _step(number: int, _: FrameType | None) -> None:
    global _ahead_s  # noqa: PLW0603  # the process has one clock
    _ahead_s += _steps[signal.Signals(number)]


def _stepped_time() -> float:
    return _time() + _ahead_s


def _stepped_time_ns() -> int:
    return _time_ns() + _ahead_s * 1_000_000_000


if __name__ == "__main__":
    # Before anything else is imported: some take the functions by their names.
    time.time, time.time_ns = _stepped_time, _stepped_time_ns
    for each in _steps:
        signal.signal(each, _step)
    from tidemark.cli import main

    main()

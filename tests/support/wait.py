"""Waiting for a condition, with a deadline, instead of sleeping."""

import time
from collections.abc import Callable

PAUSE_S = 0.1


def until(condition: Callable[[], object], deadline_s: float, otherwise: Callable[[], str] | str = "") -> None:
    """Return as soon as the condition is true; fail with the text when the deadline passes."""
    deadline = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(otherwise if isinstance(otherwise, str) else otherwise())
        time.sleep(PAUSE_S)

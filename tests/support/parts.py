"""A part of Tidemark as its own process, started by its command, as in production."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from tests.support import wait
from tidemark.settings import Settings

STOP_S = 20.0


class Part:
    """A running ``tidemark …``; ``output`` is its stdout, ``log`` its stderr, one JSON object a line."""

    def __init__(self, settings: Settings, log: Path, *command: str, module: str = "tidemark") -> None:
        self._log = log
        self.environment = settings.environment() | {"PYTHONPATH": ":".join(sys.path)}
        self._output = log.with_suffix(".out")
        with self._output.open("ab") as stdout, log.open("ab") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, "--json", *command],
                env=self.environment,
                stdout=stdout,
                stderr=stderr,
            )

    @property
    def output(self) -> str:
        """What it printed so far."""
        return self._output.read_text()

    @property
    def log(self) -> str:
        """What it logged so far."""
        return self._log.read_text()

    def logged(self, text: str) -> bool:
        """Say whether the log has that text by now."""
        return text in self.log

    def kill(self) -> None:
        """End it at once, by SIGKILL."""
        self.process.kill()
        self.process.wait()

    def stop(self, within_s: float = STOP_S) -> int:
        """Ask it to end, by SIGTERM, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within_s)

    def wait_until(self, condition: Callable[[], object], deadline_s: float = 60.0) -> None:
        """Wait for a condition; fail with the log if the deadline passes or the part ends before."""
        wait.until(lambda: self._runs() and condition(), deadline_s, lambda: self.log)

    def _runs(self) -> bool:
        assert self.process.poll() is None, self.log
        return True


P = TypeVar("P", bound=Part)


@contextmanager
def gone_afterwards(part: P) -> Iterator[P]:
    """Hand the part out; whatever happens, it is gone afterwards."""
    try:
        yield part
    finally:
        if part.process.poll() is None:
            part.kill()


@contextmanager
def running(settings: Settings, log: Path, *command: str, module: str = "tidemark") -> Iterator[Part]:
    """Run a part; whatever happens, it is gone afterwards."""
    with gone_afterwards(Part(settings, log, *command, module=module)) as part:
        yield part

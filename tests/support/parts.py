"""A part of Tidemark as its own process, started by its command, as in production."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tidemark.settings import Settings

STOP_S = 20.0


class Part:
    """A running ``tidemark …``; ``log`` is its stderr, one JSON object a line."""

    def __init__(self, settings: Settings, log: Path, *command: str, module: str = "tidemark") -> None:
        self._log = log
        self.environment = settings.environment() | {"PYTHONPATH": ":".join(sys.path)}
        with log.open("ab") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, "--json", *command],
                env=self.environment,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )

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


@contextmanager
def running(settings: Settings, log: Path, *command: str, module: str = "tidemark") -> Iterator[Part]:
    """Run a part, or a test's own module; whatever happens, it is gone afterwards."""
    part = Part(settings, log, *command, module=module)
    try:
        yield part
    finally:
        if part.process.poll() is None:
            part.kill()

"""``tidemark simulate`` as its own process, and what its manifest says."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from tidemark.settings import Settings


class Simulator:
    """A running simulator with a manifest; ``output`` and ``log`` are its stdout and stderr so far."""

    def __init__(self, settings: Settings, folder: Path, *options: str) -> None:
        self._folder = folder
        self.path = folder / "manifest.json"
        command = [sys.executable, "-m", "tidemark", "simulate", *options, "--manifest", str(self.path)]
        with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
            self.process = subprocess.Popen(command, env=settings.environment(), stdout=stdout, stderr=stderr)

    @property
    def output(self) -> str:
        return (self._folder / "stdout").read_text()

    @property
    def log(self) -> str:
        return (self._folder / "stderr").read_text()

    @property
    def manifest(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.path.read_text())
        return content

    def wait_until(self, condition: Callable[[dict[str, Any]], bool], deadline_s: float = 60) -> None:
        """Wait until the manifest fulfils the condition; fail if the process ends before."""
        deadline = monotonic() + deadline_s
        while not (self.path.exists() and condition(self.manifest)):
            assert self.process.poll() is None, self.log
            assert monotonic() < deadline, self.manifest if self.path.exists() else self.log
            sleep(0.05)


@contextmanager
def simulator(settings: Settings, folder: Path, *options: str) -> Iterator[Simulator]:
    """Start a simulator; kill it at the end if it still runs."""
    running = Simulator(settings, folder, *options)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()

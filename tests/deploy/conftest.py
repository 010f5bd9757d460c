"""The ``tidemark`` command for the tests of deploy, with servers, folders and ports of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.addresses import free_ports
from tests.conftest import CACHE, local_settings
from tidemark.settings import Settings


class Tidemark:
    """The ``tidemark`` command as child processes, with a data folder and ports of its own."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.children: list[subprocess.Popen[str]] = []

    def __call__(self, *arguments: str, terminal: int | None = None) -> "subprocess.Popen[str]":
        """Start it; with the terminal of that file descriptor as its own, or with its output in a pipe."""
        prefix = [] if terminal is None else ["setsid", "--ctty"]
        child = subprocess.Popen(
            [*prefix, sys.executable, "-m", "tidemark", *arguments],
            env={**os.environ, "TERM": "xterm", **self.settings.environment()},
            stdin=terminal,
            stdout=subprocess.PIPE if terminal is None else terminal,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.children.append(child)
        return child


@pytest.fixture
def tidemark(tmp_path: Path, stack: Settings) -> Iterator[Tidemark]:
    """Run ``tidemark …``; what it leaves is ended. The shared stack has fetched the programs."""
    ports = free_ports(10)  # at most seven parts, and three brokers
    served = {"metrics_port": ports, "kafka_metrics_port": ports + 7}
    settings = local_settings(tmp_path / "data").model_copy(update=served)
    command = Tidemark(settings)
    command.settings.data_dir.mkdir()
    (command.settings.data_dir / "cache").symlink_to(CACHE)
    yield command
    command("stack", "down").wait(90)
    for child in command.children:
        child.kill()
        child.communicate()

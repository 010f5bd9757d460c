"""One thing the local stack runs: how to start it, how to see that it is healthy, how to end it."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.processes import Child

POLL_SECONDS = 0.05


class Service:
    """A server or a part as a child process. ``prepare`` writes what it needs and returns its command."""

    def __init__(
        self,
        name: str,
        prepare: Callable[[], Sequence[str]],
        is_healthy: Callable[[], bool],
        *,
        run: Path,
        log: Path | None,
        env: Mapping[str, str] | None = None,
        stop_seconds: float = 20,
    ) -> None:
        self.name = name
        self._prepare = prepare
        self._is_healthy = is_healthy
        self._child = Child(run / f"{name}.pid", log)
        self._env = env
        self._stop_seconds = stop_seconds

    @property
    def pid(self) -> int | None:
        """The process id while it runs, else None."""
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code of the last run (negative: the signal that ended it); None before and while it runs."""
        return self._child.exit_code

    @property
    def log(self) -> Path | None:
        """The file its output goes to."""
        return self._child.log

    def running(self) -> bool:
        """Say whether its process runs."""
        return self._child.running()

    def healthy(self) -> bool:
        """Say whether its process runs and answers."""
        return self.running() and self._is_healthy()

    def spawn(self) -> None:
        """Start the process and return at once. Raises StackError when what it needs cannot be prepared."""
        if not self.running():
            self._child.spawn(self._prepare(), self._env)

    def await_healthy(self, within: float = 90) -> None:
        """Wait until it answers. Raises StackError with the log's end when it dies or is too slow (seconds)."""
        deadline = time.monotonic() + within
        while not self.healthy():
            if not self.running():
                raise StackError(f"{self.name} ended with exit code {self.exit_code}; {self._log_text()}")
            if time.monotonic() > deadline:
                raise StackError(f"{self.name} does not answer after {within:.0f} s; {self._log_text()}")
            time.sleep(POLL_SECONDS)

    def start(self) -> None:
        """Start it and return when it answers. Raises StackError."""
        self.spawn()
        self.await_healthy()

    def begin_stop(self) -> None:
        """Ask it to end and return at once; ``stop`` then waits for it."""
        self._child.terminate()

    def stop(self) -> None:
        """End it in order (SIGTERM), by force when that takes too long; nothing to do when it does not run."""
        self._child.stop(self._stop_seconds)

    def kill(self) -> None:
        """End it by SIGKILL, as a crash would."""
        self._child.kill()

    def _log_text(self) -> str:
        return f"the end of {self.log}:\n{self._child.last_lines()}"

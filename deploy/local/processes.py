"""Child processes that never outlive their parent, and the sure identity of a process whose id was written down."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

LAUNCHER = Path(__file__).with_name("launcher.py")
MAX_LOG_BYTES = 20 * 1024 * 1024

# The kernel sends the death signal when the *thread* that started a child ends: all are started by one thread that
# lives as long as the process.
_starter = ThreadPoolExecutor(1, "child-starter")


@dataclass(frozen=True)
class Identity:
    """A process id with its start time (clock ticks since boot), so that a recycled id is never taken for it."""

    pid: int
    started: int

    def alive(self) -> bool:
        """Say whether this very process still runs."""
        return identify(self.pid) == self

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, but never to another process that got the same id."""
        if self.alive():
            os.kill(self.pid, number)


def identify(pid: int) -> Identity | None:
    """Return the identity of a running process; None when there is none (a zombie is none)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else Identity(pid, int(fields[18]))


def write_identity(path: Path, pid: int) -> None:
    """Write down who the running process is; nothing is written for one that has ended."""
    identity = identify(pid)
    if identity is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{identity.pid} {identity.started}")


def read_identity(path: Path) -> Identity | None:
    """Return who was written down if that very process still runs, else None."""
    try:
        pid, started = path.read_text().split()
        identity = Identity(int(pid), int(started))
    except (OSError, ValueError):
        return None
    return identity if identity.alive() else None


def end(identity: Identity, within: float) -> None:
    """End a process that is no child of this one: SIGTERM, and SIGKILL if it still runs after so many seconds."""
    for number, seconds in ((signal.SIGTERM, within), (signal.SIGKILL, 5.0)):
        identity.signal(number)
        deadline = time.monotonic() + seconds
        while identity.alive() and time.monotonic() < deadline:
            time.sleep(0.05)


class Child:
    """One child process, started again as often as needed, with its output appended to a log file.

    It gets SIGTERM when this process ends, however that happens. In its own session a Ctrl-C does not reach it;
    without a log it shares this process's terminal and session. The file ``pid_file`` holds its identity while it runs.
    """

    def __init__(self, pid_file: Path, log: Path | None) -> None:
        self.log = log
        self._pid_file = pid_file
        self._process: subprocess.Popen[bytes] | None = None

    def spawn(self, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        """Start the command; returns at once. The environment is this process's own plus ``env``."""
        launched = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), *command]
        self._process = _starter.submit(self._popen, launched, {**os.environ, **(env or {})}).result()
        write_identity(self._pid_file, self._process.pid)

    def _popen(self, command: list[str], env: dict[str, str]) -> subprocess.Popen[bytes]:
        if self.log is None:
            return subprocess.Popen(command, env=env)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > MAX_LOG_BYTES:
            self.log.replace(self.log.with_suffix(".old.log"))
        with self.log.open("ab") as output:
            return subprocess.Popen(
                command,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int | None:
        """The process id while it runs, else None."""
        return self._process.pid if self._process is not None and self.running() else None

    @property
    def exit_code(self) -> int | None:
        """The exit code of the last run (negative: the signal that ended it); None before and while it runs."""
        return self._process.poll() if self._process is not None else None

    def running(self) -> bool:
        """Say whether it runs."""
        return self._process is not None and self._process.poll() is None

    def terminate(self) -> None:
        """Send SIGTERM and return at once."""
        if self._process is not None:
            self._process.terminate()

    def stop(self, within: float) -> None:
        """Send SIGTERM and wait; kill what has not ended within so many seconds."""
        if self._process is None or not self.running():
            return
        self._process.terminate()
        try:
            self._process.wait(within)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._pid_file.unlink(missing_ok=True)

    def kill(self) -> None:
        """Send SIGKILL and wait for the end."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._pid_file.unlink(missing_ok=True)

    def last_lines(self, count: int = 15) -> str:
        """Return the end of the log, for an error message."""
        if self.log is None or not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])

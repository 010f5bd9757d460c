"""Who runs the local stack in a data folder: one process at a time, found again after a crash."""

import fcntl
import os
from pathlib import Path
from typing import IO

from deploy.local.errors import StackError
from deploy.local.preflight import folder_problems
from deploy.local.processes import Identity, end, read_identity, write_identity

STOP_SECONDS = 60.0


class Claim:
    """A folder of pid files that belongs to one living process; the kernel frees the claim when that ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock: IO[str] | None = None

    def take(self) -> bool:
        """Claim the folder, and end what a crashed owner left running. False when a living process has it.

        Raises StackError when the folder cannot be used.
        """
        problems = folder_problems(self.folder, "data folder")
        if problems:
            raise StackError("\n".join(problems))
        lock = (self.folder / "owner.lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return False
        self._lock = lock
        end_left_overs(self.folder)
        write_identity(self.folder / "owner", os.getpid())
        return True

    def release(self) -> None:
        """Give the folder up; nothing to do when it is not claimed."""
        if self._lock is not None:
            (self.folder / "owner").unlink(missing_ok=True)
            self._lock.close()
            self._lock = None


def owner(folder: Path) -> Identity | None:
    """Return the living process that has claimed the folder."""
    return read_identity(folder / "owner")


def running(folder: Path) -> dict[str, Identity]:
    """Return the living processes written down in the folder, by name, in the order of their start."""
    files = sorted(folder.glob("*.pid"), key=lambda path: path.stat().st_mtime_ns)
    found = {path.stem: read_identity(path) for path in files}
    return {name: identity for name, identity in found.items() if identity is not None}


def end_left_overs(folder: Path) -> list[str]:
    """End the written-down processes, the last started first; return their names."""
    left_overs = running(folder)
    for identity in reversed(left_overs.values()):
        end(identity, STOP_SECONDS)
    for path in folder.glob("*.pid"):
        path.unlink(missing_ok=True)
    return list(left_overs)


def end_owner(folder: Path) -> list[str]:
    """Have the owner stop all it runs, in its order, then end what is left over; return the names of what ran."""
    names = list(running(folder))
    present = owner(folder)
    if present is not None:
        end(present, STOP_SECONDS)
    return names + [name for name in end_left_overs(folder) if name not in names]

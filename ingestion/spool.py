"""Records on disk while Kafka is away: appended to segment files, fsynced before they are confirmed, read in order.

Every worker has segments of its own, locked as long as it lives; those of one that has died are adopted by the next
that starts.
"""

import asyncio
import fcntl
import os
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ingestion.records import Record, decode, encode
from tidemark.logs import get_logger

SEGMENT_BYTES = 4 * 1024 * 1024
#: The second one's are an operator's to look at.
_SUFFIX, _DAMAGED = ".spool", ".damaged"

log = get_logger("ingestion.spool")


class SpoolFullError(Exception):
    """The records are not on disk: there is no room, or writing failed."""


@dataclass
class Segment:
    """One file, locked by its descriptor; ``size`` in bytes is what is known to be whole."""

    path: Path
    descriptor: int
    size: int

    def remove(self) -> None:
        """Delete the file: all its records are safe elsewhere."""
        self.path.unlink(missing_ok=True)
        os.close(self.descriptor)

    def read(self) -> list[Record]:
        """Return its records; a damaged file is kept beside, under another name. Raises OSError."""
        records, damaged = decode(self.path.read_bytes())
        if damaged:
            log.error("records of the spool are damaged and lost", file=str(self.path), bytes=damaged)
            with suppress(OSError):  # it may be there already; those that can be read must not wait for it
                os.link(self.path, self.path.with_suffix(_DAMAGED))
        return records


def spooled_bytes(folder: Path) -> int:
    """Return how much waits in a folder, of all workers together."""
    sizes = 0
    for path in folder.glob(f"*{_SUFFIX}"):
        with suppress(FileNotFoundError):
            sizes += path.stat().st_size
    return sizes


class Spool:
    """The spool of one worker in a folder it shares with others; holds at most ``limit`` bytes.

    ``keep`` confirms; ``roll``, ``oldest`` and ``remove`` are the replay's. To be used from one event loop.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._closed: deque[Segment] = deque()
        self._active: Segment | None = None
        self._buffer: list[bytes] = []
        self._bytes = 0
        self._group: asyncio.Future[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "spool")

    @property
    def size(self) -> int:
        """How many bytes wait here, those on their way to the disk included."""
        return self._bytes

    def open(self) -> None:
        """Take over what other workers, now dead, have left. Raises OSError if the folder cannot be used."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            segment = _adopt(path)
            if segment is not None:
                self._closed.append(segment)
                self._bytes += segment.size

    async def keep(self, records: list[Record]) -> None:
        """Return when the records are on disk for good. Raises SpoolFullError if they are not."""
        content = encode(records)
        if self._bytes + len(content) > self._limit:
            raise SpoolFullError(f"{self._bytes} of {self._limit} bytes are taken")
        self._buffer.append(content)
        self._bytes += len(content)
        if self._group is None:
            self._group = asyncio.get_running_loop().create_future()
        group = self._group
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_groups())
        await asyncio.shield(group)

    async def _write_groups(self) -> None:
        """Write what has gathered, again and again: one fsync for all that came during the last one."""
        loop = asyncio.get_running_loop()
        while self._buffer:
            group, content = self._group, b"".join(self._buffer)
            self._group, self._buffer = None, []
            assert group is not None
            failure: OSError | None = None
            try:
                await loop.run_in_executor(self._thread, self._append, content)
            except OSError as error:
                failure = error
            if failure is None:
                group.set_result(None)
            else:
                self._bytes -= len(content)
                log.error("the spool cannot be written", error=str(failure))
                group.set_exception(SpoolFullError(str(failure)))
                group.exception()  # it may be that nobody waits any more
        self._writer = None

    def _append(self, content: bytes) -> None:
        if self._active is not None and self._active.size >= SEGMENT_BYTES:
            self._close_active()
        if self._active is None:
            self._active = _create(self._folder)
        segment = self._active
        try:
            _write_all(segment.descriptor, content, segment.size)
            os.fdatasync(segment.descriptor)
        except OSError:
            # Nobody knows what a file holds that could not be synced: the next records go to another one. And what was
            # answered with a refusal is not to be sent later on.
            self._close_active()
            os.ftruncate(segment.descriptor, segment.size)
            raise
        segment.size += len(content)

    def _close_active(self) -> None:
        if self._active is not None:
            self._closed.append(self._active)
            self._active = None

    async def settle(self) -> None:
        """Return when everything handed over so far is on disk or refused."""
        while self._writer is not None:
            await asyncio.wait([self._writer])

    async def oldest(self) -> Segment | None:
        """Return the segment to be replayed next, None if there is none; nothing more is appended to it."""
        if not self._closed:
            # The writing thread alone touches the active one.
            await asyncio.get_running_loop().run_in_executor(self._thread, self._close_active)
        return self._closed[0] if self._closed else None

    def remove_oldest(self) -> None:
        """Delete the segment that ``oldest`` has returned."""
        segment = self._closed.popleft()
        self._bytes -= segment.size
        segment.remove()

    def close(self) -> None:
        """Let go of the files; what is in them is there for the next that starts."""
        self._thread.shutdown()
        self._close_active()
        for segment in self._closed:
            os.close(segment.descriptor)
        self._closed.clear()


def _create(folder: Path) -> Segment:
    path = folder / f"{time.time_ns():020d}-{os.getpid()}{_SUFFIX}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _sync_folder(folder)
    except OSError:
        os.close(descriptor)
        raise
    return Segment(path, descriptor, 0)


def _sync_folder(folder: Path) -> None:
    """Make the names of its files last."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _adopt(path: Path) -> Segment | None:
    """Return a segment that nobody else has, None if somebody has, or has just replayed it."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    stat = os.fstat(descriptor)
    if not stat.st_nlink:
        os.close(descriptor)
        return None
    return Segment(path, descriptor, stat.st_size)


def _write_all(descriptor: int, content: bytes, at: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(descriptor, view, at)
        view, at = view[written:], at + written

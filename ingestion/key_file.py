"""The file that holds the write keys: written whole by `tidemark keys`, looked at again by the door when it changes."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from ingestion.keys import Key, KeyRing

#: Its name in the door's folder.
KEYS_FILE = "keys.json"

_decode = msgspec.json.Decoder(list[Key]).decode


class KeyFileError(Exception):
    """The file cannot be read or is none; the text names it."""


def read_keys(path: Path) -> list[Key]:
    """Return the keys in the file, none if it is not there. Raises KeyFileError."""
    try:
        return _decode(path.read_bytes())
    except FileNotFoundError:
        return []
    except (OSError, msgspec.DecodeError) as error:
        raise KeyFileError(f"{path}: expected the write keys, got: {error}") from None


@contextmanager
def changing(path: Path) -> Iterator[list[Key]]:
    """Hand out the keys to be changed in place; they are on disk, whole, when the context ends without an error.

    One at a time: others wait. Raises KeyFileError, OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        keys = read_keys(path)
        yield keys
        _write(path, keys)


def _write(path: Path, keys: list[Key]) -> None:
    beside = path.with_suffix(".new")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(keys)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    beside.rename(path)


class KeyFile:
    """The door's view of the file. ``ring`` holds what ``look`` found last."""

    def __init__(self, path: Path, *, required: bool) -> None:
        self._path = path
        self._required = required
        self._seen: tuple[int, int] | None = None
        self.ring = KeyRing([], required=required)

    def knows(self, site: str) -> bool:
        """Say whether the site has, or had, a key."""
        return self.ring.knows(site)

    def look(self) -> bool:
        """Read the file if it has changed; return whether it had. Raises KeyFileError, and keeps the keys it knew."""
        try:
            stat = self._path.stat()
            seen = (stat.st_mtime_ns, stat.st_ino)
        except FileNotFoundError:
            seen = None
        except OSError as error:
            raise KeyFileError(f"{self._path}: {error}") from None
        if seen == self._seen:
            return False
        self.ring = KeyRing(read_keys(self._path), required=self._required)
        self._seen = seen
        return True

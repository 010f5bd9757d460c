"""The states of the platform's parts, from the file `tidemark up` keeps, for the last line of `tidemark watch`."""

from pathlib import Path

import msgspec
from msgspec import Struct


class Part(Struct):
    """One part: its state is starting, up, restarting or stopped."""

    name: str
    state: str
    restarts: int = 0


def read_parts(path: Path) -> list[Part] | None:
    """Return the parts; None while the file is missing, unreadable or half written."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Part])
    except (OSError, msgspec.DecodeError):
        return None

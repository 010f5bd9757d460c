"""What a state writes down: entries that changed since the last checkpoint, and what it was made with."""

from collections.abc import Hashable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

#: The entry that every checkpoint has: where the state stands, and what it was made with.
META = b"meta"

#: Key → value; no value: the entry is over.
Changes = list[tuple[bytes, bytes | None]]
#: What a state depends on besides its log: its kind, its layout, the settings that it cannot change.
MadeWith = dict[str, int | str]


class StateError(Exception):
    """A checkpoint is of no use to this worker; the text says what was found and what was expected."""


class Contents(Struct, frozen=True):
    """What a checkpoint says of its state, for people: ``offset`` is the next record's, ``watermark`` in ms.

    ``windows`` are the open ones that hold something. None: not known yet, or not of this kind of state.
    """

    offset: int
    watermark: int | None
    windows: int
    visits: int | None = None
    ids: int | None = None


class _Header(Struct):
    made_with: MadeWith


def meta_of(entries: Mapping[bytes, bytes], expected: MadeWith) -> bytes:
    """Return the ``meta`` entry, a JSON object. Raises StateError if it is none, or was made with something else."""
    meta = entries.get(META)
    if meta is None:
        raise StateError(f"the checkpoint has {len(entries)} entries, but not the one that says where it stands")
    try:
        found = msgspec.json.decode(meta, type=_Header).made_with
    except msgspec.DecodeError as error:
        raise StateError(f"the checkpoint does not say what it was made with: {error}") from error
    if found != expected:
        differing = sorted(key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key))
        raise StateError(
            f"the checkpoint was made with {_named(found, differing)}, this worker has {_named(expected, differing)}; "
            "a change of these is a new topic and a cut-over"
        )
    return meta


def _named(made_with: MadeWith, keys: list[str]) -> str:
    return ", ".join(f"{key} {made_with.get(key, 'not given')}" for key in keys)


class Journal:
    """Which entries changed since the last checkpoint; each is encoded once, when it is taken.

    An entry that comes and goes between two checkpoints is never written.
    """

    def __init__(self) -> None:
        self._changed: dict[Hashable, Any] = {}
        self._written: set[Hashable] = set()

    def put(self, key: Hashable, value: Any) -> None:
        """Note an entry, as it will be when it is taken: ``value`` may go on changing."""
        self._changed[key] = value

    def drop(self, key: Hashable) -> None:
        """Note that an entry is over."""
        if key in self._written:
            self._changed[key] = None
        else:
            self._changed.pop(key, None)

    def known(self, key: Hashable) -> None:
        """Note that an entry is in the checkpoint already."""
        self._written.add(key)

    def take(self) -> Changes:
        """Return what changed since the last call, as JSON."""
        changed, self._changed = self._changed, {}
        changes: Changes = []
        for key, value in changed.items():
            changes.append((encode(key), None if value is None else encode(value)))
            if value is None:
                self._written.discard(key)
            else:
                self._written.add(key)
        return changes


encode = msgspec.json.Encoder().encode

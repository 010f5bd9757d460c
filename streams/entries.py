"""Entries of a state ⇄ records of a checkpoint: large values are cut into parts that a broker takes."""

from collections.abc import Iterator
from typing import TypeVar

Key = TypeVar("Key")

#: The most bytes of a value in one record.
PART_BYTES = 256 * 1024
#: A record's key is the number of its part, so many bytes, then the entry's key.
NUMBER_BYTES = 2


class Parts:
    """Knows how many records each large entry takes, so that one that shrinks or goes leaves no part behind."""

    def __init__(self) -> None:
        # Entries of one part are not in here.
        self._counts: dict[bytes, int] = {}

    def records(self, key: bytes, value: bytes | None) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield the records that write an entry, or, without a value, delete it."""
        before = self._counts.pop(key, 1)
        count = 0 if value is None else max(1, -(-len(value) // PART_BYTES))
        if count > 1:
            self._counts[key] = count
        for number in range(max(count, before)):
            part = value[number * PART_BYTES : (number + 1) * PART_BYTES] if value is not None else None
            yield record_key(key, number), part if number < count else None

    def expect(self, key: bytes, count: int) -> None:
        """Note that an entry takes so many records."""
        self._counts[key] = count


def record_key(key: bytes, number: int = 0) -> bytes:
    """Return the key of the record that holds an entry's part with this number."""
    return number.to_bytes(NUMBER_BYTES) + key


class Folded:
    """The entries that a checkpoint's records leave, the last one of each key counting."""

    def __init__(self) -> None:
        self._entries: dict[bytes, bytes] = {}
        self._more: dict[bytes, dict[int, bytes]] = {}

    def add(self, record_key: bytes, part: bytes | None) -> None:
        """Take the next record."""
        number, key = int.from_bytes(record_key[:NUMBER_BYTES]), record_key[NUMBER_BYTES:]
        if number:
            _put(self._more.setdefault(key, {}), number, part)
        else:
            _put(self._entries, key, part)

    def entries(self, parts: Parts) -> dict[bytes, bytes]:
        """Return the entries, and tell ``parts`` of the large ones."""
        for key, more in self._more.items():
            if more:
                parts.expect(key, 1 + len(more))
                self._entries[key] += b"".join(more[number] for number in sorted(more))
        return self._entries


def _put(parts: dict[Key, bytes], key: Key, part: bytes | None) -> None:
    if part is None:
        parts.pop(key, None)
    else:
        parts[key] = part

"""Records on their way to a topic, and how they lie in a file of the spool. Pure."""

import struct
import zlib
from collections.abc import Iterable

import msgspec

#: Topic (without prefix), key, value.
Record = tuple[str, bytes, bytes]

#: Length of what follows, and its CRC-32.
_HEAD = struct.Struct("<II")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Record).decode


def encode(records: Iterable[Record]) -> bytes:
    """Return the records as they lie in a file, one behind the other."""
    parts: list[bytes] = []
    for record in records:
        content = _encode(record)
        parts += (_HEAD.pack(len(content), zlib.crc32(content)), content)
    return b"".join(parts)


def decode(content: bytes) -> tuple[list[Record], int]:
    """Return the records of a file in their order, and how many bytes before the last of them are damaged.

    A torn tail is no damage: it is what a crash leaves of records that were never confirmed. Behind a record whose
    length can be believed the others are read.
    """
    records: list[Record] = []
    damaged, doubtful, at = 0, 0, 0
    while at + _HEAD.size <= len(content):
        length, crc = _HEAD.unpack_from(content, at)
        end = at + _HEAD.size + length
        if not length or end > len(content):
            break
        inner = content[at + _HEAD.size : end]
        if zlib.crc32(inner) == crc:
            records.append(_decode(inner))
            damaged, doubtful = damaged + doubtful, 0
        else:
            doubtful += end - at
        at = end
    return records, damaged

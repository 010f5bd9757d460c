"""From a request's body to the bytes of the single events in it: gzip, JSON arrays, NDJSON. Pure."""

import zlib

import msgspec

from ingestion.reasons import TOO_LARGE, FieldError, Rejected
from tidemark.events import UNDECODABLE

_WHITE = b" \t\r\n"
_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


def unpacked(body: bytes, encoding: bytes, limit: int) -> bytes:
    """Return the body without its Content-Encoding, gzip or none, at most ``limit`` bytes of it.

    Never makes more than that of it, whatever is in it. Raises Rejected.
    """
    if encoding in (b"", b"identity"):
        return body
    if encoding not in (b"gzip", b"x-gzip"):
        raise _undecodable("Content-Encoding", "gzip or none", encoding.decode("latin-1")[:100])
    parts: list[bytes] = []
    left = limit
    while body:  # a gzip file may have several members
        member = zlib.decompressobj(wbits=31)
        try:
            parts.append(member.decompress(body, left + 1))
        except zlib.error as error:
            raise _undecodable("body", "gzip", str(error)) from None
        left -= len(parts[-1])
        if left < 0:
            raise too_large(limit)
        if not member.eof:
            raise _undecodable("body", "gzip", "a part of it")
        body = member.unused_data
    return b"".join(parts)


def split(body: bytes, most: int) -> list[bytes]:
    """Return the events of a JSON array or of NDJSON (one event a line, empty lines are none), at most ``most``.

    Whether each of them is JSON, only its reader finds out, but in an array: there one that is none spoils all of it.
    Raises Rejected.
    """
    items = _split_array(body) if body.lstrip(_WHITE)[:1] == b"[" else _split_lines(body)
    if len(items) > most:
        raise Rejected(
            TOO_LARGE,
            f"Too many events: at most {most} in a request",
            (FieldError("body", f"at most {most} events", f"{len(items)}"),),
        )
    return items


def _split_lines(body: bytes) -> list[bytes]:
    return [line for line in body.split(b"\n") if line.strip(_WHITE)]


def _split_array(body: bytes) -> list[bytes]:
    try:
        body.decode()
        return [bytes(item) for item in _decode_array(body)]
    except RecursionError:
        raise _undecodable("body", "a JSON array of events", "too deep a nesting") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _undecodable("body", "a JSON array of events", str(error)) from None


def too_large(limit: int) -> Rejected:
    """Return the refusal of what has more than ``limit`` bytes."""
    return Rejected(
        TOO_LARGE, f"Too large: at most {limit} bytes", (FieldError("body", f"at most {limit} bytes", "more"),)
    )


def _undecodable(field: str, expected: str, got: str) -> Rejected:
    return Rejected(UNDECODABLE, f"{field}: expected {expected}, got {got}", (FieldError(field, expected, got),))

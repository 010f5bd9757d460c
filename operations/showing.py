"""Dead letters for people and for programs: tables, lines of JSON, a record's bytes made readable."""

from collections.abc import Mapping
from typing import Any

import msgspec
from rich.table import Column, Table
from rich.text import Text

from operations.letters import Copy, Place, Selection
from operations.rules import iso
from tidemark.events import DEFAULT_SITE, FUTURE_TIMESTAMP, INVALID_FIELD, LATE, REFUSED, UNDECODABLE
from tidemark.topics import EVENTS

EXPECTED = {
    UNDECODABLE: "strict UTF-8 JSON",
    INVALID_FIELD: "every needed field, and each known one of its type and size (docs/numbers.md, 1)",
    FUTURE_TIMESTAMP: "a timestamp at most 5 min ahead of the record's append time",
    LATE: "an event before the watermark reaches the end of its 5 s pane",
    REFUSED: "a record that the sink's store takes",
}
_HEX_WIDTH = 16


def table(selection: Selection) -> Table:
    """Return the kept letters, the newest first."""
    record = Column("record", overflow="fold")
    shown = Table("time (UTC)", "reason", record, "site", "visitor", "text", box=None, pad_edge=False)
    for copy in selection.newest_first():
        site, visitor = who(copy)
        text = plain(copy.letter.text)
        if copy.place in selection.redriven:
            text = f"→ sent again: {selection.redriven[copy.place]}; {text}"
        cells = (iso(copy.time)[:19].replace("T", " "), copy.letter.reason, copy.place.short, site, visitor, text)
        shown.add_row(*(Text(plain(cell or "")) for cell in cells))
    return shown


def totals(selection: Selection) -> str:
    """Return how many letters there are by reason, and how many of them are kept."""
    count, kept = selection.totals.total(), len(selection.newest_first())
    by_reason = ", ".join(f"{number:,} {reason}" for reason, number in selection.totals.most_common())
    shown = f"; the newest {kept:,} are shown" if kept < count else ""
    return f"{count:,} dead letters{': ' if count else ''}{by_reason}{shown}"


def row(copy: Copy, redriven: Mapping[Place, str]) -> dict[str, Any]:
    """Return a letter for programs: what is not known is left out, ``time`` in ms."""
    site, visitor = who(copy)
    fields = {
        "id": str(copy.place),
        "time": copy.time,
        "reason": copy.letter.reason,
        **copy.place._asdict(),
        "site": site,
        "visitor": visitor,
        "text": copy.letter.text,
        "redrivenTo": redriven.get(copy.place),
    }
    return {name: value for name, value in fields.items() if value is not None}


def details(copy: Copy, redriven_to: str | None, refusal: str | None) -> str:
    """Return everything about a letter, a line a field, and its record at the end."""
    site, visitor = who(copy)
    fields = {
        "record": str(copy.place),
        "reason": copy.letter.reason,
        "text": copy.letter.text,
        "expected": EXPECTED.get(copy.letter.reason),
        "written": iso(copy.time),
        "site": site,
        "visitor": visitor,
        "key": None if copy.key is None else _text(copy.key) or copy.key.hex(),
        "redrive": f"done: {redriven_to}" if redriven_to else refusal or "possible",
        "bytes": f"{len(copy.letter.record):,}",
    }
    lines = [f"{name:<10}{plain(value)}" for name, value in fields.items() if value]
    return "\n".join([*lines, "", readable(copy.letter.record)])


def who(copy: Copy) -> tuple[str | None, str | None]:
    """Return the record's site and visitor, as far as they can be told: an event's key is its visitor too."""
    content = _parsed(copy.letter.record)
    visitor = _first(content, "visitor", "userId", "sessionId")
    if copy.place.topic != EVENTS.name:
        return _first(content, "siteId"), visitor
    if visitor is None and copy.key:
        visitor = _text(copy.key)
    return _first(content, "siteId") or (DEFAULT_SITE if content else None), visitor


def _first(content: dict[str, Any], *names: str) -> str | None:
    return next((content[name] for name in names if isinstance(content.get(name), str) and content[name]), None)


def _parsed(record: bytes) -> dict[str, Any]:
    try:
        content = msgspec.json.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def readable(record: bytes) -> str:
    """Return JSON indented, other UTF-8 as it is, anything else in hexadecimal; control characters are escaped."""
    text = _text(record)
    if text is None:
        return _hexadecimal(record)
    try:
        return plain(msgspec.json.format(text, indent=2), "\n")
    except (msgspec.DecodeError, RecursionError):
        return plain(text, "\n\t")


def plain(text: str, kept: str = "") -> str:
    """Escape what a terminal would obey, but for ``kept``: the text is a visitor's."""
    return "".join(
        char if char.isprintable() or char in kept else char.encode("unicode_escape", "surrogatepass").decode()
        for char in text
    )


def _text(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def _hexadecimal(record: bytes) -> str:
    rows = (record[start : start + _HEX_WIDTH] for start in range(0, len(record), _HEX_WIDTH))
    return "\n".join(
        f"{number * _HEX_WIDTH:08x}  {row.hex(' '):<{3 * _HEX_WIDTH}} "
        + "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        for number, row in enumerate(rows)
    )

"""Texts into Flux, and rows out of the CSV that InfluxDB answers with. Pure."""

import csv
import re
from collections.abc import Iterator

_PLAIN = re.compile(r"[^A-Za-z0-9_\x80-\U0010ffff]")


class NoAnswerError(Exception):
    """InfluxDB has answered with something else than points; the text is what it said."""


def quoted(text: str) -> str:
    """Write any text as a Flux string that is that text: every ASCII character that could mean something is escaped."""
    return '"' + _PLAIN.sub(lambda match: f"\\x{ord(match[0]):02x}", text) + '"'


def rows(answer: str) -> Iterator[dict[str, str]]:
    """Yield the rows of all tables in an answer, each by the names of its columns. Raises NoAnswerError."""
    header: list[str] = []
    for row in csv.reader(answer.splitlines()):
        if "result" in row or "error" in row:
            header = row
        elif row and not row[0].startswith("#"):
            named = dict(zip(header, row, strict=True))
            if "error" in named:
                raise NoAnswerError(named["error"])
            yield named

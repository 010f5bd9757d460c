"""The table of ``tidemark access list``: each part's user and what it may do."""

from collections.abc import Iterable

from msgspec import Struct
from rich.table import Table

from tidemark.rights import RIGHTS, user_of
from tidemark.settings import Settings


class Row(Struct, frozen=True):
    """A right of a user, with names as they are on the servers; an * at a name's end: all that begin so."""

    part: str
    user: str
    operation: str
    kind: str
    name: str


def rights_rows(settings: Settings) -> list[Row]:
    """Return all rights, by part."""
    rows = []
    for part, rights in RIGHTS.items():
        user = settings.topic(user_of(part))
        for right in rights.kafka:
            name = settings.topic(right.name) + ("*" if right.begins else "")
            rows.append(Row(part, user, right.operation, right.kind, name))
        if rights.influxdb is not None:
            rows.append(Row(part, user, rights.influxdb.upper(), "bucket", settings.influxdb_bucket))
    return rows


def rights_table(rows: Iterable[Row]) -> Table:
    """Return the table, a user named once."""
    table = Table("part", "user", "may", "what", box=None)
    before = ""
    for row in rows:
        named = (row.part, row.user) if row.part != before else ("", "")
        table.add_row(*named, row.operation, f"{row.kind} {row.name}")
        before = row.part
    return table

"""A ledger as a table for people."""

from collections.abc import Iterator

from rich.table import Table

from operations.showing import plain
from tidemark.ledger import Ledger
from tidemark.times import iso


def rendered(ledger: Ledger) -> Table:
    """Return the ledger: what came to the door, what became of it, whether both sides add up."""
    whose = "all sites" if ledger.site is None else plain(ledger.site)
    table = Table(
        title=f"{whose}, since {iso(ledger.since)}",
        title_justify="left",
        box=None,
        padding=(0, 3, 0, 0),
        show_header=False,
    )
    for justify in ("left", "left", "right"):
        table.add_column(justify=justify)
    for where, what, events in _rows(ledger):
        table.add_row(where, what, f"{events:,}", style="bold" if where else "")
    table.caption = _verdict(ledger.difference)
    table.caption_justify = "left"
    return table


def _rows(ledger: Ledger) -> Iterator[tuple[str, str, int]]:
    door, streams = ledger.door, ledger.streams
    yield "at the door", "received", door.received
    yield "", "accepted", door.accepted
    yield "", "bot", door.bot
    yield from (("", f"rejected: {reason}", events) for reason, events in door.rejected.items())
    yield "in the streams", "received", streams.accepted + streams.duplicate + sum(streams.dead.values())
    yield "", "accepted", streams.accepted
    yield "", "duplicate", streams.duplicate
    yield from (("", f"dead letter: {reason}", events) for reason, events in streams.dead.items())


def _verdict(difference: int) -> str:
    if difference > 0:
        return f"{difference:,} are on their way to the streams"
    if difference < 0:
        return f"{-difference:,} came to the streams otherwise than by an accepting answer of the door"
    return "both sides add up"

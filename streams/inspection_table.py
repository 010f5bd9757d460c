"""The reports of ``tidemark streams inspect`` as tables for people: the source partitions, then the merge's."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import RenderableType
from rich.table import Table

from streams.inspection import PartitionReport
from tidemark.times import iso

#: A terminal of fewer columns gets no watermarks: how far they are behind says the same.
WATERMARK_COLUMNS = 124

_COLUMNS = "#", "Log end", "Committed", "Offset", "Lag", "Behind", "Windows", "Visits", "Ids", "Age", "Size", "Entries"
_NONE = "–"


def tables(reports: Sequence[PartitionReport], columns: int) -> Iterator[RenderableType]:
    """Yield a table for each topic, as wide as ``columns`` allow, and why checkpoints would be refused."""
    for topic, rows in groupby(reports, key=lambda report: report.topic):
        of_topic = list(rows)
        yield _table(topic, of_topic, with_watermark=columns >= WATERMARK_COLUMNS)
        yield from sorted({f"refused: {report.problem}" for report in of_topic if report.problem is not None})


def _table(topic: str, reports: Sequence[PartitionReport], *, with_watermark: bool) -> Table:
    table = Table(title=topic, title_justify="left", box=None, padding=(0, 1, 0, 0))
    for name in _COLUMNS:
        table.add_column(name, justify="right")
    if with_watermark:
        table.add_column("Watermark")
    for report in reports:
        table.add_row(*_cells(report), *([_watermark(report)] if with_watermark else []))
    return table


def _cells(report: PartitionReport) -> Sequence[str]:
    has_none = report.checkpoint_age_seconds is None
    return (
        str(report.partition),
        _count(report.log_end),
        _count(report.committed),
        _count(report.offset),
        _count(report.lag),
        _seconds(report.behind_seconds),
        _count(report.open_windows),
        _count(report.open_visits),
        _count(report.remembered_ids),
        "no checkpoint" if has_none else _seconds(report.checkpoint_age_seconds),
        _NONE if has_none else _size(report.checkpoint_bytes),
        _NONE if has_none else _count(report.checkpoint_entries),
    )


def _watermark(report: PartitionReport) -> str:
    if report.problem is not None:
        return "refused"
    return _NONE if report.watermark is None else iso(report.watermark)


def _count(count: int | None) -> str:
    return _NONE if count is None else f"{count:,}"


def _seconds(seconds: float | None) -> str:
    return _NONE if seconds is None else f"{seconds:,.1f} s"


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1_000:
            return f"{count:.3g} {unit}"
        count /= 1_000
    return f"{count:.3g} GB"

"""The picture `tidemark watch` shows: from what it knows to rows of a terminal, wide or narrow. Pure: time comes in."""

from collections.abc import Iterable, Sequence
from itertools import islice

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tidemark.results import GEOGRAPHIC_DISTRIBUTION, POPULAR_CONTENT, TUMBLING_METRICS, Alert, Dimension
from websocket_gateway.parts import Part
from websocket_gateway.watched import POINTS, Metric, Watched
from websocket_gateway.wording import NUMBERS, change, clock, harmless, number, sparkline, status

#: From these widths on there is room for the lists beside the numbers, for sparklines, for changes.
WIDE, MEDIUM, SMALL = 126, 80, 48
LIST_ROWS = 10
MIN_LIST_ROWS, MIN_ALERT_ROWS = 3, 3
#: A table's heading and its rule, and the empty line after it.
FRAME = 3
_LISTS = {POPULAR_CONTENT: ("Popular content", "views"), GEOGRAPHIC_DISTRIBUTION: ("Country", "visitors")}
_STATUS_STYLES = {"live": "green", "waiting": "yellow", "stale": "yellow", "broken": "red"}
_PART_STYLES = {"up": "green", "starting": "yellow", "restarting": "yellow", "stopped": "red"}


def render(watched: Watched, parts: Sequence[Part] | None, now: int, width: int, height: int) -> RenderableType:
    """Draw everything for a terminal of this size; ``now`` is this machine's clock (ms); ``parts`` None: no footer.

    What does not fit is left out: lists and alerts get shorter, then go.
    """
    footer = [] if parts is None else [*_addresses(watched, width), _parts_line(parts)]
    free = height - 2 - len(footer)
    numbers: RenderableType = _numbers(watched, width)
    if width >= WIDE:
        rows = min(LIST_ROWS, free - FRAME)
        body: list[RenderableType] = [_beside(numbers, _lists(watched, rows))]
        free -= max(rows, len(NUMBERS)) + FRAME
    else:
        free -= len(NUMBERS) + FRAME
        rows = min(LIST_ROWS, free - 2 * FRAME - MIN_ALERT_ROWS)
        body = [numbers, Text()]
        if rows >= MIN_LIST_ROWS:
            body, free = [*body, _lists(watched, rows)], free - rows - FRAME
    alerts: list[RenderableType] = [Text(), _alerts(watched, free - FRAME)] if free > FRAME else []
    return Group(_status_line(watched, now), Text(), *body, *alerts, *footer)


def _status_line(watched: Watched, now: int) -> Text:
    kind, text = status(watched, now)
    line = Text("tidemark ", style="bold", no_wrap=True, overflow="ellipsis")
    line.append(harmless(watched.site), "cyan")
    return line.append("  ● ", _STATUS_STYLES[kind]).append(harmless(text), f"not bold {_STATUS_STYLES[kind]}")


def _numbers(watched: Watched, width: int) -> Table:
    table = _table(expand=False)
    table.add_column("Metric", no_wrap=True)
    table.add_column("Now", justify="right", style="dim", no_wrap=True)
    table.add_column("Last", justify="right", style="bold", no_wrap=True)
    if width >= SMALL:
        table.add_column("Change", justify="right", no_wrap=True)
    if width >= MEDIUM:
        table.add_column("Last 20 windows", no_wrap=True, style="cyan", min_width=POINTS)
    for name, label in NUMBERS.items():
        seconds = "5 s" if name in TUMBLING_METRICS else "60 s"
        shown = Text.assemble(label, (f" {seconds}", "dim")) if width >= SMALL else Text(label)
        table.add_row(shown, *_number_row(name, watched.metrics[name])[: len(table.columns) - 1])
    return table


def _number_row(name: str, metric: Metric) -> list[Text]:
    values = [point.value for point in metric.points]
    before, last = ([None, None, *values])[-2:]
    moved = change(before, last)
    current = metric.current if isinstance(metric.current, float) else None
    return [
        Text(number(name, current)),
        Text(number(name, last)),
        Text(moved, style={"▲": "green", "▼": "red"}.get(moved[:1], "dim")),
        Text(sparkline(values)),
    ]


def _lists(watched: Watched, rows: int) -> Table:
    """The two lists side by side."""
    grid = Table.grid(expand=True, padding=(0, 2, 0, 0))
    grid.add_column(ratio=3)
    grid.add_column(ratio=2)
    grid.add_row(*(_list(watched.metrics[name], *_LISTS[name], rows) for name in _LISTS))
    return grid


def _list(metric: Metric, title: str, unit: str, rows: int) -> Table:
    table = _table(expand=True)
    table.add_column(title, no_wrap=True, overflow="ellipsis", ratio=1, min_width=len(title))
    table.add_column(unit, justify="right", no_wrap=True)
    last = metric.last
    dimensions: Iterable[Dimension] = last.dimensions or () if last is not None else ()
    for dimension in islice(dimensions, rows):
        table.add_row(Text(harmless(dimension.key)), Text(f"{dimension.value:,}"))
    if not table.rows:
        table.add_row(Text("none yet", style="dim"), "")
    return table


def _beside(numbers: RenderableType, lists: RenderableType) -> Table:
    grid = Table.grid(expand=True, padding=(0, 3, 0, 0))
    grid.add_column()
    grid.add_column(ratio=1)
    grid.add_row(numbers, lists)
    return grid


def _alerts(watched: Watched, rows: int) -> Table:
    """The newest alerts, the newest first."""
    table = _table(expand=True)
    table.add_column("Alerts", no_wrap=True, min_width=8)
    table.add_column("", ratio=1, no_wrap=True, overflow="ellipsis")
    for alert in islice(reversed(watched.alerts), rows):
        table.add_row(Text(clock(alert.timestamp), style="dim"), alert_text(alert))
    if not watched.alerts:
        table.add_row(Text("none yet", style="dim"), "")
    return table


def alert_text(alert: Alert) -> Text:
    """Write an alert on one line."""
    text = Text(harmless(alert.severity), style="yellow", no_wrap=True, overflow="ellipsis")
    return text.append(f" {harmless(alert.title)}: {harmless(alert.description)}", "default")


def _parts_line(parts: Sequence[Part]) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    for part in parts:
        line.append("● ", _PART_STYLES.get(part.state, "dim")).append(harmless(part.name))
        if part.state != "up":
            line.append(f" {harmless(part.state)}", _PART_STYLES.get(part.state, "dim"))
        if part.restarts:
            line.append(f" ↻{part.restarts}", "dim")
        line.append("  ")
    return line if parts else line.append("parts: not known", "dim")


def _addresses(watched: Watched, width: int) -> list[Text]:
    """Write the addresses side by side; one that does not fit into its line begins another: all are to be read."""
    lines: list[Text] = []
    for name, address in [("dashboard", watched.page), *watched.others]:
        one = Text.assemble((f"{name} ", "dim"), (harmless(address), "cyan"), no_wrap=True, overflow="ellipsis")
        if lines and len(lines[-1]) + 2 + len(one) <= width:
            lines[-1].append("  ").append_text(one)
        else:
            lines.append(one)
    return lines


def _table(*, expand: bool) -> Table:
    return Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, expand=expand, header_style="dim")

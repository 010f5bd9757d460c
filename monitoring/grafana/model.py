"""What a dashboard is made of: rows of panels, each with its queries and how their answers are shown."""

from typing import Literal

from msgspec import Struct

#: Grafana's grid is so many columns wide.
COLUMNS = 24

Kind = Literal["timeseries", "stat", "bargauge", "table", "state-timeline"]
#: Grafana's names; percent is of 0 to 100, percentunit of 0 to 1, cpm is a minute, ops and reqps are a second.
Unit = Literal["s", "ms", "bytes", "Bps", "ops", "reqps", "cpm", "percent", "percentunit", "short", "string"]


class PromQL(Struct, frozen=True):
    """A query for Prometheus; ``legend`` may have labels in it: ``{{stage}}``. ``instant``: only the newest value."""

    text: str
    legend: str = ""
    instant: bool = False


class Flux(Struct, frozen=True):
    """A query for InfluxDB."""

    text: str


class Threshold(Struct, frozen=True):
    """From this value on, in the panel's unit, it is shown in this colour."""

    value: float
    colour: str


class Panel(Struct, frozen=True, kw_only=True):
    """One panel; ``width`` and ``height`` are in cells of Grafana's grid, ``minimum`` and ``maximum`` of its scale.

    ``label``: a series is called what this label of it says, for Flux, whose queries have no legend. ``texts``: a value
    with the text and colour that are shown for it. ``empty`` is shown where there is nothing. All queries are of one
    language.
    """

    title: str
    description: str
    unit: Unit
    queries: tuple[PromQL | Flux, ...]
    kind: Kind = "timeseries"
    width: int = 8
    height: int = 8
    thresholds: tuple[Threshold, ...] = ()
    minimum: float | None = 0
    maximum: float | None = None
    stacked: bool = False
    label: str | None = None
    texts: tuple[tuple[str, str, str], ...] = ()
    empty: str | None = None


class Row(Struct, frozen=True):
    """Panels under a heading, from left to right."""

    title: str
    panels: tuple[Panel, ...]


class Dashboard(Struct, frozen=True):
    """One dashboard; ``name`` is its file's and the end of its address, ``minutes`` how far back it looks at first."""

    name: str
    title: str
    description: str
    rows: tuple[Row, ...]
    minutes: int = 30

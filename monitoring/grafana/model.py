"""What a dashboard is made of: rows of panels, each with its queries and how their answers are shown."""

from typing import Literal

from msgspec import Struct

#: Grafana's grid is so many columns wide.
COLUMNS = 24

Kind = Literal["timeseries", "stat", "bargauge", "table", "state-timeline"]


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
    """One panel; ``unit`` is one of Grafana's names, ``width`` and ``height`` are in cells of its grid.

    ``label`` names a series by one of its labels, for Flux, whose queries have no legend. ``texts`` are shown instead
    of these values.
    """

    title: str
    description: str
    unit: str
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

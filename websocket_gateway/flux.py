"""From a history request to Flux, and from InfluxDB's CSV to points. Pure."""

from datetime import datetime

from tidemark.flux import quoted, rows
from tidemark.results import RATES
from tidemark.tags import kept_in_tag
from websocket_gateway.protocol import WIRE_NAMES, Point

_TO_WIRE = {name: wire for wire, name in WIRE_NAMES.items()}


def history_query(bucket: str, site: str, metrics: frozenset[str], minutes: int) -> str:
    """Return the query for a site's finals of the last minutes; of metrics that are one number."""
    measurements = " or ".join(f"r._measurement == {quoted(metric)}" for metric in sorted(metrics))
    return (
        f"from(bucket: {quoted(bucket)})\n"
        f"  |> range(start: -{minutes}m)\n"
        f'  |> filter(fn: (r) => r.site == {quoted(kept_in_tag(site))} and r._field == "value" and ({measurements}))\n'
        '  |> keep(columns: ["_time", "_measurement", "_value"])\n'
        '  |> group(columns: ["_measurement"])\n'
        '  |> sort(columns: ["_time"])\n'
    )


def read_points(answer: str, metrics: frozenset[str]) -> dict[str, list[Point]]:
    """Return each metric's points, oldest first, by its name on the wire; rates as fractions. Raises NoAnswerError."""
    points: dict[str, list[Point]] = {wire: [] for wire, metric in WIRE_NAMES.items() if metric in metrics}
    for row in rows(answer):
        metric = row["_measurement"]
        points[_TO_WIRE[metric]].append(_point(metric, row["_time"], float(row["_value"])))
    return points


def _point(metric: str, time: str, value: float) -> Point:
    end = round(datetime.fromisoformat(time).timestamp() * 1000)
    return Point(window_end=end, value=round(value / 100, 6) if metric in RATES else value, final=True)

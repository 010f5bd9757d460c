"""From a history request to Flux, and from InfluxDB's CSV to points. Pure."""

import csv
import re
from datetime import datetime

from tidemark.results import RATES
from tidemark.tags import kept_in_tag
from websocket_gateway.protocol import WIRE_NAMES, Point

_PLAIN = re.compile(r"[^A-Za-z0-9_\x80-\U0010ffff]")
_TO_WIRE = {name: wire for wire, name in WIRE_NAMES.items()}


class NoAnswerError(Exception):
    """InfluxDB has answered with something else than points; the text is what it said."""


def quoted(text: str) -> str:
    """Write any text as a Flux string that is that text: every ASCII character that could mean something is escaped."""
    return '"' + _PLAIN.sub(lambda match: f"\\x{ord(match[0]):02x}", text) + '"'


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
    header: list[str] = []
    for row in csv.reader(answer.splitlines()):
        if "_time" in row or "error" in row:
            header = row
        elif row and not row[0].startswith("#"):
            point = dict(zip(header, row, strict=True))
            if "error" in point:
                raise NoAnswerError(point["error"])
            metric = point["_measurement"]
            points[_TO_WIRE[metric]].append(_point(metric, point["_time"], float(point["_value"])))
    return points


def _point(metric: str, time: str, value: float) -> Point:
    end = round(datetime.fromisoformat(time).timestamp() * 1000)
    return Point(window_end=end, value=round(value / 100, 6) if metric in RATES else value, final=True)

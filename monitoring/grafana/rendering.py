"""From a dashboard to the JSON that Grafana reads. Pure: the same dashboard is the same text."""

from collections.abc import Iterator
from typing import Any

import msgspec

from monitoring.grafana import flux
from monitoring.grafana.model import COLUMNS, Dashboard, Flux, Panel, PromQL

#: Of the dashboard's own format: Grafana brings an older one up to date by itself.
SCHEMA = 41
TAG = "tidemark"
PROMETHEUS = {"type": "prometheus", "uid": "${prometheus}"}
INFLUXDB = {"type": "influxdb", "uid": "${influxdb}"}

_DRAWN = {"lineWidth": 1, "fillOpacity": 10, "showPoints": "auto", "spanNulls": False}
_HEADING_HEIGHT = 1
_ON_TIME_RANGE_CHANGE = 2


def render(dashboard: Dashboard) -> str:
    """Return a dashboard's JSON, with the variables that its queries need."""
    content = {
        "uid": f"{TAG}-{dashboard.name}",
        "title": f"Tidemark: {dashboard.title}",
        "description": dashboard.description,
        "tags": [TAG],
        "editable": False,
        "graphTooltip": 1,
        "links": [{"type": "dashboards", "title": "Tidemark", "tags": [TAG], "asDropdown": False, "keepTime": True}],
        "panels": list(_panels(dashboard)),
        "refresh": "10s",
        "schemaVersion": SCHEMA,
        "templating": {"list": _variables(dashboard)},
        "time": {"from": f"now-{dashboard.minutes}m", "to": "now"},
        "timezone": "browser",
    }
    return msgspec.json.format(msgspec.json.encode(content)).decode() + "\n"


def _panels(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    number, top = 0, 0
    for row in dashboard.rows:
        number += 1
        place = {"x": 0, "y": top, "w": COLUMNS, "h": _HEADING_HEIGHT}
        yield {"id": number, "type": "row", "title": row.title, "collapsed": False, "panels": [], "gridPos": place}
        left, top, height = 0, top + _HEADING_HEIGHT, 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                left, top, height = 0, top + height, 0
            number += 1
            yield _panel(panel, number, {"x": left, "y": top, "w": panel.width, "h": panel.height})
            left, height = left + panel.width, max(height, panel.height)
        top += height


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": PROMETHEUS if isinstance(panel.queries[0], PromQL) else INFLUXDB,
        "gridPos": place,
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
        "targets": [_target(query, chr(ord("A") + place)) for place, query in enumerate(panel.queries)],
    }


def _target(query: PromQL | Flux, letter: str) -> dict[str, Any]:
    if isinstance(query, Flux):
        return {"refId": letter, "datasource": INFLUXDB, "query": query.text}
    return {
        "refId": letter,
        "datasource": PROMETHEUS,
        "expr": query.text,
        "legendFormat": query.legend or "__auto",
        "instant": query.instant,
        "range": not query.instant,
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    steps = [{"color": "green", "value": None}, *({"color": t.colour, "value": t.value} for t in panel.thresholds)]
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
        "thresholds": {"mode": "absolute", "steps": steps},
    }
    optional = {
        "min": panel.minimum,
        "max": panel.maximum,
        "noValue": panel.empty,
        "displayName": panel.label and f"${{__field.labels.{panel.label}}}",
        "mappings": [
            {"type": "value", "options": {value: {"text": text, "color": colour}}}
            for value, text, colour in panel.texts
        ]
        or None,
        "custom": _custom(panel) or None,
    }
    return defaults | {name: value for name, value in optional.items() if value is not None}


def _custom(panel: Panel) -> dict[str, Any]:
    if panel.kind != "timeseries":
        return {}
    stacking = {"stacking": {"mode": "normal", "group": "A"}, "fillOpacity": 40} if panel.stacked else {}
    line = {"thresholdsStyle": {"mode": "line"}} if panel.thresholds else {}
    return _DRAWN | stacking | line


def _options(panel: Panel) -> dict[str, Any]:
    # Bars of Flux: one a row of its table.
    rows = panel.kind == "bargauge" and isinstance(panel.queries[0], Flux)
    reduced = {"reduceOptions": {"calcs": ["lastNotNull"], "values": rows}}
    options: dict[str, dict[str, Any]] = {
        "timeseries": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "stat": reduced | {"colorMode": "value", "graphMode": "area", "textMode": "auto"},
        "bargauge": reduced | {"displayMode": "basic", "orientation": "horizontal"},
        "table": {"showHeader": True},
        "state-timeline": {"mergeValues": True, "showValue": "never", "rowHeight": 0.8},
    }
    return options[panel.kind]


def _variables(dashboard: Dashboard) -> list[dict[str, Any]]:
    asked = {type(query) for row in dashboard.rows for panel in row.panels for query in panel.queries}
    variables: list[dict[str, Any]] = []
    if PromQL in asked:
        variables += [
            _source("prometheus", "Prometheus"),
            _choice("job", "Job", PROMETHEUS, "label_values(up, job)", ".+"),
            _choice("instance", "Instance", PROMETHEUS, 'label_values(up{job=~"$job"}, instance)', ".+"),
        ]
    if Flux in asked:
        variables += [_source("influxdb", "InfluxDB"), _choice("site", "Site", INFLUXDB, flux.SITES, ".*")]
    return variables


def _source(kind: str, label: str) -> dict[str, Any]:
    return {"name": kind, "label": label, "type": "datasource", "query": kind, "current": {}, "hide": 0}


def _choice(name: str, label: str, source: dict[str, str], query: str, everything: str) -> dict[str, Any]:
    asked = {"query": query, "refId": name} if source is PROMETHEUS else query
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": source,
        "query": asked,
        "refresh": _ON_TIME_RANGE_CHANGE,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": everything,
        "current": {"text": "All", "value": "$__all"},
    }

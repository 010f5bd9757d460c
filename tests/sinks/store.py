"""What InfluxDB holds, read back from the real server."""

import json
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from influxdb_client.client.influxdb_client import InfluxDBClient

from tidemark.settings import Settings

Row = dict[str, Any]
_NOT_POINTS = frozenset({"result", "table", "_start", "_stop", "_time"})


def rows(settings: Settings, measurement: str) -> list[Row]:
    """Return a measurement's points by Flux: tags, fields, ``_measurement`` and ``ns``, the time in nanoseconds."""
    flux = f"""
        from(bucket: {json.dumps(settings.influxdb_bucket)})
            |> range(start: -1d, stop: 1h)
            |> filter(fn: (r) => r._measurement == {json.dumps(measurement)})
            |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
            |> map(fn: (r) => ({{r with ns: int(v: r._time)}}))
    """
    with InfluxDBClient(
        settings.influxdb_url, settings.influxdb_token.get_secret_value(), org=settings.influxdb_org
    ) as client:
        records = [record for table in client.query_api().query(flux) for record in table.records]
    return [
        {name: value for name, value in record.values.items() if name not in _NOT_POINTS and value is not None}
        for record in records
    ]


def exact_rows(settings: Settings, statement: str) -> list[Row]:
    """Return the rows of an InfluxQL statement, as JSON: unlike Flux's CSV it keeps every character as it is."""
    query = urlencode({"db": settings.influxdb_bucket, "epoch": "ns", "q": statement})
    request = Request(f"{settings.influxdb_url}/query?{query}")
    request.add_header("Authorization", f"Token {settings.influxdb_token.get_secret_value()}")
    with urlopen(request, timeout=30) as reply:
        (result,) = json.load(reply)["results"]
    assert "error" not in result, result
    return [
        dict(zip(series["columns"], values, strict=True))
        for series in result.get("series", [])
        for values in series["values"]
    ]


def points(settings: Settings, measurement: str, field: str) -> int:
    """Return how many points of a measurement have a field."""
    found = exact_rows(settings, f'SELECT count("{field}") AS n FROM "{measurement}"')
    return int(found[0]["n"]) if found else 0

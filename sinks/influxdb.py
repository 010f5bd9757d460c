"""Points from a sink to InfluxDB, in batches; tells the points it refuses from a server that cannot take any."""

import msgspec
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from monitoring.metrics import SINK_BATCH_SECONDS, SINK_BATCHES, SINK_POINTS
from sinks.batch import BATCH_POINTS, Point, Rejected, UnavailableError
from tidemark.events import REFUSED

#: One request takes no longer, so that a SIGTERM and a rebalance wait no longer either.
TIMEOUT_MS = 5_000

_REFUSED_STATUS = frozenset({400, 413, 422})
_HINTS = {
    401: "check TIDEMARK_INFLUXDB_TOKEN",
    403: "check what TIDEMARK_INFLUXDB_TOKEN may write",
    404: "check TIDEMARK_INFLUXDB_BUCKET and TIDEMARK_INFLUXDB_ORG",
}


class _RefusedError(Exception):
    """InfluxDB refused some of these points; the others of the same request may have been written."""


class PointWriter:
    """Writes points; writing the same ones again changes nothing, because the time of each is deterministic."""

    def __init__(self, client: InfluxDBClient, bucket: str) -> None:
        self._write_api = client.write_api(write_options=SYNCHRONOUS)
        self._bucket = bucket

    def write(self, points: list[Point]) -> list[Rejected]:
        """Write all points, ``BATCH_POINTS`` a request; return the records of those that InfluxDB refuses, once each.

        Raises UnavailableError when InfluxDB cannot take points; then any of them may have been written.
        """
        if not points:
            return []
        try:
            with SINK_BATCH_SECONDS.time():
                rejected = self._write(points)
        except UnavailableError:
            SINK_BATCHES.labels("unavailable").inc()
            raise
        SINK_BATCHES.labels("written").inc()
        return rejected

    def _write(self, points: list[Point]) -> list[Rejected]:
        rejected: dict[tuple[str, int, int], Rejected] = {}
        for start in range(0, len(points), BATCH_POINTS):
            for point, text in self._write_or_halve(points[start : start + BATCH_POINTS]):
                record = point.record
                rejected.setdefault(record[:3], Rejected(record, REFUSED, text))
        return list(rejected.values())

    def _write_or_halve(self, points: list[Point]) -> list[tuple[Point, str]]:
        try:
            self._post(points)
        except _RefusedError as refused:
            if len(points) == 1:
                return [(points[0], str(refused))]
            half = len(points) // 2
            return self._write_or_halve(points[:half]) + self._write_or_halve(points[half:])
        SINK_POINTS.inc(len(points))
        return []

    def _post(self, points: list[Point]) -> None:
        body = "\n".join([point.line for point in points]).encode()
        try:
            self._write_api.write(bucket=self._bucket, record=body)
        except ApiException as error:
            message = _server_message(error)
            if error.status in _REFUSED_STATUS:
                raise _RefusedError(message) from None
            hint = _HINTS.get(error.status)
            raise UnavailableError(f"{error.status} {message}" + (f" ({hint})" if hint else "")) from None
        except (HTTPError, OSError) as error:
            raise UnavailableError(str(error)) from None


def _server_message(error: ApiException) -> str:
    """Return what InfluxDB says: 2.x answers with ``message``, 1.8 with ``error``, a proxy with anything."""
    body = error.body or ""
    try:
        answer = msgspec.json.decode(body, type=dict[str, str])
    except msgspec.DecodeError:
        return body.strip() or str(error.reason)
    return answer.get("message") or answer.get("error") or body

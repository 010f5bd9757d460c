"""InfluxDB as all parts use it: the client's settings, and what two of them ask it for."""

from typing import Any

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from tidemark.flux import NoAnswerError, rows
from tidemark.ledger import Ledger, ledger, ledger_query
from tidemark.settings import Settings

#: So long does the bucket keep the history.
RETENTION_DAYS = 30


def influxdb_config(settings: Settings) -> dict[str, Any]:
    """Return what every client of InfluxDB starts from; it connects with its first request."""
    return {
        "url": settings.influxdb_url,
        "token": settings.influxdb_token.get_secret_value(),
        "org": settings.influxdb_org,
    }


def read_ledger(client: InfluxDBClient, bucket: str, site: str | None, since: int) -> Ledger:
    """Return a site's ledger from then on (ms), of all sites together if it is None. Raises NoAnswerError."""
    try:
        answer = client.query_api().query_raw(ledger_query(bucket, site, since))
        return ledger(site, since, rows(answer.data.decode()))
    except (ApiException, HTTPError, OSError) as error:
        raise NoAnswerError(str(error)) from None

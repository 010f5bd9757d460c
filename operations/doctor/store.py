"""Looks whether InfluxDB answers, of which version it is, what its token may see, and whether the bucket is there."""

import json
import re
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from http.client import HTTPException, InvalidURL
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.rest import ApiException

from operations.doctor.findings import Finding, ok, problem, warning
from tidemark.influxdb import RETENTION_DAYS, influxdb_config
from tidemark.settings import Settings

ANSWER_SECONDS = 3.0
#: Its clock is told to the second.
CLOCK_SECONDS = 2.0
_CREATE = "tidemark init, which makes what is missing, with an administrator's token"
_TOKEN = (
    "set TIDEMARK_INFLUXDB_TOKEN (1.8: user:password) to one that may read the bucket, such as the operator's of "
    "tidemark access create"
)
#: A right to write shows only by writing.
_READS = "may read the bucket; whether the sink's may write shows only by writing, see the lag of its group"
_NOT_IN_A_HEADER = re.compile(r"[^\t\x20-\x7e\x80-\xff]")
#: The sink asks no proxy either, whatever the environment says.
_direct = build_opener(ProxyHandler({}))


def store(settings: Settings) -> Iterator[Finding]:
    """Yield the server, its clock, the token's rights and the bucket; only the server if it does not answer."""
    shown = _without_user(settings.influxdb_url)
    try:
        with _direct.open(f"{settings.influxdb_url.rstrip('/')}/ping", timeout=ANSWER_SECONDS) as reply:
            version, date = reply.headers["X-Influxdb-Version"], reply.headers["Date"]
    except (InvalidURL, ValueError):  # their texts show the address, with a password in it
        found = f"TIDEMARK_INFLUXDB_URL is no address of a server; without a user it is {shown}"
        yield problem("influxdb", found, "set it to http://host:8086; user:password go into TIDEMARK_INFLUXDB_TOKEN")
        return
    except (OSError, HTTPException) as error:
        todo = "start it (here: tidemark stack up --detach) or set TIDEMARK_INFLUXDB_URL"
        yield problem("influxdb", f"no answer from {shown}: {getattr(error, 'reason', error)}", todo)
        return
    if version is None:
        yield problem("influxdb", f"what answers at {shown} is no InfluxDB", "set TIDEMARK_INFLUXDB_URL")
        return
    version = version.removeprefix("v")
    yield _version(version, shown)
    if date is not None:
        yield _clock(parsedate_to_datetime(date).timestamp() - time.time())
    yield from _bucket(settings, version)


def _without_user(url: str) -> str:
    """Return an address, right or wrong, without a user and password."""
    scheme, mark, rest = url.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}" if mark else url.rpartition("@")[2]


def _version(version: str, url: str) -> Finding:
    if version.startswith(("1.8", "2.")):
        return ok("influxdb", f"version {version} at {url}")
    return warning("influxdb", f"version {version} at {url}", "use InfluxDB 1.8 or 2.7, which Tidemark is made for")


def _clock(ahead: float) -> Finding:
    if abs(ahead) > CLOCK_SECONDS:
        which = "ahead of" if ahead > 0 else "behind"
        return warning(
            "clock, influxdb", f"its is {abs(ahead):,.0f} s {which} ours", "timedatectl status, here and there"
        )
    return ok("clock, influxdb", f"within {CLOCK_SECONDS:.0f} s of ours")


def _bucket(settings: Settings, version: str) -> Iterator[Finding]:
    # The clients' error would show it.
    if _NOT_IN_A_HEADER.search(settings.influxdb_token.get_secret_value()):
        yield problem("influxdb token", "holds characters that no header may have, an end of line perhaps", _TOKEN)
    else:
        yield from _bucket_of_2(settings) if version.startswith("2") else _bucket_of_1(settings)


def _bucket_of_1(settings: Settings) -> Iterator[Finding]:
    quoted = '"' + settings.influxdb_bucket.replace("\\", "\\\\").replace('"', '\\"') + '"'
    query = urlencode({"q": f"SHOW RETENTION POLICIES ON {quoted}"})
    request = Request(f"{settings.influxdb_url.rstrip('/')}/query?{query}")
    if token := settings.influxdb_token.get_secret_value():
        request.add_header("Authorization", f"Token {token}")
    try:
        with _direct.open(request, timeout=ANSWER_SECONDS) as reply:
            [answer] = json.load(reply)["results"]
    except HTTPError as error:
        yield problem("influxdb token", f"refused: {error.code} {error.reason}", _TOKEN)
        return
    yield ok("influxdb token", _READS)
    if "error" in answer:
        yield problem(f"bucket {settings.influxdb_bucket}", f"is not there: {answer['error']}", _CREATE)
        return
    [series] = answer["series"]
    policies = [dict(zip(series["columns"], values, strict=True)) for values in series.get("values", [])]
    kept = next((policy["duration"] for policy in policies if policy["default"]), None)
    yield _kept(settings.influxdb_bucket, None if kept is None else int(kept.partition("h")[0]) / 24)


def _bucket_of_2(settings: Settings) -> Iterator[Finding]:
    timeout_ms = int(ANSWER_SECONDS * 1_000)
    try:
        with InfluxDBClient(**influxdb_config(settings), timeout=timeout_ms, retries=False) as client:
            bucket = client.buckets_api().find_bucket_by_name(settings.influxdb_bucket)
    except ApiException as error:
        yield problem("influxdb token", f"refused: {error.status} {error.reason}", _TOKEN)
        return
    yield ok("influxdb token", _READS)
    if bucket is None:
        found = f"is not there, or the token may not see it in organisation {settings.influxdb_org}"
        yield problem(f"bucket {settings.influxdb_bucket}", found, _CREATE)
        return
    yield _kept(settings.influxdb_bucket, sum(rule.every_seconds for rule in bucket.retention_rules) / 86_400)


def _kept(bucket: str, days: float | None) -> Finding:
    if days is None:
        return problem(f"bucket {bucket}", "it has no default retention policy, so nothing can be written", _CREATE)
    if 0 < days < RETENTION_DAYS:
        todo = (
            f"if that is not wanted: influx bucket update --retention {RETENTION_DAYS}d, in 1.8 ALTER RETENTION POLICY"
        )
        return warning(f"bucket {bucket}", f"keeps {days:g} d, not {RETENTION_DAYS}: history ends sooner", todo)
    return ok(f"bucket {bucket}", f"keeps {days:g} d" if days else "keeps everything for ever")

"""Looks whether the parts that serve HTTP answer at the settings' ports."""

import ssl
from collections.abc import Iterator
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from operations.doctor.findings import Finding, failed, ok, warning
from tidemark.settings import Settings

ANSWER_SECONDS = 4.0
_MOST_CHARACTERS = 200


def parts(settings: Settings) -> Iterator[Finding]:
    """Yield a finding for the gateway, the door, and each /metrics that the settings have."""
    gateway = _url(settings.gateway_tls_certificate is not None, settings.gateway_host, settings.gateway_port)
    door = _url(settings.ingestion_tls_certificate is not None, settings.ingestion_host, settings.ingestion_port)
    yield _part("gateway", f"{gateway}/ready", "tidemark gateway")
    yield _part("ingestion", f"{door}/ready", "tidemark ingest")
    if settings.metrics_port:
        yield _metrics("metrics", settings.metrics_port, "TIDEMARK_METRICS_PORT")
    if settings.kafka_metrics_port is not None:
        yield _metrics("kafka metrics", settings.kafka_metrics_port, "TIDEMARK_KAFKA_METRICS_PORT")


def _url(tls: bool, host: str, port: int) -> str:
    return f"{'https' if tls else 'http'}://{host}:{port}"


def _part(check: str, url: str, start: str) -> Finding:
    try:
        return ok(check, f"{url}: {_line(_get(url))}")
    except HTTPError as error:
        return failed(check, f"{url}: {error.code} {_line(error.read())}", f"curl -i {url}; its log has more")
    except URLError as error:
        if isinstance(error.reason, ConnectionRefusedError):
            # It may run on another machine.
            return warning(check, f"nothing listens at {url}", f"{start}, unless it runs elsewhere")
        return failed(check, f"{url} does not answer: {error.reason}", f"restart it: {start}")
    except (OSError, ValueError) as error:
        return failed(check, f"{url} does not answer: {error}", f"restart it: {start}")


def _metrics(check: str, port: int, setting: str) -> Finding:
    url = f"http://127.0.0.1:{port}/metrics"
    try:
        return ok(check, f"{url}: {len(_get(url)):,} bytes")
    except (OSError, ValueError) as error:
        found = f"{url} does not answer: {getattr(error, 'reason', error)}"
        return warning(check, found, f"start the part that has {setting}={port}, unless it runs elsewhere")


def _get(url: str) -> bytes:
    # The certificate is for the name that clients use, which is not the address we ask.
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    with urlopen(url, timeout=ANSWER_SECONDS, context=unchecked) as reply:
        content: bytes = reply.read()
    return content


def _line(content: bytes) -> str:
    return " ".join(content.decode(errors="replace").split())[:_MOST_CHARACTERS]

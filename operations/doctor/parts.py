"""Looks whether the parts that serve HTTP answer at the settings' ports, and which parts tell which version here."""

import ssl
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from importlib.metadata import version
from urllib.error import HTTPError, URLError
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

from prometheus_client.parser import text_string_to_metric_families

from operations.doctor.findings import Finding, ok, problem, warning
from tidemark.settings import FIRST_METRICS_PORT, Settings

ANSWER_SECONDS = 3.0
_MOST_CHARACTERS = 200
_BUILD = "tidemark_build_info"
#: `tidemark up` has not more parts on one machine, with the twelve workers that have work.
_METRICS_PORTS = 20


def gateway(settings: Settings) -> Iterator[Finding]:
    """Yield whether the gateway is ready."""
    yield _part("gateway", f"{_gateway_url(settings)}/ready", "tidemark gateway")


def door(settings: Settings) -> Iterator[Finding]:
    """Yield whether the HTTP door is ready."""
    yield _part("ingestion", f"{_door_url(settings)}/ready", "tidemark ingest")


def versions(settings: Settings) -> Iterator[Finding]:
    """Yield whether all parts that tell their version here are of the one that is installed here."""
    check, own, builds = "versions", version("tidemark"), Counter(_builds(settings))
    names = [f"{part}{f' × {count}' if count > 1 else ''}" for (part, _), count in sorted(builds.items())]
    others = sorted(f"{part} {which}" for part, which in builds if which != own)
    if not builds:
        todo = f"start parts with TIDEMARK_METRICS_PORT, from {FIRST_METRICS_PORT} on, unless they run elsewhere"
        yield warning(check, "no part here tells its version", todo)
    elif others:
        found = f"this is {own}, but there is {', '.join(others)}"
        yield warning(check, found, "restart these parts, after an update all of them")
    else:
        yield ok(check, f"{', '.join(names)}: all {own}")


def broker_metrics(settings: Settings) -> Iterator[Finding]:
    """Yield whether a broker that is started here serves its metrics, if it is to."""
    if (port := settings.kafka_metrics_port) is None:
        return
    url = f"http://127.0.0.1:{port}/metrics"
    try:
        yield ok("kafka metrics", f"{url}: {len(_get(url)):,} bytes")
    except (OSError, ValueError, HTTPException) as error:
        found = f"{url} does not answer: {getattr(error, 'reason', error)}"
        todo = f"start the broker that has TIDEMARK_KAFKA_METRICS_PORT={port}, unless it runs elsewhere"
        yield warning("kafka metrics", found, todo)


def _gateway_url(settings: Settings) -> str:
    scheme = "http" if settings.gateway_tls_certificate is None else "https"
    return f"{scheme}://{settings.gateway_host}:{settings.gateway_port}"


def _door_url(settings: Settings) -> str:
    scheme = "http" if settings.ingestion_tls_certificate is None else "https"
    return f"{scheme}://{settings.ingestion_host}:{settings.ingestion_port}"


def _part(check: str, url: str, start: str) -> Finding:
    try:
        return ok(check, f"{url}: {_line(_get(url))}")
    except HTTPError as error:
        return problem(check, f"{url}: {error.code} {_line(error.read())}", f"curl -i {url}; its log has more")
    except URLError as error:
        if isinstance(error.reason, ConnectionRefusedError):
            # It may run on another machine.
            return warning(check, f"nothing listens at {url}", f"{start}, unless it runs elsewhere")
        return problem(check, f"{url} does not answer: {error.reason}", f"restart it: {start}")
    except (OSError, ValueError, HTTPException) as error:
        return problem(check, f"{url} does not answer: {error}", f"restart it: {start}")


def _builds(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield part and version of each process that tells them; the gateway and the door once, by their own ports."""
    first = settings.metrics_port or FIRST_METRICS_PORT
    urls = [_gateway_url(settings), _door_url(settings)]
    urls += [f"http://{settings.metrics_host}:{port}" for port in range(first, min(first + _METRICS_PORTS, 65_536))]
    with ThreadPoolExecutor(len(urls)) as pool:
        gateway, door, *others = pool.map(_build, urls)
    own = {build for build in (gateway, door) if build is not None}
    yield from own
    yield from (build for build in others if build is not None and build not in own)


def _build(url: str) -> tuple[str, str] | None:
    try:
        lines = _get(f"{url}/metrics").decode().splitlines()
    except (OSError, ValueError, HTTPException):
        return None
    told = "".join(f"{line}\n" for line in lines if line.startswith(_BUILD))
    labels = [sample.labels for family in text_string_to_metric_families(told) for sample in family.samples]
    return (labels[0]["part"], labels[0]["version"]) if labels else None


def _get(url: str) -> bytes:
    # The certificate is for the name that clients use, which is not the address we ask.
    unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    direct = build_opener(ProxyHandler({}), HTTPSHandler(context=unchecked))
    with direct.open(url, timeout=ANSWER_SECONDS) as reply:
        content: bytes = reply.read()
    return content


def _line(content: bytes) -> str:
    return " ".join(content.decode(errors="replace").split())[:_MOST_CHARACTERS]

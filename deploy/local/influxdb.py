"""InfluxDB on this machine: its configuration, its data folder, its health; and which version answers somewhere."""

import http.client
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from deploy.local.addresses import Address
from deploy.local.service import Service

#: A start takes a fifth less CPU time than with Go's defaults (it compiles Flux's library each time).
_GO = {"GOGC": "400", "GOMEMLIMIT": "512MiB"}

_CONFIG = """\
reporting-disabled = true
# Backup and restore: loopback, on a port the system picks unless INFLUXDB_BIND_ADDRESS names one.
bind-address = "127.0.0.1:0"

[meta]
  dir = "{data}/meta"

[data]
  dir = "{data}/data"
  wal-dir = "{data}/wal"
  index-version = "tsi1"
  query-log-enabled = false
  max-series-per-database = 0
  max-values-per-tag = 0

[monitor]
  store-enabled = false

[http]
  bind-address = "{address}"
  flux-enabled = true
  log-enabled = false
  pprof-enabled = false
  debug-pprof-enabled = false
"""


def influxdb_service(address: Address, program: Callable[[], Path], data: Path, run: Path, logs: Path) -> Service:
    """Return the service: InfluxDB 1.8 with Flux, the tsi1 index and no limits on series."""
    return Service(
        "influxdb",
        partial(_prepare, address, program, data / "influxdb", run / "influxdb"),
        partial(answers_as_influxdb, f"http://{address}"),
        run=run,
        log=logs / "influxdb.log",
        env=_GO,
    )


def _prepare(address: Address, program: Callable[[], Path], data: Path, run: Path) -> list[str]:
    run.mkdir(parents=True, exist_ok=True)
    config = run / "influxdb.conf"
    config.write_text(_CONFIG.format(data=data.absolute(), address=address))
    return [str(program() / "influxd"), "run", "-config", str(config)]


def answers_as_influxdb(url: str) -> bool:
    """Say whether an InfluxDB answers there."""
    return influxdb_version(url) is not None


def influxdb_version(url: str) -> str | None:
    """Return what an InfluxDB says its version is, e.g. ``1.8.10`` or ``2.7.12``; None when none answers there."""
    try:
        with urlopen(f"{url.rstrip('/')}/ping", timeout=2) as reply:
            version: str | None = reply.headers.get("X-Influxdb-Version")
    except (URLError, OSError, http.client.HTTPException):
        return None
    return version.removeprefix("v") if version is not None else None

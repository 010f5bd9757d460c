"""HTTP load from oha, a program of its own: as fast as the server answers, or at a fixed rate in an open loop."""

import os
import subprocess
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from benchmarks.own_stack import CACHE
from deploy.local.fetch import made_once

VERSION = "1.16.0"
#: The last core is the load's: a server that shares it is slowed down by who measures it.
CORE = (os.cpu_count() or 1) - 1


@dataclass(frozen=True)
class Answered:
    """What one load came to.

    ``accepted`` requests were answered with 200, ``refused`` with something else or not at all. ``rate`` is accepted
    requests a second; ``latencies`` are P50, P99 and the largest, in ms, at a fixed rate from when a request was due.
    """

    accepted: int
    refused: int
    rate: float
    latencies: tuple[float, float, float]


def oha() -> str:
    """Return the program; built by cargo if it is not in the cache."""
    target = CACHE.absolute() / f"oha-{VERSION}"
    return str(made_once(target, _build, f"building oha {VERSION} (5 minutes, once)", print) / "bin" / "oha")


def _build(folder: Path) -> None:
    subprocess.run(["cargo", "install", "--quiet", "--locked", "--root", folder, f"oha@{VERSION}"], check=True)


def post(url: str, bodies: Path, seconds: float, connections: int, rate: int | None = None) -> Answered:
    """POST the lines of a file, at random, for so long; ``rate`` requests a second, None: as they are answered."""
    command = [oha(), "--no-tui", "--output-format", "json", "--wait-ongoing-requests-after-deadline"]
    command += ["-z", f"{seconds:g}s", "-c", str(connections), "-m", "POST", "-T", "application/json"]
    command += [] if rate is None else ["-q", str(rate), "--latency-correction"]
    run = partial(subprocess.run, check=True, capture_output=True, preexec_fn=_to_its_core)
    told = msgspec.json.decode(run([*command, "-Z", str(bodies), url]).stdout)
    codes = told["statusCodeDistribution"]
    accepted = codes.get("200", 0)
    failed = sum(codes.values()) - accepted + sum(told["errorDistribution"].values())
    percentiles, summary = told["latencyPercentiles"], told["summary"]
    latencies = 1_000 * percentiles["p50"], 1_000 * percentiles["p99"], 1_000 * summary["slowest"]
    return Answered(accepted, failed, accepted / summary["total"], latencies)


def _to_its_core() -> None:
    os.sched_setaffinity(0, {CORE})

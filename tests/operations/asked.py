"""The doctor asked: by its command, or for its findings by check; and what its docs name."""

import re
import subprocess
import sys
from pathlib import Path

from pydantic import SecretStr

from deploy.local.addresses import free_ports
from operations.doctor.app import examine
from operations.doctor.findings import Finding
from tidemark.settings import Settings

DOCS = Path(__file__).parents[2] / "docs" / "doctor.md"
SECRET = "hush-hush"


def of_its_own(settings: Settings, folder: Path) -> Settings:
    changes = {
        "data_dir": folder,
        "gateway_port": free_ports(),
        "ingestion_port": free_ports(),
        "metrics_port": free_ports(20),
        "checkpoint_interval_ms": 500,
        "influxdb_token": SecretStr(f"admin:{SECRET}"),
    }
    return settings.model_copy(update=changes)


def nothing_is_missing(_: Settings) -> list[str]:
    return []


def by_check(settings: Settings) -> dict[str, Finding]:
    return {finding.check: finding for finding in examine(settings, nothing_is_missing).findings}


def command(settings: Settings, *options: str) -> "subprocess.CompletedProcess[str]":
    environment = settings.environment() | {"PYTHONPATH": ":".join(sys.path)}
    whole = [sys.executable, "-m", "tidemark", "doctor", *options]
    return subprocess.run(whole, env=environment, capture_output=True, text=True, timeout=60, check=False)


def documented() -> set[str]:
    """Return the checks that the table of the docs names."""
    rows = [line for line in DOCS.read_text().splitlines() if line.startswith("| `")]
    return {check for row in rows for check in re.findall(r"`(.+?)`", row.split("|")[1])}


def as_documented(check: str) -> str:
    """Return a check as the table names it: all topics alike, for instance."""
    return re.sub(r"^(topic|group|bucket) .+", r"\1 NAME", re.sub(r"broker \d+$", "broker ID", check))

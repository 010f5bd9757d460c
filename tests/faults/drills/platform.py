"""The whole platform under ``tidemark up --prometheus``, as shipped, on folders and ports of its own."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deploy.local.addresses import free_ports
from deploy.local.parts import state_path
from tests.conftest import CACHE, local_settings
from tests.support import wait
from tests.support.parts import Part, gone_afterwards
from tidemark.settings import Settings

#: Small limits, so that a laptop reaches them; everything else is as shipped.
LIMITS = {"gateway_max_connections": 20, "ingestion_spool_bytes": 4 * 1024 * 1024}
#: At most seven parts, and a broker.
PORTS = 8
STARTED_SECONDS = 180.0
STOP_SECONDS = 120.0
#: The disk's file takes only what is written to it.
DISK_BYTES = 8 * 1024**3


class Platform:
    """A running platform; what dies in it is started again. ``disk`` is where all its data is mounted, if it is."""

    def __init__(self, settings: Settings, folder: Path, disk: Path | None) -> None:
        self.settings = settings
        self.folder = folder
        self.disk = disk

    def pid(self, part: str) -> int:
        """Return the process id of a part or a server; raises KeyError while it has none."""
        pids: dict[str, int] = {state["name"]: state["pid"] for state in self._states() if state["pid"]}
        return pids[part]

    def is_up(self) -> bool:
        """Say whether all parts and servers are up."""
        states = self._states()
        # The live view comes last.
        return bool(states) and states[-1]["name"] == "watch" and all(state["state"] == "up" for state in states)

    def _states(self) -> list[dict[str, Any]]:
        path = state_path(self.settings)
        states: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
        return states


@contextmanager
def running_platform(folder: Path, disk: Path | None) -> Iterator[Platform]:
    """Start the platform and hand it out when all of it is up; afterwards it is gone."""
    platform = Platform(_settings((disk or folder) / "data"), folder, disk)
    with gone_afterwards(Part(platform.settings, folder / "up.log", "up", "--prometheus")) as part:
        try:
            part.wait_until(platform.is_up, STARTED_SECONDS)
            yield platform
        finally:
            part.stop(STOP_SECONDS)


def _settings(data: Path) -> Settings:
    data.mkdir()
    (data / "cache").symlink_to(CACHE)
    ports = free_ports(PORTS + 2)
    own = {"metrics_port": ports, "kafka_metrics_port": ports + PORTS - 1, "prometheus_port": ports + PORTS}
    return local_settings(data).model_copy(update=own | LIMITS)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount an empty disk in the folder, which only root may; afterwards it is gone."""
    image, mounted = folder / "disk.img", folder / "disk"
    with image.open("wb") as file:
        file.truncate(DISK_BYTES)
    mounted.mkdir()
    _run("mkfs.ext4", "-q", "-m", "0", image)
    _run("mount", "-o", "loop", image, mounted)
    try:
        yield mounted
    finally:
        wait.until(lambda: _is_unmounted(mounted), 30.0, f"{mounted} cannot be unmounted")
        image.unlink()


def _run(program: str, *arguments: str | Path) -> None:
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    assert found is not None, f"{program} is missing"
    subprocess.run([found, *arguments], check=True)


def _is_unmounted(folder: Path) -> bool:
    """Unmount it; a process that has just ended may hold it for a moment."""
    return subprocess.run(["umount", folder], check=False, capture_output=True).returncode == 0

"""Looks whether the data folder and the door's folder can be written, by us and by nobody else; by their modes."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from operations.doctor.findings import Finding, ok, problem, warning
from tidemark.settings import Settings

MIN_FREE_BYTES = 1024**3


def folders(settings: Settings) -> Iterator[Finding]:
    """Yield a finding for each folder."""
    yield _folder("data folder", settings.data_dir.absolute(), "TIDEMARK_DATA_DIR")
    yield _folder("door's folder", settings.ingestion_folder.absolute(), "TIDEMARK_INGESTION_DIR")


def _folder(check: str, folder: Path, setting: str) -> Finding:
    try:
        there = next(each for each in (folder, *folder.parents) if each.exists())
        mode, free = there.stat().st_mode, shutil.disk_usage(there).free
    except OSError as error:
        return problem(check, f"{folder} cannot be looked at: {error.strerror}", f"set {setting} to another folder")
    if not stat.S_ISDIR(mode):
        return problem(check, f"{there} is no folder", f"set {setting} to another folder")
    if not os.access(there, os.W_OK | os.X_OK):
        # Of what is above a missing folder, / perhaps, only the folder is to be ours.
        todo = f"sudo chown -R $(id -u) {folder}" if there == folder else f"sudo install -d -o $(id -u) {folder}"
        return problem(check, f"{there} may not be written by us", f"{todo}, or set {setting}")
    if there == folder and mode & stat.S_IWOTH:
        return warning(check, f"{folder} may be written by everyone", f"chmod o-w {folder}")
    if free < MIN_FREE_BYTES:
        return warning(
            check, f"{folder} has {free / 1024**3:.1f} GiB left", f"docs/runbooks/disk-filling.md: df -h {there}"
        )
    absent = "" if there == folder else ", to be made by the first who needs it"
    return ok(check, f"{folder}{absent}, {free / 1024**3:,.0f} GiB free")

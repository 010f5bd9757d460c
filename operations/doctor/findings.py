"""What a check has found, and what to do about it. Pure."""

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

Level = Literal["ok", "warning", "problem"]
_WORSE: tuple[Level, ...] = ("ok", "warning", "problem")


class Finding(Struct, frozen=True):
    """One thing that was looked at: ``found`` and ``todo`` are a line each; ``todo`` is empty if it is ok."""

    check: str
    level: Level
    found: str
    todo: str = ""


class Diagnosis(Struct, frozen=True):
    """All findings, in the order of the checks, and the worst of their levels."""

    level: Level
    findings: list[Finding]


def ok(check: str, found: str) -> Finding:
    """Return that it is as it should be."""
    return Finding(check, "ok", found)


def warning(check: str, found: str, todo: str) -> Finding:
    """Return what does no harm yet, or could not be seen."""
    return Finding(check, "warning", found, todo)


def problem(check: str, found: str, todo: str) -> Finding:
    """Return what keeps results from being made, right or in time."""
    return Finding(check, "problem", found, todo)


def diagnosis(findings: Iterable[Finding]) -> Diagnosis:
    """Return them with the worst of their levels."""
    found = list(findings)
    return Diagnosis(max((each.level for each in found), key=_WORSE.index, default="ok"), found)

"""A diagnosis as a table for people."""

from collections import Counter

from rich.table import Column, Table
from rich.text import Text

from operations.doctor.findings import Diagnosis, Level
from operations.showing import plain

_SHOWN: dict[Level, tuple[str, str]] = {
    "ok": ("✓ ok", "green"),
    "warning": ("! warning", "yellow"),
    "problem": ("✗ problem", "bold red"),
}


def table(diagnosis: Diagnosis) -> Table:
    """Return a row for each finding, and below it what to do where something is to be done."""
    counts = Counter(each.level for each in diagnosis.findings)
    shown = Table(Column(no_wrap=True), "check", Column("found", overflow="fold"), box=None, pad_edge=False)
    for finding in diagnosis.findings:
        text, style = _SHOWN[finding.level]
        shown.add_row(Text(text, style=style), Text(plain(finding.check)), Text(plain(finding.found)))
        if finding.todo:
            shown.add_row("", "", Text(f"→ {plain(finding.todo)}", style="bold"))
    shown.caption = ", ".join(f"{counts[level]} {level}" for level in _SHOWN)
    shown.caption_justify = "left"
    return shown

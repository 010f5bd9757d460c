"""The fault table in short: one small run of the rows that kill no server, and two defects that must be found."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.faults.rows import ROWS, Row, kill_gateway, kill_sink, kill_workers
from tests.faults.run import play
from tidemark.settings import Settings


def row(beginning: str) -> Row:
    [found] = [row for row in ROWS if row.name.startswith(beginning)]
    return found


SHORT = (
    replace(row("kill -9 of a worker"), seconds=8.0, faults=partial(kill_workers, times=2)),
    replace(row("workers 1"), seconds=12.0),
    replace(row("kill -9 of the sink"), seconds=6.0, faults=partial(kill_sink, times=1)),
    replace(row("kill -9 of the gateway"), seconds=6.0, faults=partial(kill_gateway, times=1)),
    replace(row("a worker's clock"), seconds=6.0),
)


@pytest.mark.parametrize("short", SHORT, ids=lambda row: row.name)
def test_nothing_that_is_killed_changes_a_result(short: Row, settings: Settings, tmp_path: Path) -> None:
    outcome = play(short, 0, settings, tmp_path / "run")
    assert not outcome.violations
    assert outcome.faults
    assert outcome.events > 1_000


@pytest.mark.parametrize("defect", ["drop", "double"])
def test_a_defect_is_found(defect: str, settings: Settings, tmp_path: Path) -> None:
    [defective] = [row for row in ROWS if row.defect == defect]
    outcome = play(defective, 0, settings, tmp_path / "run")
    assert any("missing or different" in violation for violation in outcome.violations), outcome.violations

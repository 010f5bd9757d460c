"""The fault table: all runs so far, in a file, so that a table that was interrupted goes on where it was."""

import json
from pathlib import Path
from typing import Any

from tests.faults.rows import ROWS, Row
from tests.faults.run import Outcome

HEAD = "| row | runs | faults | events | violations | recovery, worst | seeds |\n|---|--:|--:|--:|--:|--:|---|"


class Table:
    """Outcomes by row, in the order of their runs; written down after each run."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._outcomes: dict[str, list[dict[str, Any]]] = json.loads(path.read_text()) if path.exists() else {}

    def runs(self, row: Row) -> list[Outcome]:
        """Return the row's runs so far."""
        return [Outcome(**outcome) for outcome in self._outcomes.get(row.name, [])]

    def add(self, row: Row, outcome: Outcome) -> None:
        """Take a run that is over."""
        self._outcomes.setdefault(row.name, []).append(outcome.as_json())
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(self._outcomes, indent=1))
        part.replace(self._path)

    def line(self, row: Row) -> str:
        """Return a row's line of the table."""
        runs = self.runs(row)
        found = sum(bool(run.violations) for run in runs)
        cells = [
            row.name,
            str(len(runs)),
            str(sum(run.faults for run in runs)),
            f"{sum(run.events for run in runs):,}",
            f"found in {found} of {len(runs)} runs" if row.defect else str(sum(len(run.violations) for run in runs)),
            _recovery(row, runs),
            ", ".join(f"{run.seed:08x}" for run in runs),
        ]
        return f"| {' | '.join(cells)} |"

    def is_complete(self) -> bool:
        """Say whether every run of every row is over."""
        return all(len(self.runs(row)) >= row.runs for row in ROWS)

    def is_good(self) -> bool:
        """Say whether there were no violations, and some in each run with a defect."""
        return all(bool(run.violations) == bool(row.defect) for row in ROWS for run in self.runs(row))


def _recovery(row: Row, runs: list[Outcome]) -> str:
    if row.defect or not runs:
        return "–"
    moves = sorted({how for run in runs for how in run.moves})
    worst = [f"{how}: {max(run.moves.get(how, 0.0) for run in runs):.1f} s" for how in moves]
    return ", ".join([f"{max(run.recovery_s for run in runs):.1f} s", *worst])

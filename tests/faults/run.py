"""One run of a row from its seed to its verdict."""

import time
import traceback
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import OwnStack
from tests.faults.closing import close_all
from tests.faults.rows import Row
from tests.faults.scene import Scene
from tests.faults.verdict import stored_violations, violations_of
from tests.support.exactness import expect, observe
from tidemark.settings import Settings


@dataclass
class Outcome:
    """What a run has shown. ``violations`` are those found; a row with a defect must have some."""

    seed: int
    faults: int = 0
    events: int = 0
    violations: list[str] = field(default_factory=list)
    recovery_s: float = 0.0
    moves: dict[str, float] = field(default_factory=dict)
    ended_by_themselves: int = 0
    took_s: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return it for the state file."""
        return asdict(self)


def seed_of(row: Row, run: int) -> int:
    """Return the seed of a row's run: one and the same each time."""
    return zlib.crc32(f"{row.name} {run}".encode())


def play(row: Row, run: int, settings: Settings, folder: Path, servers: OwnStack | None = None) -> Outcome:
    """Do one run on topics of its own; what goes wrong is a violation, too. ``servers`` are those it may break."""
    folder.mkdir(parents=True, exist_ok=True)
    outcome = Outcome(seed_of(row, run))
    scene = Scene(settings, servers, folder, outcome.seed, row.seconds)
    began = time.monotonic()
    try:
        row.faults(scene)
        outcome.violations = _verdict(row, scene)
        outcome.events = scene.manifest()["recordsAcknowledged"]
    except Exception as error:
        outcome.violations.append(f"{error!r}"[:2_000])
        (folder / "failure.txt").write_text(traceback.format_exc())
    finally:
        scene.end()
    measured = scene.measured
    outcome.faults, outcome.recovery_s, outcome.moves = measured.faults, measured.recovery_s, measured.moves
    outcome.ended_by_themselves = measured.ended_by_themselves
    outcome.took_s = time.monotonic() - began
    return outcome


def _verdict(row: Row, scene: Scene) -> list[str]:
    """Close all windows, let everything come to its end, stop the workers and look at what is there."""
    scene.catch_up(*scene.followed)
    close_all(scene.settings)
    due = expect(scene.settings)
    scene.let_finish()
    seen = observe(scene.settings)
    violations = violations_of(scene.settings, scene.manifest(), due, seen, in_order=row.in_order)
    if row.stored:
        violations += stored_violations(scene.settings, seen)
    if row.check is not None:
        violations += row.check(scene, seen)
    return violations

"""docs/drills.md: the drills as they were measured."""

import json
import threading
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

HEAD = """\
| alert | fault | fires after | removed | over after | too |
|---|---|---:|---|---:|---|"""

_TEXT = """\
# Each alert fired by a real fault

`python -m tests.faults.drills` (in `.venv`; as root, for a disk of its own) made this table: `tidemark up --prometheus`
as it is shipped, with its 200 events/s, on real servers, and the real Prometheus with our rules, unaltered. Only two
limits are small, so that a laptop reaches them: `TIDEMARK_GATEWAY_MAX_CONNECTIONS` is 20,
`TIDEMARK_INGESTION_SPOOL_BYTES` 4 MiB.

Each fault stays until Prometheus' API says that its alerts fire, and is removed as [the runbook](runbooks/README.md)
says. *Fires after*: seconds from the fault to that answer. *Over after*: from the fault's removal until the API says
that the alert does not fire. *Too*: what else fired meanwhile, but for what other faults were to fire that were there
at the same time.

Each line is of the last good drill of its alert: they may be of several runs. On a machine that has much else to do
LatencyHigh fires without a fault; its drill waits until it does not.

`--alert NAME` does one alert's drill, and puts its line here; `--screenshots FOLDER` makes the pictures in
[the runbooks' list](runbooks/README.md).

{table}
"""


@dataclass(frozen=True)
class Outcome:
    """What became of an alert, in seconds; None: it did not fire, or was not over, in time."""

    alert: str
    fault: str
    remedy: str
    fired_s: float | None
    resolved_s: float | None
    others: list[str]

    def is_good(self) -> bool:
        """Say whether it fired and was over."""
        return self.fired_s is not None and self.resolved_s is not None


def line(outcome: Outcome) -> str:
    """Return an alert's line of the table."""
    others = ", ".join(outcome.others) or "–"
    times = [_seconds(outcome.fired_s), _seconds(outcome.resolved_s)]
    return f"| {outcome.alert} | {outcome.fault} | {times[0]} | {outcome.remedy} | {times[1]} | {others} |"


class Measured:
    """What was measured of each alert and fault at the last good drill; kept in a file between runs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._adding = threading.Lock()

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Remember the good ones."""
        with self._adding:
            known = self._outcomes() | {(one.alert, one.fault): one for one in outcomes if one.is_good()}
            self._path.parent.mkdir(exist_ok=True)
            self._path.write_text(json.dumps([asdict(one) for one in known.values()]))

    def write_report(self, path: Path, rows: Sequence[tuple[str, str]]) -> None:
        """Write the table of these alerts and faults, if all of them were measured."""
        outcomes = self._outcomes()
        if all(row in outcomes for row in rows):
            path.write_text(_TEXT.format(table="\n".join([HEAD, *(line(outcomes[row]) for row in rows)])))

    def _outcomes(self) -> dict[tuple[str, str], Outcome]:
        known = json.loads(self._path.read_text()) if self._path.exists() else []
        return {(one["alert"], one["fault"]): Outcome(**one) for one in known}


def _seconds(measured: float | None) -> str:
    return "never" if measured is None else f"{measured:.0f} s"

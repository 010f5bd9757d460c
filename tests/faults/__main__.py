"""``python -m tests.faults``: runs the fault table, going on where it was interrupted; ``--again`` starts over."""

import argparse
import logging
import shutil
import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.local.stack import LocalStack
from tests.conftest import CACHE, OwnStack, local_settings
from tests.faults.report import write_report
from tests.faults.rows import ROWS, Row
from tests.faults.run import play, seed_of
from tests.faults.table import HEAD, Table
from tidemark.logs import configure_logging

ROOT = Path(__file__).parents[2]
STATE = ROOT / ".tidemark" / "faults.json"
#: The logs of runs that had violations they should not have had.
FAILED = ROOT / ".tidemark" / "faults"
REPORT = ROOT / "docs" / "faults.md"


def main() -> None:
    """Run what is left of the table. Exit code 1: something did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--again", action="store_true", help="forget all runs so far")
    parser.add_argument("--row", default="", help="only rows whose name holds this")
    parser.add_argument("--runs", type=int, help="at most so many runs a row")
    options = parser.parse_args()
    configure_logging(json=False, level=logging.ERROR)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no process is left
    STATE.parent.mkdir(exist_ok=True)
    if options.again:
        STATE.unlink(missing_ok=True)
        shutil.rmtree(FAILED, ignore_errors=True)
    table = Table(STATE)
    say(HEAD)
    for row in ROWS:
        if options.row in row.name:
            run_row(row, table, row.runs if options.runs is None else min(row.runs, options.runs))
            say(table.line(row))
    if table.is_complete():
        write_report(REPORT, table)
    sys.exit(0 if table.is_good() else 1)


def run_row(row: Row, table: Table, runs: int) -> None:
    """Do the runs of a row that are left, on servers of its own."""
    done = len(table.runs(row))
    if done >= runs:
        return
    with TemporaryDirectory(prefix="tidemark-faults-") as scratch:
        folder = Path(scratch)
        servers = LocalStack(local_settings(folder / "stack"), row.brokers, cache=CACHE)
        servers.start()
        try:
            for run in range(done, runs):
                run_once(row, run, table, OwnStack(servers), folder / str(run))
        finally:
            servers.stop()


def run_once(row: Row, run: int, table: Table, stack: OwnStack, folder: Path) -> None:
    """Do one run, write it down, and keep its logs if it is not what it should be."""
    say(f"{row.name}: run {run + 1} of {row.runs}, seed {seed_of(row, run):08x}", end=" ")
    outcome = play(row, run, stack.settings, folder, stack)
    table.add(row, outcome)
    ended = f", {outcome.ended_by_themselves} parts ended by themselves" if outcome.ended_by_themselves else ""
    say(f"{outcome.took_s:.0f} s, {len(outcome.violations)} violations{ended}")
    for violation in outcome.violations:
        say(f"    {violation[:500]}")
    if bool(outcome.violations) != bool(row.defect):
        shutil.copytree(folder, FAILED / f"{outcome.seed:08x}", dirs_exist_ok=True)


def say(text: str, end: str = "\n") -> None:
    """Print at once."""
    sys.stdout.write(text + end)
    sys.stdout.flush()


if __name__ == "__main__":
    main()

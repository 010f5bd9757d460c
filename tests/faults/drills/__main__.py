"""``python -m tests.faults.drills``: fires each alert by a real fault, in the real Prometheus, and times it."""

import argparse
import logging
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.conftest import ROOT
from tests.faults.drills.pictures import take_healthy
from tests.faults.drills.platform import running_platform, small_disk
from tests.faults.drills.report import HEAD, Measured, Outcome, line
from tests.faults.drills.rows import DISK, DRILLS, ROUNDS, Drill
from tests.faults.drills.run import QUIET_SECONDS, Drilling
from tests.faults.drills.watch import Watch
from tidemark.logs import configure_logging

STATE = ROOT / ".tidemark" / "drills.json"
REPORT = ROOT / "docs" / "drills.md"

Round = tuple[Drill, ...]


def main() -> None:
    """Do the drills. Exit code 1: an alert did not fire, or did not end."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.drills", description=__doc__)
    parser.add_argument("--alert", action="append", help="only the drill that fires this alert; may be given again")
    parser.add_argument("--screenshots", type=Path, metavar="FOLDER", help="save pictures of Prometheus' pages there")
    options = parser.parse_args()
    configure_logging(json=False, level=logging.ERROR)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no process is left
    rounds = chosen(options.alert)
    if not rounds:
        parser.error(f"none of {', '.join(alert.name for drill in DRILLS for alert in drill.alerts)}")
    with TemporaryDirectory(prefix="tidemark-drills-") as scratch:
        outcomes = run(rounds, Path(scratch), options.screenshots, measured := Measured(STATE))
    say("\n".join([HEAD, *map(line, outcomes)]))
    measured.write_report(REPORT, [(alert.name, drill.fault) for drill in DRILLS for alert in drill.alerts])
    sys.exit(0 if all(outcome.is_good() for outcome in outcomes) else 1)


def chosen(names: list[str] | None) -> tuple[Round, ...]:
    """Return the rounds with the drills of these alerts, of all if there are no names."""
    wanted = [
        tuple(drill for drill in drills if names is None or {alert.name for alert in drill.alerts} & set(names))
        for drills in ROUNDS
    ]
    return tuple(drills for drills in wanted if drills)


def run(rounds: tuple[Round, ...], folder: Path, pictures: Path | None, measured: Measured) -> list[Outcome]:
    """Run the platform and one round after the other in it; return what became of each alert."""
    outcomes: list[Outcome] = []
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(folder)) if any(DISK in drills for drills in rounds) else None
        platform = stack.enter_context(running_platform(folder, disk))
        say("the platform is up")
        watch = Watch(platform.settings)
        if pictures is not None:
            pictures.mkdir(parents=True, exist_ok=True)
            watch.wait_until_quiet([alert for drill in DRILLS for alert in drill.alerts], QUIET_SECONDS)
            take_healthy(platform.settings, pictures)
        for drills in rounds:
            outcomes += run_round(drills, Drilling(platform, watch, drills, measured, pictures, say))
    return outcomes


def run_round(drills: Round, drilling: Drilling) -> list[Outcome]:
    """Do these drills at the same time."""
    with ThreadPoolExecutor(len(drills)) as executor:
        doing = [executor.submit(drilling.do, drill) for drill in drills]
        try:
            return [outcome for done in doing for outcome in done.result()]
        except BaseException:
            drilling.stop()
            raise


def say(text: str) -> None:
    """Print at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

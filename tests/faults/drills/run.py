"""One drill from its fault to the end of its alerts, beside the others of its round."""

import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.drills.pictures import take_firing
from tests.faults.drills.platform import Platform
from tests.faults.drills.report import Measured, Outcome
from tests.faults.drills.rows import Drill
from tests.faults.drills.watch import Alert, Watch

#: The slowest rules fire 10 minutes after their condition holds, and look up to 7 minutes back.
FIRING_SECONDS = 1_200.0
RESOLVED_SECONDS = 900.0
QUIET_SECONDS = 900.0
#: The alert at which pictures are taken.
PICTURED = "LatencyHigh"


class Drilling:
    """Does the drills of a round."""

    def __init__(
        self,
        platform: Platform,
        watch: Watch,
        drills: tuple[Drill, ...],
        measured: Measured,
        pictures: Path | None,
        say: Callable[[str], None],
    ) -> None:
        self._platform = platform
        self._watch = watch
        self._measured = measured
        self._pictures = pictures
        self._say = say
        self._awaited = [alert for drill in drills for alert in drill.alerts]

    def do(self, drill: Drill) -> list[Outcome]:
        """Cause the fault, wait until its alerts fire, remove it, wait until they do not; what goes wrong is said."""
        try:
            if self._watch.wait_until_quiet(drill.alerts, QUIET_SECONDS):
                return self._do(drill)
            self._say(f"not done, its alerts fire without it: {drill.fault}")
        except Exception as error:
            self._say(f"not done, {error!r}: {drill.fault}")
        return [Outcome(alert.name, drill.fault, drill.remedy, None, None, []) for alert in drill.alerts]

    def _do(self, drill: Drill) -> list[Outcome]:
        caused = time.monotonic()
        with drill.cause(self._platform):
            self._say(f"fault: {drill.fault}")
            fired = [self._fired(alert, caused) for alert in drill.alerts]
            removed = time.monotonic()
        self._say(f"removed: {drill.fault}")
        over = [self._resolved(alert, removed) for alert in drill.alerts]
        others = self._watch.others(caused, self._awaited)
        outcomes = [
            Outcome(alert.name, drill.fault, drill.remedy, fired_s, over_s, others)
            for alert, fired_s, over_s in zip(drill.alerts, fired, over, strict=True)
        ]
        self._measured.add(outcomes)
        return outcomes

    def stop(self) -> None:
        """End all that wait."""
        self._watch.stop()

    def _fired(self, alert: Alert, caused: float) -> float | None:
        fired = self._watch.wait_until_firing(alert, caused, FIRING_SECONDS)
        if fired is None:
            self._say(f"{alert.name} does not fire")
            return None
        self._say(f"{alert.name} fires after {fired - caused:.0f} s")
        if self._pictures is not None and alert.name == PICTURED:
            take_firing(self._platform.settings, self._pictures)
        return fired - caused

    def _resolved(self, alert: Alert, removed: float) -> float | None:
        resolved = self._watch.wait_until_resolved(alert, removed, RESOLVED_SECONDS)
        if resolved is None:
            self._say(f"{alert.name} still fires")
            return None
        self._say(f"{alert.name} is over after {resolved - removed:.0f} s")
        return resolved - removed

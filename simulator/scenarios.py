"""How load and behaviour change over a run: a scenario's phases, and the clock that bends a steady walk to them."""

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Phase:
    """A stretch of a scenario at ``factor`` times the base rate; ``bouncing``: most new visits see one page only."""

    seconds: float
    factor: float = 1.0
    bouncing: bool = False


@dataclass(frozen=True)
class Scenario:
    """Phases that repeat for ever. *Load* is measured in seconds of the base rate: a minute at factor 5 holds 300."""

    name: str
    phases: tuple[Phase, ...]

    def seconds(self, load: float) -> float:
        """Return after how many seconds so much load has passed; the inverse of ``load``. Below 0 it is the identity.

        A steady walk whose times go through this keeps its mix of events at every factor: all get denser together.
        """
        if load < 0:
            return load
        turn_load = self._turn_load
        rest = load % turn_load
        passed = (load - rest) / turn_load * self._turn_seconds
        for seconds, factor, held in self._stretches:
            if rest < held:
                return passed + rest / factor
            rest -= held
            passed += seconds
        return passed

    def bend(self, loads: list[float]) -> list[float]:
        """Return ``seconds`` of each of them."""
        return [self.seconds(load) for load in loads] if self._uneven else loads

    def load(self, seconds: float) -> float:
        """Return how much load the first ``seconds`` hold."""
        turns, rest = divmod(seconds, self._turn_seconds)
        passed = turns * self._turn_load
        for phase in self.phases:
            inside = min(rest, phase.seconds)
            passed += inside * phase.factor
            rest -= inside
        return passed

    def bouncing(self, seconds: float) -> bool:
        """Say whether a visit that starts at ``seconds`` (start inclusive, end exclusive) falls into a bounce spike."""
        rest = seconds % self._turn_seconds if seconds > 0 else 0.0
        for phase in self.phases:
            if rest < phase.seconds:
                return phase.bouncing
            rest -= phase.seconds
        return self.phases[-1].bouncing

    @cached_property
    def _uneven(self) -> bool:
        return any(phase.factor != 1 for phase in self.phases)

    @cached_property
    def _stretches(self) -> list[tuple[float, float, float]]:
        """Each phase's seconds, factor and load."""
        return [(phase.seconds, phase.factor, phase.seconds * phase.factor) for phase in self.phases]

    @cached_property
    def _turn_seconds(self) -> float:
        return sum(phase.seconds for phase in self.phases)

    @cached_property
    def _turn_load(self) -> float:
        return sum(phase.seconds * phase.factor for phase in self.phases)


STEADY = Scenario("steady", (Phase(300),))
#: A minute's calm, then up to five times the load for a minute, and down again; every five minutes.
SURGE = Scenario("surge", (Phase(60), Phase(15, 2.5), Phase(60, 5), Phase(15, 2.5), Phase(150)))
#: The load stays; for two of every five minutes two thirds of the new visits see one page only.
BOUNCE_SPIKE = Scenario("bounce-spike", (Phase(60), Phase(120, bouncing=True), Phase(120)))

SCENARIOS = {scenario.name: scenario for scenario in (STEADY, SURGE, BOUNCE_SPIKE)}

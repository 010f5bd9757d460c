"""When a service that died is started again: a clock that the test moves, and a service that dies on demand."""

from deploy.local.restarts import Kept


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class StandIn:
    """A stand-in for a service: runs from ``spawn`` until ``die``, answers when told to."""

    name = "stand-in"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.spawned_at: list[float] = []
        self.alive = False
        self.answers = True

    @property
    def pid(self) -> int | None:
        return 1 if self.alive else None

    @property
    def exit_code(self) -> int | None:
        return None if self.alive else 1

    def running(self) -> bool:
        return self.alive

    def healthy(self) -> bool:
        return self.alive and self.answers

    def spawn(self) -> None:
        self.spawned_at.append(self._clock.now)
        self.alive = True

    def stop(self) -> None:
        self.alive = False


def _kept() -> tuple[Clock, StandIn, Kept]:
    clock = Clock()
    service = StandIn(clock)
    kept = Kept(service, clock, lambda: round(clock.now * 1_000))
    kept.start()
    return clock, service, kept


def _pass(clock: Clock, kept: Kept, seconds: float) -> None:
    """Let time pass in small steps, looking at each."""
    for _ in range(round(seconds * 10)):
        clock.now = round(clock.now + 0.1, 3)
        kept.look()


def test_it_is_starting_until_it_answers() -> None:
    clock, service, kept = _kept()
    service.answers = False
    _pass(clock, kept, 5)
    assert kept.describe().state == "starting"
    service.answers = True
    kept.look()
    assert kept.describe().state == "up"
    assert kept.describe().since == 105_000


def test_the_delay_doubles_from_half_a_second_to_ten() -> None:
    clock, service, kept = _kept()
    died_at = []
    for _ in range(7):
        service.alive = False
        kept.look()
        died_at.append(clock.now)
        assert kept.state == "restarting"
        starts = len(service.spawned_at)
        while len(service.spawned_at) == starts:
            _pass(clock, kept, 0.1)
    delays = [round(start - death, 1) for death, start in zip(died_at, service.spawned_at[1:], strict=True)]
    assert delays == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert kept.describe().restarts == 7


def test_after_half_a_minute_of_health_a_death_is_the_first_again() -> None:
    clock, service, kept = _kept()
    for health, delay in ((1, 0.5), (29, 1.0), (31, 0.5), (1, 1.0)):
        _pass(clock, kept, health)
        service.alive = False
        kept.look()
        died = clock.now
        _pass(clock, kept, delay + 0.2)
        assert round(service.spawned_at[-1] - died, 1) == delay


def test_it_is_restarting_until_it_answers_again() -> None:
    clock, service, kept = _kept()
    kept.look()
    service.alive, service.answers = False, False
    _pass(clock, kept, 2)
    assert (service.alive, kept.state) == (True, "restarting")
    service.answers = True
    kept.look()
    assert kept.describe().state == "up"


def test_what_was_stopped_stays_so() -> None:
    clock, service, kept = _kept()
    service.alive = False
    kept.look()
    kept.stop()
    _pass(clock, kept, 20)
    assert (kept.state, len(service.spawned_at)) == ("stopped", 1)


def test_what_runs_already_is_kept_as_it_is() -> None:
    clock = Clock()
    service = StandIn(clock)
    service.alive = True
    kept = Kept(service, clock, lambda: 0)
    kept.start()
    assert (kept.state, service.spawned_at) == ("up", [])

"""The schedule is open loop: being late shows and moves nothing."""

import pytest

from simulator.pacing import MaxSpeed, Pacer, Punctuality


class Clock:
    """Seconds that pass only when somebody lets them; waits take as long as they are asked to, never less."""

    def __init__(self) -> None:
        self.now = 50.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def idle(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def never() -> bool:
    return False


def test_each_record_waits_for_its_time() -> None:
    clock = Clock()
    pacer = Pacer(start=51.0, clock=clock, idle=clock.idle)
    planned = [(0, "a"), (250, "b"), (250, "c"), (1_000, "d")]
    went = [(clock.now, scheduled, records) for scheduled, records in pacer.waves(planned, never)]
    assert [at for at, _, _ in went] == pytest.approx([51.0, 51.25, 52.0])
    assert [scheduled for _, scheduled, _ in went] == pytest.approx([51.0, 51.25, 52.0])
    assert [records for _, _, records in went] == [["a"], ["b", "c"], ["d"]]
    assert max(clock.waits) <= 0.1


def test_being_behind_is_reported_and_the_schedule_is_kept() -> None:
    clock, punctuality = Clock(), Punctuality()
    pacer = Pacer(start=50.0, clock=clock, idle=clock.idle)
    took = {0: 0.0, 100: 0.450, 200: 0.0, 300: 0.0, 600: 0.0, 700: 0.099}
    for scheduled, records in pacer.waves(took.items(), never):
        clock.now += sum(records)
        punctuality.sent(clock.now - scheduled, len(records))
    # 100 went at 550, and with it 200 and 300 were late too; 600 was on time again.
    assert punctuality.behind == 3
    assert punctuality.worst_behind_ms == pytest.approx(450)
    assert clock.now == pytest.approx(50.799)


def test_records_that_are_behind_share_a_wave_only_if_they_are_due_at_the_same_ms() -> None:
    clock = Clock()
    planned = [(number // 3, number) for number in range(9)]
    waves = list(Pacer(start=40.0, clock=clock, idle=clock.idle).waves(planned, never))
    assert waves == [(40.0, [0, 1, 2]), (40.001, [3, 4, 5]), (40.002, [6, 7, 8])]
    assert clock.waits == []


def test_in_a_hurry_a_record_goes_before_its_time_and_is_scheduled_now() -> None:
    clock = Clock()
    pacer = Pacer(start=50.0, clock=clock, idle=clock.idle)
    [(scheduled, records)] = pacer.waves([(60_000, "a")], lambda: clock.now > 50.25)
    assert records == ["a"]
    assert scheduled == pytest.approx(50.3)
    assert clock.now == pytest.approx(50.3)


def test_at_full_speed_a_record_is_due_when_its_turn_comes() -> None:
    clock = Clock()
    waves = list(MaxSpeed(clock).waves([(60_000, number) for number in range(100)], never))
    assert [number for _, records in waves for number in records] == list(range(100))
    assert {scheduled for scheduled, _ in waves} == {50.0}
    assert clock.waits == []


def test_latencies_are_given_by_rank() -> None:
    punctuality = Punctuality()
    assert punctuality.latency_ms(50) == 0
    for ms in range(1, 101):
        punctuality.acknowledged((ms - 0.5) / 1_000, records=1)
    assert [punctuality.latency_ms(percent) for percent in (50, 95, 99, 100)] == [50, 95, 99, 100]

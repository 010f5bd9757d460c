"""When a quiet partition gets a tick; the monotonic clock is an argument, 0 at the start."""

from streams.ticks import RESEND_MS, BrokerClock, Ticks
from streams.windows.partition import NO_WATERMARK

LATENESS = 2_000
#: The broker's time when the monotonic clock is 0.
START = 1_000_000


def ticks() -> Ticks:
    made = Ticks(lateness_ms=LATENESS, pause_ms=10_000)
    made.clock.observe(START, 0)
    return made


def test_the_brokers_clock_is_unknown_until_a_record_was_read() -> None:
    clock = BrokerClock()
    assert clock.now(5) is None
    clock.observe(START, 7)
    assert clock.now(10) == START + 3


def test_a_partition_is_due_when_its_open_panes_end_and_lateness_are_past() -> None:
    watermark = START - 3_000  # its open pane ends at START
    assert not ticks().is_due(0, watermark, LATENESS)
    assert ticks().is_due(0, watermark, LATENESS + 1)


def test_a_partition_whose_watermark_keeps_up_is_not_due() -> None:
    assert not ticks().is_due(0, START + 10_000 - LATENESS, 10_000)


def test_a_partition_without_records_is_due_at_once() -> None:
    assert Ticks(lateness_ms=LATENESS, pause_ms=0).is_due(0, NO_WATERMARK, 0)


def test_a_worker_that_has_read_nothing_learns_the_time_by_a_tick() -> None:
    restored = Ticks(lateness_ms=LATENESS, pause_ms=0)
    assert restored.is_due(0, START - 3_000, 0)
    restored.clock.observe(START, 0)
    assert not restored.is_due(1, START - 3_000, 0)


def test_a_tick_is_not_sent_again_while_it_is_under_way() -> None:
    quiet = ticks()
    assert quiet.is_due(0, START - 3_000, 3_000)
    assert not quiet.is_due(0, START - 3_000, 3_100)
    assert quiet.is_due(1, START - 3_000, 3_100)
    assert quiet.is_due(0, START - 3_000, 3_000 + RESEND_MS)


def test_the_next_pane_may_have_a_tick_of_its_own() -> None:
    quiet = ticks()
    assert quiet.is_due(0, START - 3_000, LATENESS + 1)
    assert quiet.is_due(0, START, LATENESS + 5_001)


def test_an_old_record_does_not_set_the_clock_back() -> None:
    clock = BrokerClock()
    clock.observe(START, 0)
    clock.observe(START - 3_600_000, 10)
    assert clock.now(10) == START + 10


def test_there_are_no_ticks_for_a_while_after_the_broker_was_lost() -> None:
    quiet = ticks()
    quiet.broker_lost(3_000)
    assert not quiet.is_due(0, START - 3_000, 12_999)
    assert quiet.is_due(0, START - 3_000, 13_000)

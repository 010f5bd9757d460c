"""Rounding is exact, half to even, and never overflows."""

import sys
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

from hypothesis import example, given
from hypothesis import strategies as st

from streams.windows.exact import ceil_to, floor_to, from_micros, ratio


@given(st.integers(0, 10**12), st.integers(1, 10**9))
@example(576_460_752_305, 1)
def test_a_ratio_is_rounded_half_even_to_a_millionth(numerator: int, denominator: int) -> None:
    with localcontext() as context:
        context.prec = 60
        exact = (Decimal(numerator) / Decimal(denominator)).quantize(Decimal("0.000001"), ROUND_HALF_EVEN)
    assert ratio(numerator, denominator) == float(exact)


def test_ties_go_to_the_even_neighbour() -> None:
    assert ratio(1, 2_000_000) == 0.0
    assert ratio(3, 2_000_000) == 0.000002


def test_nothing_to_divide_by_is_zero() -> None:
    assert ratio(5, 0) == 0.0


def test_a_sum_no_double_can_hold_is_the_largest_double() -> None:
    assert from_micros(10**400) == sys.float_info.max


@given(st.integers(0, 10**15))
def test_boundaries_enclose_a_time(time: int) -> None:
    assert floor_to(time, 5_000) <= time <= ceil_to(time, 5_000)
    assert floor_to(time, 5_000) % 5_000 == ceil_to(time, 5_000) % 5_000 == 0

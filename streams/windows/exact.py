"""Exact arithmetic on window boundaries and on sums of integers; one rounding, at the very end."""

import sys
from operator import truediv

from tidemark.events import MICROS


def floor_to(time: int, step: int) -> int:
    """Return the last multiple of ``step`` that is not after ``time``."""
    return time - time % step


def ceil_to(time: int, step: int) -> int:
    """Return the first multiple of ``step`` that is not before ``time``."""
    return time + -time % step


def ratio(numerator: int, denominator: int) -> float:
    """Return the quotient rounded half-even to 10⁻⁶; 0 when there is nothing to divide by."""
    if denominator == 0:
        return 0.0
    quotient, rest = divmod(numerator * MICROS, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and quotient % 2):
        quotient += 1
    return from_micros(quotient)


def from_micros(micros: int) -> float:
    """Return 10⁻⁶ units as a double; a sum that no double can hold becomes the largest one."""
    try:
        # Compiled, "/" makes doubles of both integers first, and above 2⁵³ that rounds twice.
        return float(truediv(micros, MICROS))
    except OverflowError:
        return sys.float_info.max

"""Random event ids, made from bytes that the system is asked for many at a time."""

import os

_AT_A_TIME = 256
_DIGITS = 32
#: The variant's two bits are 10, the others random (RFC 9562, section 4.1).
_VARIANT = "89ab" * 4


class RandomIds:
    """Makes UUIDs of version 4. A process must make its own: copies of one would make the same ids.

    The system's random bytes cost a call of it, as much as all else that is done to an event.
    """

    def __init__(self) -> None:
        self._digits = ""
        self._at = 0

    def __call__(self) -> str:
        """Return an id that nobody can guess, in its 36-character form."""
        if self._at == len(self._digits):
            self._digits, self._at = os.urandom(_AT_A_TIME * _DIGITS // 2).hex(), 0
        at = self._at
        self._at = at + _DIGITS
        one = self._digits[at : self._at]
        return f"{one[:8]}-{one[8:12]}-4{one[13:16]}-{_VARIANT[int(one[16], 16)]}{one[17:20]}-{one[20:]}"

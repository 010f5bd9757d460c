"""How long work that is a luxury waits, so that it takes a share of the time at most."""

#: Waits shorter than this are saved up (s): an event loop cannot wait so little, and each takes a turn of it.
LEAST_SECONDS = 0.005


class Pace:
    """Work that ``took`` so long is followed by a wait: all of it together takes at most ``share`` of the time."""

    def __init__(self, share: float) -> None:
        self._rest_a_second = (1 - share) / share
        self._owed = 0.0

    def took(self, seconds: float) -> float:
        """Note work that was done; return how long to wait now (s), 0 while less than ``LEAST_SECONDS`` is owed."""
        self._owed += seconds * self._rest_a_second
        if self._owed < LEAST_SECONDS:
            return 0.0
        owed, self._owed = self._owed, 0.0
        return owed

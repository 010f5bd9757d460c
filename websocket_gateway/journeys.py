"""One site's visits in the gateway: from summaries to the latest ones, and to the funnel of the last minutes. Pure."""

from bisect import bisect_left
from collections.abc import Sequence

from tidemark.events import CONVERSION
from tidemark.results import Dimension, SessionSummary
from websocket_gateway.protocol import Funnel, Visit

MINUTE_MS = 60_000
#: The funnel is of so many full minutes and of the one that runs.
MINUTES = 15
LATEST = 20
PATH = 10
#: A visit without a SESSION_END is over after so much silence: its summary comes no earlier, but for unequal clocks.
SILENCE_MS = 30 * MINUTE_MS
UNEQUAL_MS = MINUTE_MS


class _Minute:
    """The visits that were over in one minute: hashes of their ids (8 bytes), and how many reached each step."""

    def __init__(self, steps: int) -> None:
        self.known: set[int] = set()
        self.reached = [0] * steps


class Journeys:
    """The LATEST visits by their end, and the funnel, which counts each visit once, however often it is repeated.

    A visit is counted in the minute of its end; one that ended in silence in the minute in which that had lasted for
    SILENCE_MS, told by the age of its summary. So the funnel is exact for the MINUTES full minutes before the one that
    runs, and has of that one what has come, as long as no summary is held up for more than MINUTES: after that a
    visit may be missing, or be counted as if it had ended in silence. ``now``, ``updated_at`` (the last take): ms
    since the epoch. Memory: LATEST visits, and about 100 bytes for each visit of the funnel's minutes.
    """

    def __init__(self, funnel: Sequence[str]) -> None:
        self.updated_at = 0
        self._steps = [*funnel, CONVERSION]
        self._latest: list[SessionSummary] = []
        self._minutes: dict[int, _Minute] = {}

    def take(self, visit: SessionSummary, now: int) -> bool:
        """Keep a visit; say whether it changes anything: it is no repetition, and not of too long ago."""
        self.updated_at = now
        listed = self._list(visit)
        return self._count(visit, now) or listed

    def latest(self) -> list[Visit]:
        """Return the visits that ended last, newest first."""
        return [_shown(visit) for visit in reversed(self._latest)]

    def funnel(self, now: int) -> Funnel:
        """Return the funnel as it is now."""
        self._forget(now)
        minutes = self._minutes.values()
        reached = [sum(minute.reached[step] for minute in minutes) for step in range(len(self._steps))]
        return Funnel(
            minutes=MINUTES,
            visits=sum(len(minute.known) for minute in minutes),
            steps=[Dimension(key, value) for key, value in zip(self._steps, reached, strict=True)],
        )

    def next_turn(self) -> int | None:
        """Return when (ms) the oldest visits leave the funnel; None if it is empty."""
        return (min(self._minutes) + MINUTES + 1) * MINUTE_MS if self._minutes else None

    def _list(self, visit: SessionSummary) -> bool:
        place = bisect_left(self._latest, (visit.end_time, visit.visit_id), key=_place)
        if place < len(self._latest) and self._latest[place].visit_id == visit.visit_id:
            return False
        self._latest.insert(place, visit)
        if len(self._latest) > LATEST:
            del self._latest[0]
            return place > 0
        return True

    def _count(self, visit: SessionSummary, now: int) -> bool:
        self._forget(now)
        number, identity = _over_at(visit, now) // MINUTE_MS, hash(visit.visit_id)
        if number < now // MINUTE_MS - MINUTES or any(identity in one.known for one in self._minutes.values()):
            return False
        minute = self._minutes.setdefault(number, _Minute(len(self._steps)))
        minute.known.add(identity)
        for step in range(min(visit.funnel_step, len(self._steps))):
            minute.reached[step] += 1
        return True

    def _forget(self, now: int) -> None:
        for number in [one for one in self._minutes if one < now // MINUTE_MS - MINUTES]:
            del self._minutes[number]


def _over_at(visit: SessionSummary, now: int) -> int:
    """Return when (ms, not after now) a visit was over whose summary has come now."""
    silent = now - visit.end_time >= SILENCE_MS - UNEQUAL_MS
    return min(visit.end_time + SILENCE_MS if silent else visit.end_time, now)


def _place(visit: SessionSummary) -> tuple[int, str]:
    return visit.end_time, visit.visit_id


def _shown(visit: SessionSummary) -> Visit:
    return Visit(
        visit_id=visit.visit_id,
        visitor=visit.visitor,
        start_time=visit.start_time,
        end_time=visit.end_time,
        duration_seconds=visit.duration_seconds,
        page_views=visit.page_views,
        path=visit.path[:PATH],
        entry_page=visit.entry_page,
        exit_page=visit.exit_page,
        converted=visit.converted,
        revenue=visit.revenue,
        funnel_step=visit.funnel_step,
        behaviour=visit.behaviour,
        device_type=visit.device_type,
        browser=visit.browser,
        country=visit.country,
        referrer=visit.referrer,
    )

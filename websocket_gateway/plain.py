"""What `tidemark watch` prints where there is no terminal: one line a second, and one for each alert. Pure."""

from tidemark.results import (
    ACTIVE_USERS,
    AVERAGE_SESSION_DURATION,
    BOUNCE_RATE,
    CONVERSION_RATE,
    PAGE_VIEWS_PER_SECOND,
    POPULAR_CONTENT,
    REVENUE_PER_USER,
)
from websocket_gateway.watched import Watched
from websocket_gateway.wording import clock, harmless, number, status

MAX_ALERT_LINES = 5


class Lines:
    """Turns what is known into lines; remembers which alerts have been told."""

    def __init__(self) -> None:
        self._alerts_told = 0

    def next(self, watched: Watched, now: int) -> list[str]:
        """Return the lines that are due: the new alerts, a few at a time, then the numbers."""
        alerts, hidden = self._new_alerts(watched)
        more = [f"{clock(now)} ALERT … and {hidden} more"] if hidden else []
        return [*alerts, *more, _numbers(watched, now)]

    def _new_alerts(self, watched: Watched) -> tuple[list[str], int]:
        new = watched.alerts_seen - self._alerts_told
        self._alerts_told = watched.alerts_seen
        shown = list(watched.alerts)[-min(new, MAX_ALERT_LINES) :] if new else []
        lines = [
            harmless(f"{clock(a.timestamp)} ALERT {a.severity} {a.alert_type} {a.title}: {a.description}")
            for a in shown
        ]
        return lines, new - len(lines)


def _numbers(watched: Watched, now: int) -> str:
    state = f"{clock(now)} {watched.site} {status(watched, now)[1]}"
    if watched.newest_end() is None:
        return harmless(state)
    values = (
        f"{_last(watched, PAGE_VIEWS_PER_SECOND)} views/s (now {_now(watched, PAGE_VIEWS_PER_SECOND)})",
        f"{_last(watched, ACTIVE_USERS)} users (now {_now(watched, ACTIVE_USERS)})",
        f"bounce {_last(watched, BOUNCE_RATE)}",
        f"session {_last(watched, AVERAGE_SESSION_DURATION)}",
        f"conversion {_last(watched, CONVERSION_RATE)}",
        f"revenue/user {_last(watched, REVENUE_PER_USER)}",
        *_top(watched),
    )
    return harmless(" | ".join((state, *values)))


def _last(watched: Watched, name: str) -> str:
    last = watched.metrics[name].last
    return number(name, None if last is None else last.value)


def _now(watched: Watched, name: str) -> str:
    current = watched.metrics[name].current
    return number(name, current if isinstance(current, float) else None)


def _top(watched: Watched) -> list[str]:
    last = watched.metrics[POPULAR_CONTENT].last
    return [f"top {last.dimensions[0].key} ({last.dimensions[0].value})"] if last and last.dimensions else []

"""How numbers, times and strangers' texts read in the terminal. Pure."""

from collections.abc import Sequence
from datetime import datetime

from tidemark.results import (
    ACTIVE_USERS,
    AVERAGE_SESSION_DURATION,
    BOUNCE_RATE,
    CONVERSION_RATE,
    PAGE_VIEWS_PER_SECOND,
    RATES,
    REVENUE_PER_USER,
)
from websocket_gateway.watched import Watched

#: The metrics that are one number, by the name they are shown under, in the order they are shown.
NUMBERS = {
    PAGE_VIEWS_PER_SECOND: "Page views / s",
    ACTIVE_USERS: "Active users",
    BOUNCE_RATE: "Bounce rate",
    AVERAGE_SESSION_DURATION: "Session length",
    CONVERSION_RATE: "Conversion rate",
    REVENUE_PER_USER: "Revenue / user",
}
_BARS = "▁▂▃▄▅▆▇█"


def number(metric: str, value: float | None) -> str:
    """Write a metric's value for people: rates in percent, durations in minutes and seconds, None as a dash."""
    if value is None:
        return "–"
    if metric in RATES:
        return f"{value:.1%}"
    if metric == ACTIVE_USERS:
        return f"{value:,.0f}"
    if metric == AVERAGE_SESSION_DURATION:
        return duration(value)
    return f"{value:,.2f}" if metric == REVENUE_PER_USER else f"{value:,.1f}"


def duration(seconds: float) -> str:
    """Write seconds as 59.9 s, 1 m 05 s or 2 h 03 m."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} m {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} m"


def clock(at_ms: int) -> str:
    """Write a time (ms since the epoch) as the local HH:MM:SS."""
    return f"{datetime.fromtimestamp(at_ms / 1000):%H:%M:%S}"


def change(before: float | None, after: float | None) -> str:
    """Write how much a value has changed, relative to what it was; empty if there is nothing to compare with."""
    if before is None or after is None:
        return ""
    arrow = "▲" if after > before else "▼"
    if before == 0:
        return arrow if after else "="
    share = f"{abs(after - before) / abs(before):.0%}"
    return "=" if share == "0%" else f"{arrow} {share}"


def sparkline(values: Sequence[float]) -> str:
    """Draw values as bars, one character each, from their lowest to their highest."""
    if not values:
        return ""
    low, high = min(values), max(values)
    if low == high:
        return (_BARS[0] if high == 0 else _BARS[3]) * len(values)
    return "".join(_BARS[round((value - low) / (high - low) * (len(_BARS) - 1))] for value in values)


def harmless(text: str) -> str:
    """Return a stranger's text without the characters that steer a terminal."""
    return "".join(character if character.isprintable() else "�" for character in text)


def status(watched: Watched, now: int) -> tuple[str, str]:
    """Return how things stand: live, waiting, stale or broken, and in words; ``now`` is this machine's clock (ms)."""
    newest, stale = watched.newest_end(), watched.stale_since(now)
    age = "" if newest is None else duration(max(0, watched.now(now) - newest) / 1000)
    data = "no data yet" if newest is None else f"last window ended {age} ago"
    if stale is not None:
        data = f"stale since {clock(stale)} ({age})"
    if watched.trouble is not None:
        return "broken", f"{watched.trouble}; {data}"
    if not watched.connected:
        return "waiting", f"connecting to {watched.url} …"
    if newest is None:
        return "waiting", data
    return ("live", f"live, {data}") if stale is None else ("stale", data)

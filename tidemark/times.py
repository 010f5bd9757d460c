"""Times as people write them: on the command line, in events from web sites."""

import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime.fromtimestamp(0, UTC)
_MS = timedelta(milliseconds=1)
_DURATION = re.compile("([0-9]{1,6})([smhd])")
_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def parse_time(text: str) -> int:
    """Read ms since the epoch, or ISO 8601, UTC without an offset; return ms. Raises ValueError with what was meant."""
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"expected ms since the epoch or a time such as 2026-11-22T08:30:00Z, got {text!r}") from None
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=UTC)
    return (parsed - _EPOCH) // _MS


def parse_duration(text: str) -> int:
    """Read 90s, 15m, 1h or 7d; return ms. Raises ValueError with what was meant."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"expected 90s, 15m, 1h or 7d, got {text!r}")
    return int(found[1]) * _UNIT_MS[found[2]]


def parse_since(text: str, now: int) -> int:
    """Read how long ago, such as 90s, 15m, 1h or 7d, or what ``parse_time`` reads; return ms, as ``now`` is.

    Never below 0. Raises ValueError with what was meant; for a time to come too.
    """
    try:
        since = now - parse_duration(text) if _DURATION.fullmatch(text) else parse_time(text)
    except ValueError:
        since = None
    if since is None or since > now:
        raise ValueError(f"expected 90s, 15m, 1h, 7d or a time such as 2026-11-22T08:30:00Z, past, got {text!r}")
    return max(0, since)


def iso(time_ms: int) -> str:
    """Return a time (ms) in ISO 8601, UTC, to the second."""
    return datetime.fromtimestamp(time_ms / 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

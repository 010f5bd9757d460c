"""Times as people write them: on the command line, in events from web sites."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime.fromtimestamp(0, UTC)
_MS = timedelta(milliseconds=1)


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


def iso(time_ms: int) -> str:
    """Return a time (ms) in ISO 8601, UTC, to the second."""
    return datetime.fromtimestamp(time_ms / 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

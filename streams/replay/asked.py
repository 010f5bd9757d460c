"""Which results a replay was asked for, and what tells two of them apart."""

from collections.abc import Callable

import msgspec
from msgspec import Struct

from streams.windows import session
from tidemark.results import Alert, MetricUpdate, SessionSummary, decode_alert, decode_metric, decode_session, encode
from tidemark.topics import ALERTS, METRICS, SESSIONS, Topic

Replayed = MetricUpdate | SessionSummary | Alert

#: The topic that each kind of result lives on.
TOPICS: dict[type[Replayed], Topic] = {MetricUpdate: METRICS, SessionSummary: SESSIONS, Alert: ALERTS}
DECODERS: dict[str, Callable[[bytes], Replayed]] = {
    METRICS.name: decode_metric,
    SESSIONS.name: decode_session,
    ALERTS.name: decode_alert,
}


class Asked(Struct, frozen=True):
    """``start`` (inclusive) to ``end`` (exclusive) in ms since the epoch; ``site`` None: all of them."""

    start: int
    end: int
    site: str | None = None

    def takes(self, result: Replayed) -> bool:
        """Say whether a result is in the range, by ``time_of``, and of the site."""
        return self.start <= time_of(result) < self.end and self.site in (None, result.site_id)

    @property
    def enough(self) -> int:
        """The watermark (ms) that a partition gives nothing in the range after: its visits have ended by then."""
        return session.due(self.end)


def time_of(result: Replayed) -> int:
    """Return what a result's range goes by (ms): a window's end, a visit's last event."""
    return result.end_time if isinstance(result, SessionSummary) else result.window_end


def name_of(result: Replayed) -> str:
    """Return what two results of a topic for the same thing have in common: the window, the visit's or alert's id."""
    match result:
        case MetricUpdate():
            return result.key().decode()
        case SessionSummary():
            return result.visit_id
        case Alert():
            return result.alert_id


def line_of(result: Replayed) -> bytes:
    """Return a result as a line of JSON: its topic, and the value that a record of this topic has."""
    return b'{"topic":"%s","value":%s}' % (TOPICS[type(result)].name.encode(), encode(result))


class _Line(Struct):
    topic: str
    value: msgspec.Raw


_line = msgspec.json.Decoder(_Line).decode


def read_line(line: bytes) -> Replayed:
    """Return the result that ``line_of`` wrote."""
    found = _line(line)
    return DECODERS[found.topic](bytes(found.value))

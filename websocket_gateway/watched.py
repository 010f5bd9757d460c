"""What `tidemark watch` knows: the gateway's messages laid over each other, and how old that is. Pure."""

from collections import deque
from collections.abc import Sequence
from typing import Any

from msgspec import UNSET, Struct, UnsetType, field

from tidemark.results import LISTS, TUMBLING_METRICS, Alert, Dimension
from websocket_gateway.protocol import (
    WIRE_NAMES,
    AlertMessage,
    ErrorMessage,
    Hello,
    MetricsMessage,
    Point,
    ServerMessage,
    Since,
    Snapshot,
    Subscribed,
    Values,
    Window,
    decode_snapshot,
)

#: Finals come 2 s after a window's end, the next window ends 5 s later: no tumbling window newer than this is not live.
STALE_AFTER_MS = 10_000
POINTS = 20
ALERTS = 50

_WIRE = {name: wire for wire, name in WIRE_NAMES.items()}


class Metric(Struct):
    """One metric: its last windows that have ended (oldest first), and the open window's value."""

    points: list[Point] = field(default_factory=list)
    current: float | list[Dimension] | None = None

    @property
    def last(self) -> Point | None:
        """The newest window that has ended."""
        return self.points[-1] if self.points else None


class Watched:
    """The state of one site as its gateway tells it.

    ``trouble``: what went wrong last, None once a gateway has said hello. ``subscribed`` and ``alerts_seen``: how many
    answers and alerts have come, alerts of a snapshot not counted. ``since``: what to subscribe with after a lost
    connection. ``others``: names and addresses to show beside the dashboard's. Times are ms since the epoch, by the
    gateway's clock.
    """

    def __init__(self, site: str, url: str, others: Sequence[tuple[str, str]] = ()) -> None:
        self.site = site
        self.url = url
        self.others = others
        self.connected = False
        self.trouble: str | None = None
        self.metrics = {name: Metric() for name in WIRE_NAMES.values()}
        self.alerts: deque[Alert] = deque(maxlen=ALERTS)
        self.alerts_seen = 0
        self.subscribed = 0
        self.since: Since | None = None
        self._epoch = ""
        self._skew = 0

    @property
    def page(self) -> str:
        """The dashboard's address: the gateway serves it on the same port."""
        return self.url.replace("ws", "http", 1)

    def lost(self, why: str) -> None:
        """The connection is gone, or none could be made."""
        self.connected = False
        self.trouble = why

    def apply(self, message: ServerMessage, local_now: int) -> None:
        """Take a message that came at ``local_now`` by this machine's clock."""
        match message:
            case Hello():
                self._skew, self._epoch = message.server_time - local_now, message.epoch
                self.connected, self.trouble = True, None
            case Subscribed():
                self.subscribed += 1
                if not isinstance(message.snapshot, UnsetType):
                    self._start_from(decode_snapshot(message.snapshot))
            case MetricsMessage():
                self._lay_over(message)
                if self.since is not None:
                    self.since.offset = message.offset
            case AlertMessage():
                self.alerts_seen += self._add_alert(message)
                if self.since is not None:
                    self.since.alert_offset = message.offset
            case ErrorMessage():
                self.trouble = f"{message.code}: {message.message}"

    def now(self, local_now: int) -> int:
        """Return the gateway's time."""
        return local_now + self._skew

    def newest_end(self) -> int | None:
        """Return the end of the newest window that has ended, a tumbling one if there is any; None without data.

        Sliding windows are open for a minute, so for a minute they would hide that nothing comes any more.
        """
        ends = {name: metric.last.window_end for name, metric in self.metrics.items() if metric.last is not None}
        tumbling = [end for name, end in ends.items() if name in TUMBLING_METRICS]
        return max(tumbling or ends.values(), default=None)

    def stale_since(self, local_now: int) -> int | None:
        """Return since when no window has ended although it should have; None if the data is live or there is none."""
        end = self.newest_end()
        return end if end is not None and self.now(local_now) - end > STALE_AFTER_MS else None

    def _start_from(self, snapshot: Snapshot) -> None:
        self.since = Since(self._epoch, snapshot.offset, snapshot.offset)
        for name, metric in self.metrics.items():
            metric.points = snapshot.points.get(_WIRE[name], [])[-POINTS:]
        self._take_current(snapshot.current)
        for alert in snapshot.alerts:
            self._add_alert(alert)

    def _lay_over(self, message: MetricsMessage) -> None:
        if not isinstance(message.earlier, UnsetType):
            for wire, points in message.earlier.items():
                _add_points(self.metrics[WIRE_NAMES[wire]], points)
        if not isinstance(message.windows, UnsetType):
            for name, metric in self.metrics.items():
                value, window = getattr(message, name), message.windows.get(_WIRE[name])
                if value is not UNSET and window is not None:
                    _add_points(metric, [_point(name, value, window)])
        self._take_current(message.current)

    def _take_current(self, current: Values | UnsetType) -> None:
        if isinstance(current, UnsetType):
            return
        for name, metric in self.metrics.items():
            value = getattr(current, name)
            metric.current = None if value is UNSET else value

    def _add_alert(self, alert: Alert) -> bool:
        is_new = all(alert.alert_id != known.alert_id for known in self.alerts)
        if is_new:
            self.alerts.append(alert)
        return is_new


def _point(name: str, value: Any, window: Window) -> Point:
    if name in LISTS:
        total = float(sum(dimension.value for dimension in value))
        return Point(window_end=window.end, value=total, final=window.final, dimensions=value)
    return Point(window_end=window.end, value=value, final=window.final)


def _add_points(metric: Metric, points: list[Point]) -> None:
    known = {point.window_end: point for point in (*metric.points, *points)}
    metric.points = [known[end] for end in sorted(known)][-POINTS:]

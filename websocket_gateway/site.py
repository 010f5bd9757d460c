"""One site in the gateway: from updates and alerts to snapshots, and to what has changed since an offset. Pure."""

from collections import deque
from typing import Any

from msgspec import UNSET, Struct

from tidemark.results import LISTS, METRICS, Dimension, MetricUpdate
from websocket_gateway.protocol import WIRE_NAMES, AlertMessage, Limits, MetricsMessage, Point, Snapshot, Values, Window
from websocket_gateway.series import NOTHING_SENT, Series

#: A snapshot holds so many alerts, and so many older ones about the site: a bounce window's end brings hundreds more.
RECENT_ALERTS = 20

_TO_WIRE = {name: wire for wire, name in WIRE_NAMES.items()}


class Shown(Struct):
    """What is shown of one metric, and the offset of the state in which that last changed."""

    ended: MetricUpdate | None = None
    ended_offset: int = NOTHING_SENT
    current: MetricUpdate | None = None
    current_offset: int = NOTHING_SENT


class Site:
    """The last ``limits.points`` windows and ``limits.alerts`` alerts of one site.

    ``updated_at`` (ms): when it last heard something. ``since``: nothing is known of what came up to this offset.
    """

    def __init__(self, name: str, limits: Limits, since: int) -> None:
        self.name = name
        self.updated_at = 0
        self._since = since
        self._series = {metric: Series(limits.points) for metric in METRICS}
        self._shown = {metric: Shown() for metric in METRICS}
        self._alerts: deque[AlertMessage] = deque(maxlen=limits.alerts)
        self._about_site: deque[AlertMessage] = deque(maxlen=RECENT_ALERTS)
        self._forgotten_alert = NOTHING_SENT

    def take(self, update: MetricUpdate, now: int) -> bool:
        """Keep an update that is news; say whether it is. It is shown from the next ``turn`` on."""
        self.updated_at = now
        return self._series[update.metric].take(update, now)

    def keep_alert(self, alert: AlertMessage, now: int) -> None:
        """Remember an alert for later snapshots and for clients that come back."""
        self.updated_at = now
        if len(self._alerts) == self._alerts.maxlen:
            self._forgotten_alert = self._alerts[0].offset
        self._alerts.append(alert)
        if not alert.user_id:
            self._about_site.append(alert)

    def turn(self, now: int, offset: int) -> set[str]:
        """Make what is to be shown now the state ``offset``; return the metrics that look different."""
        changed = set()
        for metric, series in self._series.items():
            shown = self._shown[metric]
            series.turn(now, offset)
            ended, current = series.ended(now), series.current(now)
            if ended is not shown.ended:
                shown.ended, shown.ended_offset = ended, offset
                changed.add(metric)
            elif series.newest == offset:
                changed.add(metric)
            if current is not shown.current:
                shown.current, shown.current_offset = current, offset
                changed.add(metric)
        return changed

    def next_turn(self, now: int) -> int | None:
        """Return when (ms) ``turn`` is due again although nothing has come; None if it will not be."""
        turns = [at for series in self._series.values() if (at := series.next_turn(now)) is not None]
        return min(turns, default=None)

    def changes(self, metrics: frozenset[str], since: int, offset: int, now: int) -> MetricsMessage:
        """Return what has changed of these metrics after the state ``since``; NOTHING_SENT gives the newest of all."""
        flat = self._flat(metrics, since)
        if since != NOTHING_SENT and (earlier := self._earlier(metrics, since, now)):
            flat["earlier"] = earlier
        return MetricsMessage(site=self.name, offset=offset, timestamp=now, **flat)

    def remembers(self, metrics: frozenset[str], since: int, alert_since: int) -> bool:
        """Say whether all is still known that came after these offsets: of the metrics, and of the alerts."""
        forgotten = max((self._series[metric].forgotten for metric in metrics), default=NOTHING_SENT)
        return since >= max(forgotten, self._since) and alert_since >= max(self._forgotten_alert, self._since)

    def has_changed(self, metrics: frozenset[str], since: int) -> bool:
        """Say whether ``changes`` would tell anything."""
        return any(
            max(self._shown[metric].ended_offset, self._shown[metric].current_offset, self._series[metric].newest)
            > since
            for metric in metrics
        )

    def alerts_after(self, offset: int) -> list[AlertMessage]:
        """Return the alerts that came after an offset, oldest first."""
        return [alert for alert in self._alerts if alert.offset > offset]

    def snapshot(self, metrics: frozenset[str], offset: int, now: int) -> Snapshot:
        """Return the whole state of these metrics with their last points and the site's last alerts."""
        points = {
            _TO_WIRE[metric]: [_point(update) for update in self._series[metric].points(now)] for metric in metrics
        }
        flat = self._flat(metrics, NOTHING_SENT)
        alerts = list(self._alerts)[-RECENT_ALERTS:]
        alerts = [alert for alert in self._about_site if alert.offset < alerts[0].offset] + alerts
        return Snapshot(site=self.name, offset=offset, timestamp=now, points=points, alerts=alerts, **flat)

    def _earlier(self, metrics: frozenset[str], since: int, now: int) -> dict[str, list[Point]]:
        earlier = {}
        for metric in METRICS:
            newest = self._shown[metric].ended
            if metric in metrics and newest is not None and self._series[metric].newest > since:
                changed = self._series[metric].changed(since, now)
                earlier[_TO_WIRE[metric]] = [_point(one) for one in changed if one.window_end < newest.window_end]
        return {wire: points for wire, points in earlier.items() if points}

    def _flat(self, metrics: frozenset[str], since: int) -> dict[str, Any]:
        shown = {metric: self._shown[metric] for metric in METRICS if metric in metrics}
        ended = {metric: one.ended for metric, one in shown.items() if one.ended is not None}
        flat: dict[str, Any] = {
            metric: _value(update) for metric, update in ended.items() if shown[metric].ended_offset > since
        }
        if flat or since == NOTHING_SENT:
            flat["windows"] = {_TO_WIRE[metric]: _window(update) for metric, update in ended.items()}
        if since == NOTHING_SENT or any(one.current_offset > since for one in shown.values()):
            current = {metric: _value(one.current) for metric, one in shown.items() if one.current is not None}
            flat["current"] = Values(**current)
        return flat


def _value(update: MetricUpdate) -> Any:
    return (update.dimensions or []) if update.metric in LISTS else update.value


def _window(update: MetricUpdate) -> Window:
    return Window(end=update.window_end, final=update.final, revision=update.revision)


def _point(update: MetricUpdate) -> Point:
    dimensions: list[Dimension] | Any = (update.dimensions or []) if update.metric in LISTS else UNSET
    return Point(window_end=update.window_end, value=update.value, final=update.final, dimensions=dimensions)

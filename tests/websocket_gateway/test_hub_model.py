"""A client that lays the messages over each other always ends up with the true state, whatever happens in between.

However slow it reads, and whenever it loses its connection and what was under way in it.
"""

import json
from operator import itemgetter
from typing import Any

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec import UNSET

from tests.websocket_gateway.made import alert, update
from tidemark.results import ACTIVE_USERS, CONVERSION_RATE, POPULAR_CONTENT, MetricUpdate
from websocket_gateway.client import Client
from websocket_gateway.hub import Hub
from websocket_gateway.protocol import Limits, Subscribed, encode

Point = tuple[int, object, bool]

POINTS = 3
WIRE = {ACTIVE_USERS: "activeUsers", CONVERSION_RATE: "conversionRate", POPULAR_CONTENT: "popularContent"}
SITES = ("default", "b")


class Truth:
    """What the updates say, kept the slow way: every window for ever."""

    def __init__(self) -> None:
        self.windows: dict[tuple[str, str], dict[int, MetricUpdate]] = {
            (site, metric): {} for site in SITES for metric in WIRE
        }
        self.alerts: dict[str, list[str]] = {site: [] for site in SITES}

    def take(self, new: MetricUpdate) -> None:
        windows = self.windows[new.site_id, new.metric]
        known = windows.get(new.window_end)
        if known is None or (not known.final and (new.final or new.revision >= known.revision)):
            windows[new.window_end] = new

    def points(self, site: str, metric: str, now: int) -> list[MetricUpdate]:
        windows = self.windows[site, metric]
        return [windows[end] for end in sorted(windows) if end <= now][-POINTS:]

    def current(self, site: str, metric: str, now: int) -> MetricUpdate | None:
        held = [one for one in self.windows[site, metric].values() if one.window_start <= now < one.window_end]
        return min(held, key=lambda one: one.window_end, default=None)

    def state(self, site: str, metrics: set[str], now: int) -> dict[str, object]:
        lasts = {metric: points[-1] for metric in metrics if (points := self.points(site, metric, now))}
        opens = {metric: one for metric in metrics if (one := self.current(site, metric, now))}
        return {
            **{WIRE[metric]: _shown(last) for metric, last in lasts.items()},
            "windows": {
                WIRE[metric]: {"end": last.window_end, "final": last.final, "revision": last.revision}
                for metric, last in lasts.items()
            },
            "current": {WIRE[metric]: _shown(one) for metric, one in opens.items()},
        }


def _shown(one: MetricUpdate) -> object:
    if one.metric == POPULAR_CONTENT:
        return [{"key": entry.key, "value": entry.value} for entry in one.dimensions or []]
    return one.value


class Reader:
    """A client that merges what it is sent and resumes after a lost connection."""

    def __init__(self, hub: Hub, now: int) -> None:
        self.client: Client | None = hub.connect(now)[0]
        self.metrics: dict[str, set[str]] = {}
        self.states: dict[str, dict[str, object]] = {}
        self.points: dict[str, dict[str, dict[int, Point]]] = {}
        self.alerts: dict[str, list[str]] = {}
        self.offsets: dict[str, int] = {}
        self.alert_offsets: dict[str, int] = {}

    def subscribe(self, hub: Hub, now: int, site: str, since: dict[str, object] | None = None) -> bool:
        """Subscribe; say whether a snapshot came."""
        wanted = [WIRE[metric] for metric in sorted(self.metrics[site])]
        request = {"action": "subscribe", "site": site, "metrics": wanted, "since": since}
        assert self.client is not None
        answer = hub.receive(self.client, json.dumps(request), now)
        assert isinstance(answer, Subscribed)
        if answer.snapshot is UNSET:
            assert answer.recovered is True
            return False
        assert answer.recovered is (UNSET if since is None else False)
        snapshot = json.loads(encode(answer))["snapshot"]
        points = snapshot.pop("points")
        self.points[site] = {name: {one["windowEnd"]: _point(one) for one in points[name]} for name in wanted}
        self.alerts[site] = [one["alertId"] for one in snapshot.pop("alerts")]
        self.offsets[site] = self.alert_offsets[site] = snapshot["offset"]
        self.states[site] = _told(snapshot)
        return True

    def leave(self, hub: Hub) -> None:
        """Lose the connection, and what was in its outbox."""
        if self.client is not None:
            hub.disconnect(self.client)
        self.client = None

    def resume(self, hub: Hub, now: int) -> None:
        """Come back on another connection."""
        self.client, hello = hub.connect(now)
        for site in self.metrics:
            since = {"epoch": hello.epoch, "offset": self.offsets[site], "alertOffset": self.alert_offsets[site]}
            self.subscribe(hub, now, site, since)

    def read(self, hub: Hub, at_most: int) -> None:
        for _ in range(at_most):
            encoded = None if self.client is None else hub.next_message(self.client)
            if encoded is None:
                return
            message = json.loads(encoded)
            if message["type"] == "alert":
                self._take_alert(message)
            else:
                self._lay_over(message)

    def _take_alert(self, message: dict[str, Any]) -> None:
        site = message["siteId"]
        assert message["offset"] > self.alert_offsets[site]
        self.alert_offsets[site] = message["offset"]
        self.alerts[site].append(message["alertId"])

    def _lay_over(self, message: dict[str, Any]) -> None:
        site = message["site"]
        assert message["offset"] > self.offsets[site]
        self.offsets[site] = message["offset"]
        told = _told(message)
        self.states[site] |= told
        for name, earlier in message.get("earlier", {}).items():
            assert earlier
            for one in earlier:
                assert self.points[site][name].get(one["windowEnd"]) != _point(one), "told twice"
                self.points[site][name][one["windowEnd"]] = _point(one)
        for name, window in message.get("windows", {}).items():
            if name in told:
                self.points[site][name][window["end"]] = (window["end"], told[name], window["final"])


def _point(told: dict[str, Any]) -> Point:
    return told["windowEnd"], told.get("dimensions", told["value"]), told["final"]


def _told(message: dict[str, Any]) -> dict[str, object]:
    others = ("type", "site", "timestamp", "offset", "earlier")
    return {name: value for name, value in message.items() if name not in others}


class HubMachine(RuleBasedStateMachine):
    """Updates in any order, time, flushes and three clients of any pace."""

    @initialize()
    def start(self) -> None:
        self.now = 600_000
        self.hub = Hub("epoch", Limits(points=POINTS, simple_interval_ms=10**9, max_messages_per_second=10**6))
        self.truth = Truth()
        self.readers = [Reader(self.hub, self.now) for _ in range(3)]
        for number in range(3):
            self.subscribe(number, "default", set(WIRE))

    @rule(
        site=st.sampled_from(SITES),
        metric=st.sampled_from(sorted(WIRE)),
        window=st.integers(-5, 8),
        value=st.integers(0, 5),
        revision=st.integers(1, 4),
        final=st.booleans(),
    )
    def update(self, site: str, metric: str, window: int, value: int, revision: int, final: bool) -> None:
        step = 5_000 if metric == ACTIVE_USERS else 10_000
        end = (self.now // step + window) * step
        dimensions = [("/", value)] if metric == POPULAR_CONTENT else None
        new = update(metric, end, value, revision=revision, final=final, site=site, dimensions=dimensions)
        self.truth.take(new)
        self.hub.take(new, self.now)

    @rule(ms=st.integers(1, 12_000))
    def wait(self, ms: int) -> None:
        self.now += ms

    @rule(
        site=st.sampled_from(SITES),
        metric=st.sampled_from(sorted(WIRE)),
        flushed=st.lists(st.booleans(), min_size=1, max_size=POINTS + 1),
    )
    def windows_pass(self, site: str, metric: str, flushed: list[bool]) -> None:
        """One window after the other is open, and shown as such or not, until it ends."""
        for number, shown in enumerate(flushed):
            self.update(site, metric, 1, number, 5, number % 2 == 0)
            if shown:
                self.flush()
            self.now += 5_000 if metric == ACTIVE_USERS else 10_000

    @rule()
    def flush(self) -> None:
        self.hub.flush(self.now)

    @rule(number=st.integers(0, 2), at_most=st.integers(1, 3))
    def read(self, number: int, at_most: int) -> None:
        self.readers[number].read(self.hub, at_most)

    @rule(site=st.sampled_from(SITES))
    def alert(self, site: str) -> None:
        name = f"{site}-{len(self.truth.alerts[site])}"
        self.truth.alerts[site].append(name)
        self.hub.take_alert(alert(name, site), self.now)

    @rule(number=st.integers(0, 2), site=st.sampled_from(SITES), metrics=st.sets(st.sampled_from(sorted(WIRE))))
    def subscribe(self, number: int, site: str, metrics: set[str]) -> None:
        reader = self.readers[number]
        if reader.client is not None:
            reader.metrics[site] = metrics
            assert reader.subscribe(self.hub, self.now, site)

    @rule(number=st.integers(0, 2), site=st.sampled_from(SITES))
    def unsubscribe(self, number: int, site: str) -> None:
        reader = self.readers[number]
        if reader.client is not None:
            self.hub.receive(reader.client, json.dumps({"action": "unsubscribe", "site": site}), self.now)
            reader.metrics.pop(site, None)

    @rule(number=st.integers(0, 2))
    def leave(self, number: int) -> None:
        self.readers[number].leave(self.hub)

    @rule(number=st.integers(0, 2))
    def resume(self, number: int) -> None:
        self.readers[number].leave(self.hub)
        self.readers[number].resume(self.hub, self.now)

    @rule()
    def everyone_catches_up(self) -> None:
        self.hub.flush(self.now)
        for reader in self.readers:
            if reader.client is None:
                reader.resume(self.hub, self.now)
            reader.read(self.hub, 1_000)
            for site, metrics in reader.metrics.items():
                assert reader.states[site] == self.truth.state(site, metrics, self.now)
                assert reader.alerts[site] == self.truth.alerts[site]
                for metric in metrics:
                    points = self.truth.points(site, metric, self.now)
                    told = sorted(reader.points[site][WIRE[metric]].values(), key=itemgetter(0))[-POINTS:]
                    assert told == [(one.window_end, _shown(one), one.final) for one in points]

    @invariant()
    def outboxes_are_bounded(self) -> None:
        for reader in getattr(self, "readers", ()):
            assert reader.client is None or len(reader.client._changed) <= len(SITES)


TestHub = HubMachine.TestCase
TestHub.settings = hypothesis_settings(max_examples=60, stateful_step_count=40, deadline=None)

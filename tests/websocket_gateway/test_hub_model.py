"""A client that lays the messages over each other always ends up with the true state, whatever happens in between."""

import json
from typing import Any

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.websocket_gateway.made import update
from tidemark.results import ACTIVE_USERS, CONVERSION_RATE, POPULAR_CONTENT, MetricUpdate
from websocket_gateway.hub import Hub
from websocket_gateway.protocol import Limits, Subscribed

POINTS = 3
WIRE = {ACTIVE_USERS: "activeUsers", CONVERSION_RATE: "conversionRate", POPULAR_CONTENT: "popularContent"}
SITES = ("default", "b")


class Truth:
    """What the updates say, kept the slow way: every window for ever."""

    def __init__(self) -> None:
        self.windows: dict[tuple[str, str], dict[int, MetricUpdate]] = {
            (site, metric): {} for site in SITES for metric in WIRE
        }

    def take(self, new: MetricUpdate) -> None:
        windows = self.windows[new.site_id, new.metric]
        known = windows.get(new.window_end)
        if known is None or (not known.final and (new.final or new.revision > known.revision)):
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
    """A client that merges what it is sent; ``offset`` is that of the last message about each site."""

    def __init__(self, hub: Hub, now: int) -> None:
        self.client, _ = hub.connect(now)
        self.metrics: dict[str, set[str]] = {}
        self.states: dict[str, dict[str, object]] = {}
        self.offsets: dict[str, int] = {}

    def lay_over(self, site: str, message: dict[str, Any]) -> None:
        assert message.pop("offset") > self.offsets.get(site, -1)
        self.states[site] |= {
            name: value for name, value in message.items() if name not in ("type", "site", "timestamp")
        }

    def read(self, hub: Hub, at_most: int) -> None:
        for _ in range(at_most):
            encoded = hub.next_message(self.client)
            if encoded is None:
                return
            message = json.loads(encoded)
            offset = message["offset"]
            self.lay_over(message["site"], message)
            self.offsets[message["site"]] = offset


class HubMachine(RuleBasedStateMachine):
    """Updates in any order, time, flushes and three clients of any pace."""

    @initialize()
    def start(self) -> None:
        self.now = 600_000
        self.hub = Hub("epoch", Limits(points=POINTS, simple_interval_ms=10**9, max_messages_per_second=10**6))
        self.truth = Truth()
        self.readers = [Reader(self.hub, self.now) for _ in range(3)]

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

    @rule()
    def flush(self) -> None:
        self.hub.flush(self.now)

    @rule(number=st.integers(0, 2), at_most=st.integers(1, 3))
    def read(self, number: int, at_most: int) -> None:
        self.readers[number].read(self.hub, at_most)

    @rule(number=st.integers(0, 2), site=st.sampled_from(SITES), metrics=st.sets(st.sampled_from(sorted(WIRE))))
    def subscribe(self, number: int, site: str, metrics: set[str]) -> None:
        reader = self.readers[number]
        request = {"action": "subscribe", "site": site, "metrics": [WIRE[metric] for metric in metrics]}
        answer = self.hub.receive(reader.client, json.dumps(request), self.now)
        assert isinstance(answer, Subscribed)
        snapshot = json.loads(bytes(answer.snapshot))
        reader.metrics[site], reader.states[site] = metrics, {}
        points, at = snapshot.pop("points"), snapshot["timestamp"]
        assert {name: [point["windowEnd"] for point in shown] for name, shown in points.items()} == {
            WIRE[metric]: [one.window_end for one in self.truth.points(site, metric, at)] for metric in metrics
        }
        reader.offsets[site] = snapshot.pop("offset")
        reader.states[site] = {
            name: value for name, value in snapshot.items() if name not in ("site", "timestamp", "alerts")
        }

    @rule(number=st.integers(0, 2), site=st.sampled_from(SITES))
    def unsubscribe(self, number: int, site: str) -> None:
        reader = self.readers[number]
        self.hub.receive(reader.client, json.dumps({"action": "unsubscribe", "site": site}), self.now)
        reader.metrics.pop(site, None)

    @rule()
    def everyone_catches_up(self) -> None:
        self.hub.flush(self.now)
        for reader in self.readers:
            reader.read(self.hub, 1_000)
            for site, metrics in reader.metrics.items():
                assert reader.states[site] == self.truth.state(site, metrics, self.now)

    @invariant()
    def outboxes_are_bounded(self) -> None:
        for reader in getattr(self, "readers", ()):
            assert len(reader.client._changed) <= len(SITES)


TestHub = HubMachine.TestCase
TestHub.settings = hypothesis_settings(max_examples=60, stateful_step_count=40, deadline=None)

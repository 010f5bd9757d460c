"""The gateway's core: takes updates, alerts and clients' requests, and says what to send to whom. Pure: time comes in.

The hub counts its states: each ``flush`` makes one, each alert another, and its number is the ``offset`` of what is
sent of it. For each client and site it remembers the offset that was sent, so the next message is what has changed
since then: conflation for free, clients of a format that keep pace share one encoding, who comes back is like one that
was slow.
"""

from collections.abc import Sequence
from itertools import islice, takewhile

from msgspec import Raw, structs

from tidemark.events import DEFAULT_SITE
from tidemark.results import METRICS, Alert, MetricUpdate, SessionSummary
from websocket_gateway.client import Client, Subscription
from websocket_gateway.codes import FORBIDDEN, RATE_LIMITED, TOO_MANY_SITES
from websocket_gateway.formats import JSON, Format, Shared
from websocket_gateway.protocol import (
    ALL_METRICS,
    AlertMessage,
    ErrorMessage,
    Hello,
    History,
    Limits,
    MetricsMessage,
    Ping,
    Pong,
    ServerMessage,
    Since,
    Snapshot,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
    wire_names,
)
from websocket_gateway.requests import RequestError, decode_request, metrics_of, site_of
from websocket_gateway.series import NOTHING_SENT
from websocket_gateway.site import Site
from websocket_gateway.visits import Visits

#: A site that has been silent for so long is forgotten (ms).
FORGET_AFTER_MS = 3_600_000
#: An alert whose id is among the last so many is a repetition.
REMEMBERED_ALERTS = 10_000


class Hub:
    """All sites and all clients. ``offset`` is the newest state's or alert's, ``conflated`` counts skipped updates.

    ``sent_bytes`` counts those of messages as they are sent.

    Every ``now`` is ms since the epoch, of one clock. ``funnel``: the setting, by which its steps are called.
    """

    def __init__(self, epoch: str, limits: Limits, funnel: Sequence[str] = ()) -> None:
        self.epoch = epoch
        self.limits = limits
        self.offset = 0
        self.conflated = 0
        self.sent_bytes = 0
        self._now = 0
        self._state = 0
        self._forgot_sites = NOTHING_SENT
        self._sites: dict[str, Site] = {}
        self._subscribers: dict[str, set[Client]] = {}
        self._dirty: set[str] = set()
        self._turns: dict[str, int] = {}
        self._ready: set[Client] = set()
        self._simple: dict[Client, int] = {}
        self._changes: dict[tuple[str, frozenset[str], int], Shared[MetricsMessage]] = {}
        self._snapshots: dict[tuple[str, frozenset[str]], Shared[Snapshot]] = {}
        self._visits = Visits(funnel)
        self._alert_ids: dict[str, None] = {}
        self._swept_at = 0

    def take(self, update: MetricUpdate, now: int) -> bool:
        """Take a metric's update; False if it is no news, or of a metric this gateway does not know."""
        if update.metric not in METRICS:
            return False
        name = update.site_id
        news = self._sites.setdefault(name, self._site(name)).take(update, now)
        if news and name in self._subscribers:
            self._dirty.add(name)
        return news

    def take_visit(self, visit: SessionSummary, now: int) -> bool:
        """Take a visit that is over; False if it is a repetition, or of long ago."""
        return self._visits.take(visit, now)

    def take_alert(self, alert: Alert, now: int) -> bool:
        """Take an alert and put it into the outboxes of its site's subscribers; False if it is a repetition."""
        if alert.alert_id in self._alert_ids:
            return False
        self._alert_ids[alert.alert_id] = None
        if len(self._alert_ids) > REMEMBERED_ALERTS:
            del self._alert_ids[next(iter(self._alert_ids))]
        name = alert.site_id
        self.offset += 1
        self._snapshots.clear()
        message = AlertMessage(**structs.asdict(alert), offset=self.offset)
        self._sites.setdefault(name, self._site(name)).keep_alert(message, now)
        clients = self._subscribers.get(name)
        if clients:
            shared = Shared(message)
            for client in clients:
                client.put_alert(shared)
            self._ready.update(clients)
        return True

    def connect(self, now: int, sites: frozenset[str] | None = None, format: Format = JSON) -> tuple[Client, Hello]:
        """Let a client in that may see these sites (None: all); return it with what to send it first."""
        client = Client(self.limits.alerts, sites, format)
        if client.may_see(DEFAULT_SITE):
            self._simple[client] = now + self.limits.simple_interval_ms
        return client, Hello(epoch=self.epoch, server_time=now, limits=self.limits)

    def disconnect(self, client: Client) -> None:
        """Forget a client."""
        for name in list(client.subscriptions):
            self._leave(client, name)
        self._simple.pop(client, None)
        self._ready.discard(client)

    def receive(self, client: Client, raw: str | bytes, now: int) -> ServerMessage | History:
        """Do what a client asks and return the answer, an ErrorMessage when it can not be done.

        History is nothing the hub knows: such a request is returned as it is, checked, for others to answer.
        The answer is to be sent before anything that ``next_message`` gives from now on. Raises TooManyMessages.
        """
        allowed = client.count_message(now, self.limits.max_messages_per_second)
        try:
            request = decode_request(raw, client.format)
            if not allowed:
                text = f"message: expected at most {self.limits.max_messages_per_second} a second, got more"
                return ErrorMessage(id=request.id, code=RATE_LIMITED, message=text, temporary=True)
            if not isinstance(request, Ping):
                _check_site(client, request)
            match request:
                case Subscribe():
                    return self._subscribe(client, request, now)
                case Unsubscribe():
                    return self._unsubscribe(client, request)
                case History():
                    return request
                case Ping():
                    return Pong(id=request.id, server_time=now)
        except RequestError as error:
            return error.answer

    def flush(self, now: int) -> set[Client]:
        """Make a new state of all that has come or is due; return the clients that have something to be sent."""
        self._next_state(now)
        due = {name for name, at in self._turns.items() if at <= now}
        for name in self._dirty | due:
            self._turn(name)
        self._dirty.clear()
        for client, name in self._visits.turn(now, self.offset):
            self.conflated += client.mark_visits(name)
            self._ready.add(client)
        self._serve_simple_clients()
        self._sweep()
        ready, self._ready = self._ready, set()
        return ready

    def due(self) -> int | None:
        """Return when (ms) to flush at the latest even if nothing comes: something ends, or a simple client waits."""
        return min([*self._turns.values(), *self._visits.due(), *islice(self._simple.values(), 1)], default=None)

    def next_message(self, client: Client) -> bytes | None:
        """Take a client's next message, encoded; None if it has been sent everything."""
        visited = client.next_visits()
        if visited is not None:
            return self._visits.shown(visited).encoded(client.format)
        name = client.next_site()
        if name is None:
            return client.next_alert()
        subscription = client.subscriptions[name]
        key = (name, subscription.metrics, subscription.sent)
        changes = self._changes.get(key)
        if changes is None:
            told = self._site(name).changes(subscription.metrics, subscription.sent, self._state, self._now)
            changes = self._changes[key] = Shared(told)
        subscription.sent = NOTHING_SENT if client in self._simple else self._state
        return changes.encoded(client.format)

    def _subscribe(self, client: Client, request: Subscribe, now: int) -> Subscribed | ErrorMessage:
        name, metrics = site_of(request), metrics_of(request)
        if self._simple.pop(client, None):
            self._leave(client, DEFAULT_SITE)
        if name not in client.subscriptions and len(client.subscriptions) == self.limits.max_sites:
            text = f"site: expected at most {self.limits.max_sites} at a time, got another"
            return ErrorMessage(id=request.id, code=TOO_MANY_SITES, message=text)
        if name in self._dirty or name not in self._subscribers or self._turns.get(name, now + 1) <= now:
            self._next_state(now)
            self._turn(name)
            self._dirty.discard(name)
        answer = Subscribed(id=request.id, site=name, metrics=wire_names(metrics))
        if request.since is not None:
            answer.recovered = self._resume(client, name, metrics, request.since)
        if answer.recovered is not True:
            self._join(client, name, Subscription(metrics, self.offset))
            answer.snapshot = Raw(self._snapshot(name, metrics).encoded(client.format))
        self._visits.leave(client, name)
        if request.visits:
            self._visits.join(client, name, now)
        return answer

    def _resume(self, client: Client, name: str, metrics: frozenset[str], since: Since) -> bool:
        """Put into a client's outbox what it has missed; False if not all of that is known."""
        site = self._site(name)
        alert_offset = since.offset if since.alert_offset is None else since.alert_offset
        if since.epoch != self.epoch or max(since.offset, alert_offset) > self.offset:
            return False
        if not site.remembers(metrics, since.offset, alert_offset):
            return False
        self._join(client, name, Subscription(metrics, since.offset))
        for alert in site.alerts_after(alert_offset):
            client.put_alert(Shared(alert))
        if site.has_changed(metrics, since.offset):
            client.mark(name)
        self._ready.add(client)
        return True

    def _unsubscribe(self, client: Client, request: Unsubscribe) -> Unsubscribed:
        name = site_of(request)
        left: frozenset[str] = frozenset()
        subscription = client.subscriptions.get(name)
        if subscription is not None and client not in self._simple:
            left = subscription.metrics - metrics_of(request)
            if request.metrics is None:
                self._leave(client, name)
            else:
                subscription.metrics = left
        return Unsubscribed(id=request.id, site=name, metrics=wire_names(left))

    def _join(self, client: Client, name: str, subscription: Subscription) -> None:
        client.forget(name)
        client.subscriptions[name] = subscription
        self._subscribers.setdefault(name, set()).add(client)

    def _leave(self, client: Client, name: str) -> None:
        client.forget(name)
        self._visits.leave(client, name)
        clients = self._subscribers.get(name, set())
        clients.discard(client)
        if not clients:
            self._subscribers.pop(name, None)
            self._turns.pop(name, None)
            self._dirty.discard(name)

    def _snapshot(self, name: str, metrics: frozenset[str]) -> Shared[Snapshot]:
        snapshot = self._snapshots.get((name, metrics))
        if snapshot is None:
            snapshot = Shared(self._site(name).snapshot(metrics, self.offset, self._now))
            self._snapshots[name, metrics] = snapshot
        return snapshot

    def _next_state(self, now: int) -> None:
        self._now = now
        self.offset += 1
        self._state = self.offset
        self._changes.clear()
        self._snapshots.clear()

    def _turn(self, name: str) -> None:
        """Show a site as it is now, and mark it in the outboxes of those who will see the difference."""
        site = self._site(name)
        changed = site.turn(self._now, self.offset)
        at = site.next_turn(self._now)
        if at is None:
            self._turns.pop(name, None)
        else:
            self._turns[name] = at
        for client in self._subscribers.get(name, ()):
            if client not in self._simple and not changed.isdisjoint(client.subscriptions[name].metrics):
                self.conflated += client.mark(name)
                self._ready.add(client)

    def _serve_simple_clients(self) -> None:
        """Mark the whole default site for each client that has subscribed to nothing and whose interval is over."""
        waiting = list(takewhile(lambda client: self._simple[client] <= self._now, self._simple))
        for client in waiting:
            del self._simple[client]
            self._simple[client] = self._now + self.limits.simple_interval_ms
            if not client.subscriptions:
                self._join(client, DEFAULT_SITE, Subscription(ALL_METRICS))
            self.conflated += client.mark(DEFAULT_SITE)
        if waiting:
            self._turn(DEFAULT_SITE)
            self._ready.update(waiting)

    def _sweep(self) -> None:
        """Forget silent sites, once a minute."""
        if self._now - self._swept_at < 60_000:
            return
        self._swept_at = self._now
        silent = [name for name, site in self._sites.items() if self._now - site.updated_at >= FORGET_AFTER_MS]
        for name in silent:
            del self._sites[name]
            self._turns.pop(name, None)
            self._forgot_sites = self.offset
        self._visits.forget(self._now - FORGET_AFTER_MS)

    def _site(self, name: str) -> Site:
        """The site, or a blank one if nothing was heard of it: asking for a site costs no memory."""
        return self._sites.get(name) or Site(name, self.limits, self._forgot_sites)


def _check_site(client: Client, request: Subscribe | Unsubscribe | History) -> None:
    """Raise RequestError if a request is about a site that the client may not see."""
    if not client.may_see(site_of(request)):
        text = f"site: expected one of your token's, got {site_of(request)}"
        raise RequestError(ErrorMessage(id=request.id, code=FORBIDDEN, message=text))

"""One connection as the hub sees it: its subscriptions, and its outbox of what it is still to be sent. Pure."""

import msgspec
from msgspec import Struct

from websocket_gateway.formats import JSON, Format, Shared
from websocket_gateway.protocol import AlertMessage
from websocket_gateway.series import NOTHING_SENT


class TooManyMessages(Exception):
    """A client goes on sending more than it may."""


class Subscription(Struct):
    """What a client wants of a site, and the offset of the state it has been sent."""

    metrics: frozenset[str]
    sent: int = NOTHING_SENT


class Client:
    """A client and its outbox. ``sites``: those it may see, None for all; ``format``: that of its messages.

    The outbox holds no values: only which sites have changed since they were sent, themselves or their visits, so that
    a slow client gets their newest state and costs no memory; and at most ``alerts`` alerts, of which the oldest gives
    way (``lagged`` counts).
    """

    def __init__(self, alerts: int, sites: frozenset[str] | None = None, format: Format = JSON) -> None:
        self.format = format
        self.subscriptions: dict[str, Subscription] = {}
        self.lagged = 0
        self._changed: dict[str, None] = {}
        self._visits: dict[str, None] = {}
        self._alerts: list[Shared[AlertMessage]] = []  # a deque is larger while it is empty, as most are
        self._max_alerts = alerts
        self._alert_is_next = True
        self._sites = sites
        self._second = 0
        self._messages = 0

    def may_see(self, site: str) -> bool:
        """Say whether a site is one of the client's."""
        return self._sites is None or site in self._sites

    def mark(self, site: str) -> bool:
        """Note that a site has changed; say whether it had changed before and that was never sent (conflated)."""
        conflated = site in self._changed
        self._changed[site] = None
        return conflated

    def mark_visits(self, site: str) -> bool:
        """Note that a site's visits are to be sent; say whether they were before and have not been (conflated)."""
        conflated = site in self._visits
        self._visits[site] = None
        return conflated

    def forget(self, site: str) -> None:
        """Drop a site: its subscription and what was to be sent of its metrics, visits and alerts."""
        self.subscriptions.pop(site, None)
        self._changed.pop(site, None)
        self._visits.pop(site, None)
        self._alerts = [waiting for waiting in self._alerts if waiting.message.site_id != site]

    def put_alert(self, alert: Shared[AlertMessage]) -> None:
        """Add an alert."""
        if len(self._alerts) == self._max_alerts:
            del self._alerts[0]
            self.lagged += 1
        self._alerts.append(alert)

    def next_visits(self) -> str | None:
        """Take the site whose visits are to be sent next; they come first, there are few of them."""
        site = next(iter(self._visits), None)
        if site is not None:
            del self._visits[site]
        return site

    def next_site(self) -> str | None:
        """Take the site whose state is to be sent next; None if it is an alert's turn, or nothing has changed."""
        if not self._changed or (self._alerts and self._alert_is_next):
            return None
        self._alert_is_next = True
        site = next(iter(self._changed))
        del self._changed[site]
        return site

    def next_alert(self) -> bytes | None:
        """Take the oldest alert, encoded; it tells how many before it were lost."""
        if not self._alerts:
            return None
        self._alert_is_next = False
        alert = self._alerts.pop(0)
        if not self.lagged:
            return alert.encoded(self.format)
        told, self.lagged = msgspec.structs.replace(alert.message, lagged=self.lagged), 0
        return self.format.encode(told)

    def count_message(self, now: int, limit: int) -> bool:
        """Count a message of the client; say whether it is within the limit a second.

        Raises TooManyMessages at four times the limit.
        """
        if now // 1000 != self._second:
            self._second, self._messages = now // 1000, 0
        self._messages += 1
        if self._messages > 4 * limit:
            raise TooManyMessages
        return self._messages <= limit

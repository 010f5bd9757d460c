"""All sites' visits as the hub shows them: who wants which site's, and when they are told anew. Pure."""

from collections.abc import Collection, Iterable, Sequence

from tidemark.results import SessionSummary
from websocket_gateway.client import Client
from websocket_gateway.formats import Shared
from websocket_gateway.journeys import Journeys
from websocket_gateway.protocol import VisitsMessage

#: A site's visits are told so often at most (ms).
INTERVAL_MS = 1_000


class Visits:
    """Each site's journeys, and of the sites that somebody wants the state that is shown.

    A state is made when the first client joins, and then when something has changed: a visit has come, or old ones
    have left the funnel. Every ``now`` is ms since the epoch.
    """

    def __init__(self, funnel: Sequence[str]) -> None:
        self._funnel = funnel
        self._sites: dict[str, Journeys] = {}
        self._clients: dict[str, set[Client]] = {}
        self._newcomers: dict[tuple[Client, str], None] = {}
        self._shown: dict[str, Shared[VisitsMessage]] = {}
        self._turns: dict[str, int] = {}

    def take(self, visit: SessionSummary, now: int) -> bool:
        """Take a visit; say whether it changes anything."""
        name = visit.site_id
        if name not in self._sites:
            self._sites[name] = Journeys(self._funnel)
        news = self._sites[name].take(visit, now)
        if news and name in self._shown:
            at = self._shown[name].message.timestamp + INTERVAL_MS
            self._turns[name] = min(self._turns.get(name, at), at)
        return news

    def join(self, client: Client, name: str, now: int) -> None:
        """Let a client have a site's visits, from the next ``turn`` on."""
        self._clients.setdefault(name, set()).add(client)
        self._newcomers[client, name] = None
        if name not in self._shown:
            self._turns[name] = now

    def leave(self, client: Client, name: str) -> None:
        """Let a client have a site's visits no more, if it had."""
        clients = self._clients.get(name, set())
        clients.discard(client)
        self._newcomers.pop((client, name), None)
        if not clients:
            for known in (self._clients, self._shown, self._turns):
                known.pop(name, None)

    def turn(self, now: int, offset: int) -> Iterable[tuple[Client, str]]:
        """Make what is due the state ``offset``; return to whom which site's is to be sent."""
        told, self._newcomers = self._newcomers, {}
        for name in [name for name, at in self._turns.items() if at <= now]:
            if self._show(name, now, offset):
                told.update(((client, name), None) for client in self._clients[name])
        return told

    def due(self) -> Collection[int]:
        """Return when (ms) ``turn`` is due although nothing comes."""
        return self._turns.values()

    def shown(self, name: str) -> Shared[VisitsMessage]:
        """Return a site's state as it is shown. Raises KeyError if nobody wants it."""
        return self._shown[name]

    def forget(self, until: int) -> None:
        """Forget the sites of which no visit has come since then (ms)."""
        for name in [name for name, journeys in self._sites.items() if journeys.updated_at <= until]:
            del self._sites[name]
            if name in self._shown:
                self._turns[name] = until

    def _show(self, name: str, now: int, offset: int) -> bool:
        """Show a site as it is now; say whether it looks different."""
        journeys = self._sites.get(name) or Journeys(self._funnel)
        latest, funnel = journeys.latest(), journeys.funnel(now)
        at = journeys.next_turn()
        if at is None:
            self._turns.pop(name)
        else:
            self._turns[name] = max(at, now + INTERVAL_MS)
        known = self._shown.get(name)
        if known is not None and (known.message.latest, known.message.funnel) == (latest, funnel):
            return False
        message = VisitsMessage(site=name, offset=offset, timestamp=now, latest=latest, funnel=funnel)
        self._shown[name] = Shared(message)
        return True

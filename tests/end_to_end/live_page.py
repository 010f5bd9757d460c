"""A page that keeps up with the gateway: lays each message over what it has, as the protocol says."""

import json
from typing import Any

from websockets.sync.client import ClientConnection

Message = dict[str, Any]


class LivePage:
    """One client; ``finals`` are all final values it was shown, by (site, wire name, window end)."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._states: dict[str, Message] = {}
        self.finals: dict[tuple[str, str, int], Any] = {}
        self.alerts: dict[str, Message] = {}

    def subscribe(self, site: str) -> Message:
        """Ask for all of a site; return its snapshot. What came before it is taken in first."""
        self._connection.send(json.dumps({"action": "subscribe", "site": site, "id": site}))
        while True:
            message = json.loads(self._connection.recv(timeout=20))
            if message["type"] == "subscribed":
                snapshot: Message = message["snapshot"]
                self._states[site] = {}
                self._take(snapshot)
                return snapshot
            if message["type"] == "metrics":
                self._take(message)
            elif message["type"] == "alert":
                self.alerts[message["alertId"]] = message

    def _take(self, message: Message) -> None:
        site = message["site"]
        state = self._states[site]
        state.update(message)
        for metric, window in state.get("windows", {}).items():
            if window["final"]:
                self.finals[site, metric, window["end"]] = state[metric]

"""One TCP connection of the gateway's port: its first request's head says whether it is a WebSocket's or plain HTTP."""

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any, cast

from websockets.asyncio.server import ServerConnection

from websocket_gateway.admission import Admission
from websocket_gateway.tokens import Rights

#: A plain request is answered, and the answer read, in this time: then the connection is cut.
RESPONSE_S = 30.0
MAX_HEAD_BYTES = 65_536

_HEAD_END = b"\r\n\r\n"
_ASKS_FOR_A_WEBSOCKET = re.compile(rb"\r\nupgrade:[ \t]*websocket[ \t]*\r\n", re.IGNORECASE)


class Door(ServerConnection):
    """A connection that is websockets' own, or goes on to the HTTP server, once the head of its request is here.

    ``rights``: what the client may see, from the moment it was let in. ``heard_at`` (monotonic, s): when it last sent
    anything.
    """

    # With these in its dict that one would be too large to share its keys with all others: 1 KiB a connection.
    __slots__ = (
        "_address", "_admission", "_deadline", "_handshake_s", "_has_place", "_head", "_http", "_make_http",
        "heard_at", "rights",
    )  # fmt: skip

    def __init__(
        self,
        *args: Any,
        http: Callable[[], asyncio.Protocol],
        admission: Admission,
        handshake_s: float,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.rights = Rights()
        self.heard_at = time.monotonic()
        self._admission = admission
        self._make_http = http
        self._handshake_s = handshake_s
        self._http: asyncio.Protocol | None = None
        self._head: bytes | None = b""
        self._address = ""
        self._has_place = False

    def take_place(self) -> None:
        """Stay connected: count among the live clients until the connection ends. Raises Refused."""
        self._admission.take_place(self._address)
        self._has_place = True
        self._deadline.cancel()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the head of a request, no longer than the handshake may take."""
        self.transport = cast(asyncio.Transport, transport)
        self._address = transport.get_extra_info("peername")[0]
        self._deadline = self.loop.call_later(self._handshake_s, self.transport.abort)

    def data_received(self, data: bytes) -> None:
        """Pass on what comes; keep it until the head is whole."""
        self.heard_at = time.monotonic()
        if self._http is not None:
            self._http.data_received(data)
        elif self._head is None:
            super().data_received(data)
        else:
            self._head += data
            if _HEAD_END in self._head or len(self._head) > MAX_HEAD_BYTES:
                self._open(self._head)

    def eof_received(self) -> None:
        """Pass on that the client sends no more."""
        if self._http is not None:
            self._http.eof_received()
        elif self._head is None:
            super().eof_received()

    def pause_writing(self) -> None:
        """Pass on that the client reads too slowly."""
        if self._http is not None:
            self._http.pause_writing()
        else:
            super().pause_writing()

    def resume_writing(self) -> None:
        """Pass on that there is room again."""
        if self._http is not None:
            self._http.resume_writing()
        else:
            super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give back the place, and pass on the end."""
        self._deadline.cancel()
        if self._has_place:
            self._admission.give_back(self._address)
        if self._http is not None:
            self._http.connection_lost(exc)
        elif self._head is None:
            super().connection_lost(exc)

    def _open(self, head: bytes) -> None:
        self._head = None
        self._deadline.cancel()
        if _ASKS_FOR_A_WEBSOCKET.search(head):
            super().connection_made(self.transport)
            super().data_received(head)
        else:
            self._deadline = self.loop.call_later(RESPONSE_S, self.transport.abort)
            self._http = self._make_http()
            self._http.connection_made(self.transport)
            self._http.data_received(head)

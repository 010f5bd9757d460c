"""A request as the door sees it: its headers and query, and its body, read within bounds of size, time and memory."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from ingestion.bodies import too_large
from ingestion.reasons import SLOW_CLIENT, UNAVAILABLE, Rejected

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_BEARER = "bearer "


class ClientGoneError(Exception):
    """The client has closed the connection before its request was whole."""


class Memory:
    """How many bytes of bodies are in hand in this process, and how many may be."""

    def __init__(self, limit: int) -> None:
        self._left = limit

    def take(self, size: int) -> None:
        """Raise Rejected if there is no room for so many more."""
        if size > self._left:
            raise Rejected(UNAVAILABLE, "Too much is being sent at the moment", retry_after=1)
        self._left -= size

    def give_back(self, size: int) -> None:
        """Let go of them."""
        self._left += size


class Request:
    """One HTTP request."""

    def __init__(self, scope: Scope, receive: Receive, memory: Memory) -> None:
        self._receive = receive
        self._memory = memory
        self._held = 0
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.peer: str = (scope.get("client") or ("", 0))[0]
        self.query: dict[str, str] = {}
        if scope["query_string"]:
            text = scope["query_string"].decode("latin-1")
            self.query = dict(parse_qsl(text, keep_blank_values=True, errors="replace"))
        self._headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            before = self._headers.get(name)
            self._headers[name] = value if before is None else before + b"," + value

    def header(self, name: bytes) -> str:
        """Return a header's value, several of them as one list, "" for none."""
        value = self._headers.get(name)
        return value.decode("latin-1") if value else ""

    def key(self) -> str | None:
        """Return the write key: from ``Authorization: Bearer``, else from ``?key=``."""
        authorization = self.header(b"authorization")
        if authorization.lower().startswith(_BEARER):
            return authorization[len(_BEARER) :].strip()
        return self.query.get("key")

    async def body(self, limit: int, within_s: float) -> bytes:
        """Read the body. Raises Rejected if it is too large, too slow or too much at the moment, ClientGoneError."""
        length = self.header(b"content-length")
        if length.isdecimal() and int(length[:20]) > limit:
            raise too_large(limit)
        try:
            async with asyncio.timeout(within_s):
                return await self._read(limit)
        except TimeoutError:
            raise Rejected(SLOW_CLIENT, f"The body was not there after {within_s:g} s") from None

    async def _read(self, limit: int) -> bytes:
        parts: list[bytes] = []
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            part: bytes = message.get("body", b"")
            if self._held + len(part) > limit:
                raise too_large(limit)
            self._memory.take(len(part))
            self._held += len(part)
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)

    def release(self) -> None:
        """Let go of the body."""
        self._memory.give_back(self._held)
        self._held = 0

"""Who may connect: from a request's headers to what the client may see, or to the refusal it is answered with."""

from collections import Counter
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import urlsplit

from websocket_gateway.tokens import Rights, TokenError, rights_of, token_in

RETRY_AFTER_S = 5

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_NAMED_AS_LOOPBACK = ("127.0.0.1", "localhost", "::1", "0.0.0.0", "::", "")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Refused(Exception):
    """A connection that is not let in: the HTTP status, the text and the headers it is answered with."""

    def __init__(self, status: HTTPStatus, text: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers or {}


class Admission:
    """The rules of one gateway, and how many clients it has.

    ``origins``: the web pages that may connect, the gateway's own among them. ``secret``: what tokens are signed with;
    empty lets everyone see everything.
    """

    def __init__(self, origins: Iterable[str], secret: str, *, total: int, per_address: int) -> None:
        self.origins = set(origins)
        self._secret = secret
        self._total = total
        self._per_address = per_address
        self._clients: Counter[str] = Counter()

    def check(self, target: str, *, origin: str | None, authorization: str | None, host: str | None = None) -> Rights:
        """Return what who asks for a target may see.

        ``host``: the Host header of what a browser asks for without an Origin, if the page is the gateway's own; or is
        of a stranger's name that resolves to this machine. Raises Refused: 403 for a web page of another origin or such
        a host, 401 without a valid token if there must be one.
        """
        if origin is not None and origin not in self.origins:
            raise Refused(HTTPStatus.FORBIDDEN, f"origin: expected one of the gateway's, got {origin}")
        if origin is None and host is not None and host not in {urlsplit(known).netloc for known in self.origins}:
            raise Refused(HTTPStatus.FORBIDDEN, f"host: expected one of the gateway's origins', got {host}")
        if not self._secret:
            return Rights()
        token = token_in(target, authorization)
        if token is None:
            raise _unauthorised("expected one, got none")
        try:
            return rights_of(token, self._secret)
        except TokenError as error:
            raise _unauthorised(str(error)) from None

    def take_place(self, address: str) -> None:
        """Count one more client. Raises Refused: 503 if there are too many, 429 if its address has too many."""
        if self._clients.total() >= self._total:
            raise _full(HTTPStatus.SERVICE_UNAVAILABLE, f"the gateway has all the clients it may: {self._total}")
        if self._clients[address] >= self._per_address:
            raise _full(HTTPStatus.TOO_MANY_REQUESTS, f"your address has all it may: {self._per_address}")
        self._clients[address] += 1

    def give_back(self, address: str) -> None:
        """Count one less."""
        self._clients[address] -= 1
        if not self._clients[address]:
            del self._clients[address]


def own_origins(scheme: str, host: str, port: int) -> list[str]:
    """Return the origins of pages that the gateway itself has served, bound to this host and port.

    They do not come from the request's Host header: a stranger's name that points here would be in it.
    """
    names = _LOOPBACK if host in _NAMED_AS_LOOPBACK else (f"[{host}]" if ":" in host else host,)
    suffix = "" if port == _DEFAULT_PORTS[scheme] else f":{port}"
    return [f"{scheme}://{name}{suffix}" for name in names]


def _unauthorised(text: str) -> Refused:
    return Refused(HTTPStatus.UNAUTHORIZED, f"token: {text}", {"WWW-Authenticate": "Bearer"})


def _full(status: HTTPStatus, text: str) -> Refused:
    return Refused(status, text, {"Retry-After": str(RETRY_AFTER_S)})

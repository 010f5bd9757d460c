"""The tokens that clients show: signed by whoever has the gateway's secret, for some sites and some time."""

from typing import Literal
from urllib.parse import parse_qs, urlsplit

import jwt
import msgspec
from msgspec import Struct

ALL_SITES: Literal["*"] = "*"
_ALGORITHM = "HS256"
_BEARER = "bearer "


class Rights(Struct, frozen=True):
    """What a client may see: these sites, until ``expires_at`` (seconds since the epoch); None: all, and for good."""

    sites: frozenset[str] | None = None
    expires_at: int | None = None

    def seconds_left(self, now: int) -> float | None:
        """Return for how long they are valid from ``now`` (ms since the epoch); None for good."""
        return None if self.expires_at is None else self.expires_at - now / 1000


class TokenError(Exception):
    """A token that says nothing the gateway believes; the text says why."""


class _Claims(Struct):
    exp: int
    sites: list[str] | Literal["*"]


def make_token(secret: str, sites: list[str] | Literal["*"], expires_at: int) -> str:
    """Return a token for these sites until ``expires_at`` (seconds since the epoch)."""
    return jwt.encode({"exp": expires_at, "sites": sites}, secret, _ALGORITHM)


def rights_of(token: str, secret: str) -> Rights:
    """Return what a token grants. Raises TokenError if its signature, its time or its claims are wrong."""
    try:
        claims = msgspec.convert(jwt.decode(token, secret, [_ALGORITHM], options={"require": ["exp"]}), _Claims)
    except jwt.InvalidTokenError as error:
        raise TokenError(str(error)) from None
    except msgspec.ValidationError as error:
        raise TokenError(f"claims: {error}") from None
    return Rights(None if claims.sites == ALL_SITES else frozenset(claims.sites), claims.exp)


def token_in(target: str, authorization: str | None) -> str | None:
    """Return the token of a request: from ``Authorization: Bearer``, else from ``?token=`` in its target."""
    if authorization is not None and authorization.lower().startswith(_BEARER):
        return authorization[len(_BEARER) :].strip()
    return parse_qs(urlsplit(target).query).get("token", [None])[0]

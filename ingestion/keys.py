"""Write keys: who may send a site's events. Pure but for chance; of a key only its hash is kept."""

import secrets
from collections.abc import Iterable
from hashlib import sha256

from msgspec import Struct
from msgspec.structs import replace

from ingestion.reasons import NO_KEY, WRONG_KEY, WRONG_SITE, Rejected

_PREFIX = "tmk_"


class Key(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One write key. ``hash`` is SHA-256 in hex: the key has 256 random bits. Times in ms; None: never."""

    id: str
    site: str
    hash: str
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None

    def valid(self, now: int) -> bool:
        """Say whether it lets events in at this time (ms)."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def make_key(site: str, now: int) -> tuple[str, Key]:
    """Return a new key for a site: its text, which nobody can find out again, and what is kept of it."""
    text = _PREFIX + secrets.token_urlsafe(32)
    return text, Key(secrets.token_hex(4), site, hashed(text), now)


def hashed(text: str) -> str:
    """Return the hash of a key's text."""
    return sha256(text.encode()).hexdigest()


def rotated(keys: Iterable[Key], site: str, until: int) -> list[Key]:
    """Return the keys with those of a site that are valid for good ending then (ms)."""
    return [
        replace(key, expires_at=until) if key.site == site and key.valid(until) and key.expires_at is None else key
        for key in keys
    ]


def revoked(keys: Iterable[Key], key_id: str, now: int) -> list[Key]:
    """Return the keys with that one revoked. Raises KeyError if there is none with the id."""
    kept = list(keys)
    if all(key.id != key_id for key in kept):
        raise KeyError(key_id)
    return [replace(key, revoked_at=now) if key.id == key_id and key.revoked_at is None else key for key in kept]


class KeyRing:
    """The keys as the door asks for them. A site that has, or had, any key takes events with a valid one only."""

    def __init__(self, keys: Iterable[Key], *, required: bool) -> None:
        self._by_hash = {key.hash: key for key in keys}
        self._closed = {key.site for key in self._by_hash.values()}
        self._required = required

    def site_of(self, text: str | None, now: int) -> str | None:
        """Return the site a key is for, None without a key. Raises Rejected for a key that is not valid now (ms)."""
        if text is None:
            return None
        key = self._by_hash.get(hashed(text))
        if key is None or not key.valid(now):
            raise Rejected(WRONG_KEY, "The write key is unknown, expired or revoked")
        return key.site

    def check(self, site: str, key_site: str | None) -> None:
        """Raise Rejected unless an event of this site may come with a key of that one (None: with no key)."""
        if key_site is not None or self._required or site in self._closed:
            self.check_reader(site, key_site)

    def check_reader(self, site: str, key_site: str | None) -> None:
        """Raise Rejected unless a key of that site (None: no key) is one of this site, which reading always needs."""
        if key_site is None:
            raise Rejected(NO_KEY, "A write key is needed, as Authorization: Bearer … or ?key=…")
        if key_site != site:
            raise Rejected(WRONG_SITE, "The write key is another site's")

    def knows(self, site: str) -> bool:
        """Say whether the site has, or had, a key."""
        return site in self._closed

"""Who a visitor is without cookies: a hash that nobody can undo or repeat once its day's salt is gone. Pure."""

from hashlib import blake2b

from ingestion.addresses import Address, household

DAY_MS = 86_400_000
SALT_BYTES = 32
#: A salt is deleted so long after its day began (ms): events that come a day late still find it.
SALT_KEPT_MS = 2 * DAY_MS


def day_of(time_ms: int) -> int:
    """Return the UTC day of a time, in days since the epoch."""
    return time_ms // DAY_MS


def cookieless(salt: bytes, site: str, address: Address | None, agent: str) -> str:
    """Return the visitor's id for this salt's day, 32 hex digits: the same site, address and agent are one visitor."""
    where = b"" if address is None else household(address)
    content = f"{len(site)}:{site}{len(agent)}:{agent}".encode() + where
    return blake2b(content, digest_size=16, key=salt).hexdigest()


def session_of_user(site: str, user_id: str) -> str:
    """Return one session id for all of a user's events at a site; the streams divide it into visits by time."""
    return blake2b(f"{len(site)}:{site}{user_id}".encode(), digest_size=16, person=b"session").hexdigest()

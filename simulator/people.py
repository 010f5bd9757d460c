"""Who visits: for each number of the population a person with a browser, a place and a user id (most have one)."""

from hashlib import blake2b

import msgspec
from msgspec import Struct

from tidemark.events import DEFAULT_SITE, SessionData

#: Of ten people so many are never signed in: their events carry no userId, and each visit is a new visitor's.
ANONYMOUS_OF_TEN = 2

_PLACES = (
    *(("United States", city, "USD") for city in ("Seattle", "Boston", "San Diego", "Anchorage", "Charleston")),
    *(("Germany", city, "EUR") for city in ("Hamburg", "Kiel", "Rostock", "München")),
    *(("United Kingdom", city, "GBP") for city in ("Falmouth", "Oban", "Whitby")),
    *(("France", city, "EUR") for city in ("Brest", "La Rochelle", "Marseille")),
    *(("Brazil", city, "BRL") for city in ("São Paulo", "Recife")),
    *(("Canada", city, "CAD") for city in ("Halifax", "Vancouver")),
    *(("Norway", city, "NOK") for city in ("Bergen", "Tromsø")),
    ("Australia", "Hobart", "AUD"),
    ("India", "Kochi", "INR"),
    ("Switzerland", "Zürich", "CHF"),
)
_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
_APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1"
_CHROME = f"{_WEBKIT} Chrome/142.0.0.0"
#: Device, operating system, browser and what it sends as its user agent.
_BROWSERS = (
    ("desktop", "Windows", "Chrome", f"{_WINDOWS} {_CHROME} Safari/537.36"),
    ("desktop", "Windows", "Edge", f"{_WINDOWS} {_CHROME} Safari/537.36 Edg/142.0.0.0"),
    ("desktop", "Linux", "Firefox", "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"),
    ("desktop", "macOS", "Safari", f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_APPLE} Safari/605.1.15"),
    ("mobile", "Android", "Chrome", f"Mozilla/5.0 (Linux; Android 16; Pixel 9 Pro) {_CHROME} Mobile Safari/537.36"),
    ("mobile", "Android", "Opera", f"Mozilla/5.0 (Linux; Android 15; SM-S931B) {_CHROME} Safari/537.36 OPR/93.0.0.0"),
    ("mobile", "iOS", "Safari", f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) {_APPLE} Mobile/15E148"),
    ("tablet", "iPadOS", "Safari", f"Mozilla/5.0 (iPad; CPU OS 18_7 like Mac OS X) {_APPLE} Mobile/15E148"),
)
#: The address ranges that are kept for documentation.
_NETWORKS = ("192.0.2", "198.51.100", "203.0.113")


class Person(Struct, gc=False, frozen=True):
    """One of the population. ``session_data`` is the JSON of the wire; ``user_id`` is None for the anonymous."""

    user_id: str | None
    site: str
    session_data: bytes
    currency: str


class Visit(Struct, gc=False):
    """One visit of one person, with what its events have in common, encoded once.

    ``key`` is the record key (the visitor), ``ids`` the JSON from the session id up to the page view's data,
    ``opening`` the JSON up to the fourth group of its events' UUIDs. ``acknowledged``: the log holds at least one of
    its good events.
    """

    person: Person
    session_id: str
    key: bytes
    ids: bytes
    opening: bytes
    acknowledged: bool = False


def new_visit(visitor: Person, bits: int) -> Visit:
    """Return a visit whose ids are made of 96 random ``bits``."""
    digits = f"{bits:024x}"
    session_id = f"s-{digits}"
    ids = f'"sessionId":"{session_id}","siteId":"{visitor.site}"'
    if visitor.user_id is not None:
        ids += f',"userId":"{visitor.user_id}"'
    ids += ',"pageViewData":'
    key = visitor.user_id or session_id
    opening = f'{{"eventId":"{digits[:8]}-{digits[8:12]}-4{digits[12:15]}-a{digits[15:18]}-'
    return Visit(visitor, session_id, key.encode(), ids.encode(), opening.encode())


def person(seed: int, sites: int, number: int) -> Person:
    """Return who has this number: the same one for the same arguments, whoever else has been asked for."""
    # A digest, not a generator of its own: seeding one for each would take longer than all the rest of the visit.
    digest = blake2b(f"{seed}/person/{number}".encode(), digest_size=16).digest()
    country, city, currency = _PLACES[digest[0] % len(_PLACES)]
    device, system, browser, agent = _BROWSERS[digest[1] % len(_BROWSERS)]
    data = SessionData(
        user_agent=agent,
        ip_address=f"{_NETWORKS[digest[2] % len(_NETWORKS)]}.{1 + digest[3] % 254}",
        country=country,
        city=city,
        device_type=device,
        browser=browser,
        os=system,
    )
    return Person(
        user_id=None if digest[4] % 10 < ANONYMOUS_OF_TEN else f"user-{number:06d}",
        site=site_name(int.from_bytes(digest[5:]) % sites),
        session_data=msgspec.json.encode(data),
        currency=currency,
    )


def site_name(number: int) -> str:
    """Return the id of the ``number``-th site, from 0: default, site-2, site-3 …"""
    return DEFAULT_SITE if number == 0 else f"site-{number + 1}"

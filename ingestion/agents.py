"""What a user agent says: browser, operating system, kind of device; and whether it is a crawler's."""

import re
from functools import lru_cache

from crawleruseragents import CRAWLER_USER_AGENTS_DATA  # type: ignore[import-untyped]
from msgspec import Struct
from ua_parser import parse

#: What stands behind is not looked at.
MAX_LENGTH = 1_000
_CACHED = 20_000

#: A library's name alone is a back end that sends for its visitors, and no crawler.
_LIBRARY = "http-library"
_PATTERNS = [entry["pattern"] for entry in CRAWLER_USER_AGENTS_DATA if _LIBRARY not in entry["tags"]]
#: Few in each: Python's re is slow with alternatives that begin with anything.
_CRAWLERS = [re.compile("|".join(_PATTERNS[first : first + 25])) for first in range(0, len(_PATTERNS), 25)]

#: The names that the platform's events have for them.
_SYSTEMS = {"Mac OS X": "macOS"} | dict.fromkeys(
    ("Ubuntu", "Debian", "Fedora", "Red Hat", "SUSE", "Linux Mint"), "Linux"
)
_BROWSERS = {
    "Chrome Mobile": "Chrome",
    "Firefox Mobile": "Firefox",
    "Mobile Safari": "Safari",
    "Mobile Safari UI/WKWebView": "Safari",
    "Opera Mobile": "Opera",
}
_MOBILE_SYSTEMS = frozenset({"iOS", "Android", "KaiOS"})


class Agent(Struct, frozen=True):
    """What is known of a user agent; None: not known. ``device_type`` is desktop, mobile or tablet."""

    browser: str | None = None
    os: str | None = None
    device_type: str | None = None
    bot: bool = False


UNKNOWN = Agent()


def agent(text: str) -> Agent:
    """Return what a user agent says. Those seen lately are remembered: a new one takes a millisecond."""
    return _agent(text[:MAX_LENGTH])


@lru_cache(_CACHED)
def _agent(text: str) -> Agent:
    if any(crawlers.search(text) for crawlers in _CRAWLERS):
        return Agent(bot=True)
    parsed = parse(text)
    if parsed.os is None or parsed.user_agent is None:
        return UNKNOWN
    system = "iPadOS" if "iPad" in text else _SYSTEMS.get(parsed.os.family, parsed.os.family)
    browser = parsed.user_agent.family
    return Agent(_BROWSERS.get(browser, browser), system, _device_type(text, system))


def _device_type(text: str, system: str) -> str:
    if system == "iPadOS" or "Tablet" in text or (system == "Android" and "Mobile" not in text):
        return "tablet"
    return "mobile" if system in _MOBILE_SYSTEMS or "Mobile" in text else "desktop"

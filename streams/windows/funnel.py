"""The funnel: ordered url path patterns and, last, CONVERSION; a visit takes the steps strictly in order."""

import re
from collections.abc import Sequence
from fnmatch import translate
from sys import intern

#: So many urls are remembered with what they match.
KNOWN_URLS = 8_192


def path_of(url: str) -> str:
    """Return a url's path: without fragment, query, scheme and host; "/" when nothing is left."""
    path = url.partition("#")[0].partition("?")[0]
    _, scheme, rest = path.partition("://")
    if scheme:
        path = "/" + rest.partition("/")[2]
    return path or "/"


class Funnel:
    """Counts how many steps were reached in their order; page views in between do not matter."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = [re.compile(translate(pattern)) for pattern in patterns]
        self._known: dict[str, tuple[str, int]] = {}
        self.steps = len(patterns) + 1

    def look_up(self, url: str) -> tuple[str, int]:
        """Return the one copy of a url that is kept, and which patterns it matches: bit n for the pattern n."""
        found = self._known.get(url)
        if found is None:
            if len(self._known) >= KNOWN_URLS:
                self._known.clear()
            path = path_of(url)
            matches = sum(1 << n for n, pattern in enumerate(self._patterns) if pattern.match(path))
            found = self._known[url] = intern(url), matches
        return found

    def after_conversion(self, step: int) -> int:
        """Return the step after a CONVERSION: the last one if all the pages before it were reached."""
        return step + 1 if step == len(self._patterns) else step

    def abandoned(self, step: int) -> bool:
        """Say whether a visit that ended at this step got past the first one but not to the end."""
        return 2 <= step < self.steps

"""The funnel: ordered url path patterns and, last, CONVERSION; a visit takes the steps strictly in order."""

import re
from collections.abc import Sequence
from fnmatch import translate

#: So many urls are remembered with the patterns they match.
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
        self._matches: dict[str, int] = {}
        self.steps = len(patterns) + 1

    def after_page_view(self, step: int, url: str) -> int:
        """Return the step after a page view: one further if the url matches the next pattern."""
        matches = self._matches.get(url)
        if matches is None:
            matches = self._matches[url] = self._look_up(url)
        return step + (matches >> step & 1)

    def _look_up(self, url: str) -> int:
        """Return which patterns a url matches: bit n for the pattern n."""
        if len(self._matches) >= KNOWN_URLS:
            self._matches.clear()
        path = path_of(url)
        return sum(1 << n for n, pattern in enumerate(self._patterns) if pattern.match(path))

    def after_conversion(self, step: int) -> int:
        """Return the step after a CONVERSION: the last one if all the pages before it were reached."""
        return step + 1 if step == len(self._patterns) else step

    def abandoned(self, step: int) -> bool:
        """Say whether a visit that ended at this step got past the first one but not to the end."""
        return 2 <= step < self.steps

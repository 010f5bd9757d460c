"""The funnel: ordered url path patterns and, last, CONVERSION; a visit takes the steps strictly in order."""

import re
from collections.abc import Sequence
from fnmatch import translate
from functools import lru_cache


@lru_cache(maxsize=4_096)
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
        self.steps = len(patterns) + 1

    def after_page_view(self, step: int, url: str) -> int:
        """Return the step after a page view: one further if the url matches the next pattern."""
        reached = step < len(self._patterns) and self._patterns[step].match(path_of(url))
        return step + 1 if reached else step

    def after_conversion(self, step: int) -> int:
        """Return the step after a CONVERSION: the last one if all the pages before it were reached."""
        return step + 1 if step == len(self._patterns) else step

    def abandoned(self, step: int) -> bool:
        """Say whether a visit that ended at this step got past the first one but not to the end."""
        return 2 <= step < self.steps

"""Dead letters as they are handled: named by where their records were read, each once however often it was written."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tidemark.results import DeadLetter
from tidemark.topics import ALL, EVENTS

#: What the events topic may be called on the command line.
EVENTS_ALIAS = "events"


class Place(NamedTuple):
    """Where a record stands; ``topic`` without the settings' prefix. A letter is named by its record's place."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}-{self.offset}"

    @property
    def short(self) -> str:
        """The name with ``events`` for the events topic; ``place_of`` reads it too."""
        topic = EVENTS_ALIAS if self.topic == EVENTS.name else self.topic
        return f"{topic}-{self.partition}-{self.offset}"


@dataclass(frozen=True)
class Copy:
    """A letter as it was read; ``time`` (ms) is when it was written.

    ``redriven_to`` makes it a mark: it only says where its record was sent again.
    """

    place: Place
    letter: DeadLetter
    time: int
    key: bytes | None
    redriven_to: str | None = None


def topic_of(name: str) -> str:
    """Return the topic that the command line means. Raises ValueError if there is none of that name."""
    known = {topic.name: topic.name for topic in ALL} | {EVENTS_ALIAS: EVENTS.name}
    if name not in known:
        raise ValueError(f"expected {', '.join(known)}, got {name!r}")
    return known[name]


def place_of(words: Sequence[str]) -> Place:
    """Read ``TOPIC-PARTITION-OFFSET``, or the three as words of their own. Raises ValueError."""
    parts = words[0].rsplit("-", 2) if len(words) == 1 else words
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts[1:]):
        raise ValueError(f"expected TOPIC-PARTITION-OFFSET such as events-3-1234, got {' '.join(words)!r}")
    return Place(topic_of(parts[0]), int(parts[1]), int(parts[2]))


class Selection:
    """The wanted letters among the copies read, each once: a replay writes them again.

    A letter is as the first copy tells that was read. ``limit`` keeps only so many, the newest; ``totals`` counts all
    by reason. A mark is no letter.
    """

    def __init__(self, wanted: Callable[[Copy], bool], limit: int | None = None) -> None:
        self._wanted = wanted
        self._limit = limit
        self._seen: set[Place] = set()
        self._newest: list[tuple[int, Place, Copy]] = []
        self._redriven: dict[Place, str] = {}
        self.totals: Counter[str] = Counter()

    def add(self, copies: Iterable[Copy]) -> "Selection":
        """Take copies in the order they were read; return itself."""
        for copy in copies:
            if copy.redriven_to is not None:
                self._redriven[copy.place] = copy.redriven_to
            elif copy.place not in self._seen and self._wanted(copy):
                self._seen.add(copy.place)
                self.totals[copy.letter.reason] += 1
                heapq.heappush(self._newest, (copy.time, copy.place, copy))
                if self._limit is not None and len(self._newest) > self._limit:
                    heapq.heappop(self._newest)
        return self

    def newest_first(self) -> list[Copy]:
        """Return what is kept."""
        return [copy for _, _, copy in sorted(self._newest, key=lambda one: one[:2], reverse=True)]

    @property
    def redriven(self) -> Mapping[Place, str]:
        """Where letters' records were sent again, so far as the marks were read."""
        return self._redriven

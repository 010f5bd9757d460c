"""Ends a worker that stands still while there is something to read: consumers have died without a word before."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, TopicPartition

from streams.log_reader import Place
from tidemark.kafka import client_config
from tidemark.rights import WATCHDOG_GROUP
from tidemark.settings import Settings

#: The broker is asked where the logs end so many times in the time that a worker may stand still.
LOOKS = 6
ANSWER_SECONDS = 5.0

#: Where the state of each assigned partition stands; None where there is no state.
Standing = Mapping[Place, int | None]


class StandsStill(Exception):
    """The worker does nothing though there is something to do; the text says where."""


@dataclass(frozen=True)
class Stall:
    """A partition whose state has not moved for too long, though its log goes on."""

    place: Place
    position: int | None
    end: int

    def __str__(self) -> str:
        topic, partition = self.place
        return f"{topic}-{partition} has stood at {self.position}, its log ends at {self.end}"


class Stalls:
    """Remembers since when each partition stands still behind its log's end; ``now`` in seconds of any clock."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: dict[Place, tuple[int | None, float]] = {}

    def look(self, standing: Standing, ends: Mapping[Place, int], now: float) -> Stall | None:
        """Return a stall, if there is one. A partition whose end the broker did not tell is not one."""
        still: dict[Place, tuple[int | None, float]] = {}
        for place, position in standing.items():
            end = ends.get(place)
            if end is None or (position is not None and position >= end):
                continue
            known = self._since.get(place)
            since = known[1] if known is not None and known[0] == position else now
            if now - since >= self._seconds:
                return Stall(place, position, end)
            still[place] = (position, since)
        self._since = still
        return None

    def forget(self, place: Place) -> None:
        """Give a partition its time anew."""
        self._since.pop(place, None)


class Watchdog:
    """Looks at a worker from a thread and with a connection of its own, so that nothing that hangs can hold it up."""

    def __init__(
        self, settings: Settings, standing: Callable[[], Standing], stalled: Callable[[StandsStill], None]
    ) -> None:
        self._seconds = settings.watchdog_seconds
        self._stalls = Stalls(settings.watchdog_seconds)
        self._standing = standing
        self._stalled = stalled
        self._consumer = Consumer(
            client_config(settings)
            | {
                "group.id": settings.topic(WATCHDOG_GROUP),  # needed, but never joined
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
            }
        )

    def start(self) -> None:
        """Look from now on, until the process ends."""
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def _run(self) -> None:
        while True:
            time.sleep(self._seconds / LOOKS)
            standing = self._standing()
            stall = self._stalls.look(standing, self.ends(standing), time.monotonic())
            if stall is not None:
                self._stalls.forget(stall.place)
                self.check(stall)

    def check(self, stall: Stall) -> None:
        """Tell of a stall if there is a record to read: a log may also end with a transaction's marker."""
        if stall.position is None or self._has_record(stall.place, stall.position):
            self._stalled(StandsStill(f"for {self._seconds} s {stall}"))

    def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        """Return the ends of these logs, none if the broker does not tell them all: it may be away."""
        ends = {}
        for place in places:
            try:
                _, ends[place] = self._consumer.get_watermark_offsets(TopicPartition(*place), ANSWER_SECONDS)
            except KafkaException:
                return {}
        return ends

    def _has_record(self, place: Place, position: int) -> bool:
        self._consumer.assign([TopicPartition(*place, position)])
        message = self._consumer.poll(ANSWER_SECONDS)
        self._consumer.unassign()
        return message is not None and message.error() is None

"""Dead letters' records back to the topics they were read from, and a mark of each to the dead letters."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from operations.letters import Copy, Place
from tidemark.results import encode
from tidemark.topics import DEAD_LETTERS, REDRIVEN_FROM_HEADER, REDRIVEN_TO_HEADER

_AT_ONCE = 500
_NOT_ACKNOWLEDGED = "not acknowledged in time"


class Outcome(NamedTuple):
    """What became of a letter: where its record stands again (None: nowhere), and what went wrong (None: nothing)."""

    copy: Copy
    to: Place | None
    error: str | None


class _Request(NamedTuple):
    topic: str
    partition: int
    key: bytes | None
    value: bytes
    header: tuple[str, str | bytes | None]


class Redriver:
    """Sends records again: the same bytes, key and partition.

    When the broker has a record, its letter is written once more with a header that says where the record stands: that
    mark is how a later run knows. Ended between the two, a later run sends the record again, and still nothing counts
    twice: it is the same partition, so an event is a duplicate there until its window is closed, then late; and a
    result overwrites itself.
    """

    def __init__(self, producer: Producer, topic_name: Callable[[str], str], flush_seconds: float) -> None:
        self._producer = producer
        self._topic_name = topic_name
        self._flush_seconds = flush_seconds

    def redrive(self, copies: Sequence[Copy]) -> Iterator[Outcome]:
        """Yield each one's outcome when both records are acknowledged or have failed, in the order given."""
        for start in range(0, len(copies), _AT_ONCE):
            yield from self._redrive(copies[start : start + _AT_ONCE])

    def _redrive(self, copies: Sequence[Copy]) -> list[Outcome]:
        sent = self._deliver([self._record(copy) for copy in copies])
        outcomes = [
            Outcome(copy, Place(copy.place.topic, copy.place.partition, found), None)
            if isinstance(found, int)
            else Outcome(copy, None, found)
            for copy, found in zip(copies, sent, strict=True)
        ]
        arrived = [outcome for outcome in outcomes if outcome.to is not None]
        marked = self._deliver([self._mark(outcome) for outcome in arrived])
        unmarked = {
            outcome.copy.place: f"sent, but not marked as sent: {found}"
            for outcome, found in zip(arrived, marked, strict=True)
            if isinstance(found, str)
        }
        return [outcome._replace(error=unmarked.get(outcome.copy.place, outcome.error)) for outcome in outcomes]

    def _record(self, copy: Copy) -> _Request:
        topic = self._topic_name(copy.place.topic)
        header = (REDRIVEN_FROM_HEADER, str(copy.place))
        return _Request(topic, copy.place.partition, copy.key, copy.letter.record, header)

    def _mark(self, outcome: Outcome) -> _Request:
        topic = self._topic_name(DEAD_LETTERS.name)
        return _Request(topic, -1, outcome.copy.key, encode(outcome.copy.letter), (REDRIVEN_TO_HEADER, str(outcome.to)))

    def _deliver(self, requests: Sequence[_Request]) -> list[int | str]:
        """Return each record's offset, or why it has none."""
        found: list[int | str] = [_NOT_ACKNOWLEDGED] * len(requests)

        def delivered(number: int, error: KafkaError | None, message: Message) -> None:
            found[number] = (message.offset() or 0) if error is None else error.str()

        for number, request in enumerate(requests):
            try:
                self._producer.produce(
                    request.topic,
                    value=request.value,
                    key=request.key,
                    partition=request.partition,
                    headers=[request.header],
                    on_delivery=partial(delivered, number),
                )
            except KafkaException as error:
                found[number] = error.args[0].str()
        self._producer.flush(self._flush_seconds)
        return found

"""The reader of logs while their leaders move."""

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from streams.log_reader import LogReader
from tidemark.settings import Settings

PLACE = ("log", 3)


class Broker:
    """Answers with these errors, one after the other, and then with the bounds."""

    def __init__(self, *codes: int) -> None:
        self._codes = list(codes)

    def get_watermark_offsets(self, *_: Any) -> tuple[int, int]:
        if self._codes:
            raise KafkaException(KafkaError(self._codes.pop(0)))
        return 4, 10


def reader_of(broker: Broker) -> LogReader:
    reader = LogReader(Settings(), patience_seconds=10)
    reader.close()
    reader._consumer = broker  # type: ignore[assignment]
    return reader


def test_while_a_leader_moves_it_is_asked_again() -> None:
    broker = Broker(KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)
    assert reader_of(broker).bounds([PLACE]) == {PLACE: (4, 10)}


def test_what_is_no_move_of_a_leader_is_raised() -> None:
    with pytest.raises(KafkaException):
        reader_of(Broker(KafkaError.TOPIC_AUTHORIZATION_FAILED)).bounds([PLACE])


def test_a_broker_that_has_come_back_and_does_not_know_of_a_partition_yet_is_asked_again() -> None:
    assert reader_of(Broker(KafkaError._UNKNOWN_PARTITION)).bounds([PLACE]) == {PLACE: (4, 10)}

"""A batch is written in the background: only what is written is returned, and what could not be is held again."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sinks.background import REQUESTS, BackgroundWriter
from sinks.batch import Batch, Point, Record, Rejected, UnavailableError


def record(offset: int) -> Record:
    return Record("t", 0, offset, None, b"")


class Store:
    """Takes points when it is let, refuses "bad", or is away."""

    def __init__(self) -> None:
        self.let = threading.Event()
        self.away = False
        self.lines: list[str] = []

    def write(self, points: list[Point]) -> list[Rejected]:
        assert self.let.wait(10)
        if self.away:
            raise UnavailableError("away")
        self.lines += [point.line for point in points if point.line != "bad"]
        return [Rejected(point.record, "REFUSED", "") for point in points if point.line == "bad"]


@contextmanager
def background(store: Store) -> Iterator[BackgroundWriter]:
    writer = BackgroundWriter(store.write)
    try:
        yield writer
    finally:
        store.let.set()
        writer.close()


def test_what_is_read_meanwhile_is_not_among_what_is_written() -> None:
    store, batch = Store(), Batch()
    with background(store) as writer:
        batch.add(record(0), ["a"], now=0.0)
        writer.begin(batch)
        batch.add(record(1), ["b"], now=0.0)
        assert not writer.done()
        store.let.set()
        assert writer.finish(batch).offsets == {("t", 0): 1}
        assert store.lines == ["a"]
        assert batch.offsets == {("t", 0): 2}


def test_refused_records_come_after_those_that_were_no_results() -> None:
    store, batch = Store(), Batch()
    store.let.set()
    with background(store) as writer:
        batch.add(record(0), ["bad"], now=0.0)
        batch.reject(Rejected(record(1), "UNDECODABLE", ""), now=0.0)
        writer.begin(batch)
        assert [one.reason for one in writer.finish(batch).rejected] == ["UNDECODABLE", "REFUSED"]


def test_what_an_absent_store_did_not_take_is_held_again_before_what_was_read_since() -> None:
    store, batch = Store(), Batch()
    store.away = True
    with background(store) as writer:
        batch.add(record(0), ["a"], now=0.0)
        writer.begin(batch)
        batch.add(record(1), ["b"], now=0.0)
        store.let.set()
        with pytest.raises(UnavailableError):
            writer.finish(batch)
        assert [point.line for point in batch.points] == ["a", "b"]
        assert writer.finish(batch).offsets == {}


def test_all_that_an_absent_store_did_not_take_is_held_again_in_order() -> None:
    store, batch = Store(), Batch()
    store.away = True
    with background(store) as writer:
        for offset, line in enumerate("abc"):
            batch.add(record(offset), [line], now=0.0)
            writer.begin(batch)
        batch.add(record(3), ["d"], now=0.0)
        assert writer.next_after(batch).offsets == {("t", 0): 1}
        store.let.set()
        with pytest.raises(UnavailableError):
            writer.finish(batch)
        assert [point.line for point in batch.points] == ["a", "b", "c", "d"]
        assert batch.offsets == {("t", 0): 4}
        assert not writer.is_at_work()
        assert writer.next_after(batch) is batch


def test_batches_are_finished_in_the_order_in_which_they_were_begun() -> None:
    store, batch = Store(), Batch()
    with background(store) as writer:
        for offset in range(REQUESTS):
            assert not writer.is_busy()
            batch.add(record(offset), [str(offset)], now=0.0)
            writer.begin(batch)
        assert writer.is_busy()
        store.let.set()
        assert [writer.finish(batch).offsets["t", 0] for _ in range(REQUESTS)] == list(range(1, REQUESTS + 1))
        assert not writer.is_at_work()


def test_what_is_dropped_is_not_returned() -> None:
    store, batch = Store(), Batch()
    with background(store) as writer:
        batch.add(record(0), ["a"], now=0.0)
        writer.begin(batch)
        writer.drop()
        assert not writer.done()
        assert writer.finish(batch).offsets == {}

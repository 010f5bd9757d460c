"""A batch is full at 1000 points or after 1 s, and knows what to commit."""

from sinks.batch import Batch, Record, Rejected


def record(offset: int, partition: int = 0) -> Record:
    return Record("t", partition, offset, None, b"")


def test_an_empty_batch_is_never_full() -> None:
    assert not Batch().full(now=1e9)


def test_it_is_full_at_1000_points() -> None:
    batch = Batch()
    for offset in range(499):
        batch.add(record(offset), ["a", "b"], now=0.0)
    assert not batch.full(now=0.5)
    batch.add(record(499), ["a", "b"], now=0.5)
    assert batch.full(now=0.5)


def test_it_is_full_a_second_after_its_first_record_even_without_a_point() -> None:
    batch = Batch()
    batch.add(record(0), [], now=10.0)
    batch.add(record(1), ["a"], now=10.9)
    assert not batch.full(now=10.9)
    assert batch.full(now=11.0)


def test_its_offsets_are_the_next_to_read_whatever_became_of_the_records() -> None:
    batch = Batch()
    batch.add(record(4), ["a"], now=0.0)
    batch.add(record(5), [], now=0.0)
    batch.add(record(7, partition=1), ["b"], now=0.0)
    batch.reject(Rejected(record(8, partition=1), "UNDECODABLE", ""), now=0.0)
    assert batch.offsets == {("t", 0): 6, ("t", 1): 9}


def test_offsets_outlive_written_points_until_they_are_committed() -> None:
    batch = Batch()
    batch.add(record(0), ["a"], now=0.0)
    batch.reject(Rejected(record(1), "UNDECODABLE", ""), now=0.0)
    batch.written(now=5.0)
    assert (batch.points, batch.rejected, batch.offsets) == ([], [], {("t", 0): 2})
    assert not batch.full(now=5.9)
    assert batch.full(now=6.0)


def test_what_is_taken_and_given_back_stands_before_what_was_read_since() -> None:
    batch = Batch()
    batch.add(record(0), ["a"], now=1.0)
    batch.add(record(0, partition=1), [], now=1.0)
    taken = batch.take()
    assert (batch.points, batch.offsets) == ([], {})
    batch.add(record(1), ["b"], now=1.5)
    batch.give_back(taken)
    assert [point.line for point in batch.points] == ["a", "b"]
    assert batch.offsets == {("t", 0): 2, ("t", 1): 1}
    assert batch.full(now=2.0)

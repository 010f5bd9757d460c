"""Large entries are cut into records and put together again; none of their parts is left behind."""

from hypothesis import given
from hypothesis import strategies as st

from streams.entries import PART_BYTES, Folded, Parts

values = st.none() | st.sampled_from([0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES + 7]).map(bytes)
keys = st.sampled_from([b"", b"meta", b"\0\1meta", b"\0"])


@given(st.lists(st.lists(st.tuples(keys, values), max_size=3), max_size=5))
def test_what_was_written_last_is_read_whoever_wrote_it(owners: list[list[tuple[bytes, bytes | None]]]) -> None:
    log: list[tuple[bytes, bytes | None]] = []
    expected: dict[bytes, bytes] = {}
    parts = Parts()
    for changes in owners:
        for key, value in changes:
            log += parts.records(key, value)
            expected = {known: old for known, old in expected.items() if known != key}
            if value is not None:
                expected[key] = value
        parts = Parts()
        assert fold(log).entries(parts) == expected
    assert {key[2:] for key, value in dict(log).items() if value is not None} == expected.keys()


def fold(log: list[tuple[bytes, bytes | None]]) -> Folded:
    folded = Folded()
    for key, value in log:
        folded.add(key, value)
    return folded


def test_every_record_is_small_enough() -> None:
    records = list(Parts().records(b"key", bytes(1_000_000)))
    assert len(records) == 4
    assert max(len(value or b"") for _, value in records) <= PART_BYTES

"""The spool: what it has confirmed is read back in order, whatever happens to the file's end, by one worker only."""

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion import spool as spool_module
from ingestion.records import Record, decode, encode
from ingestion.spool import Spool, SpoolFullError

RECORDS = st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=9), st.binary(max_size=99)), max_size=8)


def record(number: int) -> Record:
    return "events", b"k", b"%d" % number


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RECORDS, st.data())
def test_a_file_torn_anywhere_has_all_records_before(records: list[Record], data: st.DataObject) -> None:
    content = encode(records)
    end = data.draw(st.integers(0, len(content)))
    whole = sum(len(encode(records[: count + 1])) <= end for count in range(len(records)))
    assert decode(content[:end]) == (records[:whole], 0)
    # A file system may have made the file longer before what belongs there was written.
    read, damaged = decode(content[:end] + b"\0" * data.draw(st.integers(1, 20)))
    assert damaged == 0
    assert read == records[: len(read)]
    assert len(read) >= whole


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RECORDS.filter(bool), st.data())
def test_a_damaged_byte_costs_no_record_before_it_and_is_never_read(records: list[Record], data: st.DataObject) -> None:
    content = bytearray(encode(records))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    read, _ = decode(bytes(content))
    before = sum(len(encode(records[: count + 1])) <= at for count in range(len(records)))
    assert read[:before] == records[:before]
    assert all(one in records for one in read)


def test_a_damaged_record_in_the_middle_is_skipped_and_told() -> None:
    content = bytearray(encode([record(1), record(2), record(3)]))
    content[len(encode([record(1)])) + 10] ^= 1
    assert decode(bytes(content)) == ([record(1), record(3)], len(encode([record(2)])))


def test_what_is_confirmed_is_read_in_order_by_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "SEGMENT_BYTES", 200)

    async def fill(spool: Spool) -> None:
        for first in range(0, 100, 10):
            await asyncio.gather(*(spool.keep([record(first + number)]) for number in range(10)))

    async def drain(spool: Spool) -> list[Record]:
        records = []
        while (segment := await spool.oldest()) is not None:
            records += segment.read()
            spool.remove_oldest()
        return records

    first = Spool(tmp_path, 100_000)
    first.open()
    asyncio.run(fill(first))
    first.close()
    assert len(list(tmp_path.iterdir())) > 3
    second = Spool(tmp_path, 100_000)
    second.open()
    assert second.size == sum(path.stat().st_size for path in tmp_path.iterdir())
    assert asyncio.run(drain(second)) == [record(number) for number in range(100)]
    assert list(tmp_path.iterdir()) == []
    assert second.size == 0


def test_many_records_share_an_fsync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    spool = Spool(tmp_path, 1_000_000)
    spool.open()

    async def many() -> None:
        await asyncio.gather(*(spool.keep([record(number)]) for number in range(500)))

    asyncio.run(many())
    assert 1 <= len(synced) < 10


def test_segments_of_a_living_worker_are_left_alone(tmp_path: Path) -> None:
    first, second = Spool(tmp_path, 1_000), Spool(tmp_path, 1_000)
    first.open()
    asyncio.run(first.keep([record(1)]))
    second.open()
    assert second.size == 0


def test_a_full_spool_refuses_and_takes_again_when_there_is_room(tmp_path: Path) -> None:
    async def scenario() -> None:
        spool = Spool(tmp_path, 200)
        spool.open()
        await spool.keep([record(1)])
        with pytest.raises(SpoolFullError):
            await spool.keep([("events", b"", bytes(300))])
        await spool.keep([record(2)])
        await spool.oldest()
        spool.remove_oldest()
        await spool.keep([("events", b"", bytes(150))])

    asyncio.run(scenario())


def test_a_disk_that_fails_confirms_nothing_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    async def scenario() -> None:
        spool = Spool(tmp_path, 10_000)
        spool.open()
        await spool.keep([record(1)])
        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", fail)
            with pytest.raises(SpoolFullError, match="No space left"):
                await spool.keep([record(2)])
        await spool.keep([record(3)])
        read = []
        while (segment := await spool.oldest()) is not None:
            read += segment.read()
            spool.remove_oldest()
        assert read == [record(1), record(3)]
        assert spool.size == 0

    asyncio.run(scenario())

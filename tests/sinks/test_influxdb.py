"""Points reach the real InfluxDB once; what it refuses is told from a server that cannot take any."""

import socket

import pytest

from sinks.app import open_influxdb
from sinks.batch import Point, Record, Rejected, UnavailableError
from sinks.influxdb import PointWriter
from tests.sinks.results import NOW
from tests.sinks.store import exact_rows, points
from tidemark.settings import Settings

END_NS = NOW * 1_000_000


def point(offset: int, fields: str) -> Point:
    return Point(f"m {fields} {END_NS + offset}", Record("t", 0, offset, None, b""))


def write(settings: Settings, batch: list[Point]) -> list[Rejected]:
    with open_influxdb(settings) as client:
        return PointWriter(client, settings.influxdb_bucket).write(batch)


def test_points_written_again_are_the_same_points(settings: Settings) -> None:
    batch = [point(offset, f"v={offset}.0") for offset in range(2_500)]
    assert write(settings, batch) == []
    assert write(settings, batch) == []
    assert points(settings, "m", "v") == 2_500


def test_points_of_the_wrong_type_are_found_and_the_others_written(settings: Settings) -> None:
    write(settings, [point(0, "v=1.0")])
    wrong = {17, 18, 700, 1_499}
    batch = [point(offset, "v=1i" if offset in wrong else "v=1.0") for offset in range(1_500)]
    rejected = write(settings, batch)
    assert {one.record.offset for one in rejected} == wrong
    assert {one.reason for one in rejected} == {"REFUSED"}
    assert "field type conflict" in rejected[0].text
    assert points(settings, "m", "v") == 1_500 - len(wrong)


def test_lines_that_do_not_parse_are_found_and_the_others_written(settings: Settings) -> None:
    batch = [point(offset, f"v={10**19}i" if offset == 5 else "v=1i") for offset in range(10)]
    (rejected,) = write(settings, batch)
    assert rejected.record.offset == 5
    assert "unable to parse" in rejected.text
    assert points(settings, "m", "v") == 9


def test_a_record_whose_points_are_all_refused_is_rejected_once(settings: Settings) -> None:
    write(settings, [point(0, "v=1.0")])
    record = Record("t", 0, 1, None, b"")
    assert len(write(settings, [Point(f"m v={rank}i {END_NS}", record) for rank in range(10)])) == 1


def test_a_bucket_that_is_missing_is_not_the_points_fault(settings: Settings) -> None:
    elsewhere = settings.model_copy(update={"influxdb_bucket": "nowhere"})
    with pytest.raises(UnavailableError, match=r"^404 .*nowhere.*\(check TIDEMARK_INFLUXDB_BUCKET"):
        write(elsewhere, [point(0, "v=1.0")])


def test_a_server_that_is_away_is_not_the_points_fault(settings: Settings) -> None:
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        port = nobody_listens.getsockname()[1]
        elsewhere = settings.model_copy(update={"influxdb_url": f"http://127.0.0.1:{port}"})
        with pytest.raises(UnavailableError, match="Connection refused"):
            write(elsewhere, [point(0, "v=1.0")])


def test_a_time_before_the_bucket_s_retention_is_refused_and_said_so(settings: Settings) -> None:
    old = Point(f"m v=1.0 {END_NS - 40 * 86_400 * 10**9}", Record("t", 0, 0, None, b""))
    (rejected,) = write(settings, [old, point(1, "v=1.0")])
    assert "retention" in rejected.text
    assert exact_rows(settings, "SELECT v FROM m") == [{"time": END_NS + 1, "v": 1.0}]

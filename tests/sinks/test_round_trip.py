"""Whatever a site, a country or a page is called, the real InfluxDB gives it back, and its neighbours unharmed."""

from itertools import count

from hypothesis import HealthCheck, given
from hypothesis import settings as trials
from hypothesis import strategies as st

from sinks.app import open_influxdb
from sinks.batch import Point, Record
from sinks.influxdb import PointWriter
from sinks.lines import metric_lines
from tests.sinks.results import NOW, ranking
from tests.sinks.store import exact_rows
from tidemark.settings import Settings

#: Line protocol's own characters, alone and next to each other, among all others that JSON can carry.
NASTY = st.text(
    st.sampled_from("\\,= \"\n\r\t#/i'\0\x85\u2028é🙂") | st.characters(exclude_categories=["Cs"]), max_size=12
)
_windows = count(1)


@trials(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(names=st.lists(NASTY, min_size=1, max_size=5, unique=True))
def test_every_string_reads_back_and_spoils_no_other(settings: Settings, names: list[str]) -> None:
    window_end = NOW + next(_windows)
    record = Record("processed-metrics", 0, 0, None, b"")
    results = [
        ranking(metric, (name, rank), site_id=name, window_end=window_end)
        for rank, name in enumerate(names)
        for metric in ("popular_content", "geographic_distribution")
    ]
    with open_influxdb(settings) as client:
        points = [Point(line, record) for result in results for line in metric_lines(result)]
        assert PointWriter(client, settings.influxdb_bucket).write(points) == []
    at = f"WHERE time = {window_end}000000"
    pages = exact_rows(settings, f"SELECT site, url, views FROM popular_content {at}")
    countries = exact_rows(settings, f"SELECT country, visitors FROM geographic_distribution {at}")
    assert {(_name(row["site"]), row["url"], row["views"]) for row in pages} == {
        (name, name, rank) for rank, name in enumerate(names)
    }
    assert {(_name(row["country"]), row["visitors"]) for row in countries} == {
        (name, rank) for rank, name in enumerate(names)
    }


def _name(tag: str | None) -> str:
    """Undo the Python escapes of a tag; InfluxDB tells a tag that is empty from one that is missing by nothing."""
    text = tag or ""
    return text.encode("latin-1", "backslashreplace").decode("unicode_escape")

"""Partials on the wire: cut into records of bounded size without losing a count."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.windows import partials
from streams.windows.partials import Marker, SitePartial, SlidingPart

MANY_URLS = {f"/{'x' * 1_900}{n}": n + 1 for n in range(500)}


def test_a_marker_and_a_partial_survive_the_wire() -> None:
    partial = SitePartial(
        site="default",
        partition=3,
        revision=7,
        sliding=[SlidingPart(60_000, 2, 2, 1, 10**30)],
        urls={5_000: {"/": 2}},
        outcomes={5_000: {"accepted": 2, "late": 1}},
    )
    marker = Marker(3, [(5_000, 17)])
    assert partials.decode(partials.encode(partial)) == partial
    assert partials.decode(partials.encode(marker)) == marker


def test_many_urls_are_cut_into_records_that_a_broker_takes() -> None:
    chunks = list(SitePartial(site="s", partition=0, revision=1, urls={5_000: MANY_URLS}).chunks())
    assert len(chunks) > 2
    assert all(len(partials.encode(chunk)) < 512 * 1024 for chunk in chunks)


@given(st.dictionaries(st.text(max_size=3), st.integers(1, 9)))
def test_chunks_hold_every_count_once_and_the_sums_come_last(countries: dict[str, int]) -> None:
    sliding = [SlidingPart(60_000, 1, 1, 0, 0)]
    whole = SitePartial(
        site="s",
        partition=0,
        revision=1,
        sliding=sliding,
        urls={5_000: MANY_URLS},
        countries={60_000: countries},
        outcomes={5_000: {"accepted": 1}},
    )
    *first, last = whole.chunks()
    assert (last.sliding, last.outcomes) == (sliding, {5_000: {"accepted": 1}})
    assert not any(chunk.sliding or chunk.panes or chunk.outcomes for chunk in first)
    urls = [entry for chunk in (*first, last) for entry in chunk.urls.get(5_000, {}).items()]
    assert sorted(urls) == sorted(MANY_URLS.items())
    counted = [entry for chunk in (*first, last) for entry in chunk.countries.get(60_000, {}).items()]
    assert sorted(counted) == sorted(countries.items())


def test_many_open_panes_with_few_urls_each_are_cut_too() -> None:
    urls = {5_000 * pane: {f"/\x01{'é' * 1_900}{n}": 1 for n in range(20)} for pane in range(1, 60)}
    chunks = list(SitePartial(site="s", partition=0, revision=1, urls=urls).chunks())
    assert max(len(partials.encode(chunk)) for chunk in chunks) < 512 * 1024
    together: dict[int, dict[str, int]] = {}
    for chunk in chunks:
        for end, counts in chunk.urls.items():
            together.setdefault(end, {}).update(counts)
    assert together == urls


@pytest.mark.parametrize(
    "foreign",
    [
        b'{"type":"marker","partition":1000,"progress":[[1,2]]}',
        b'{"type":"marker","partition":-1,"progress":[[1,2]]}',
        b'{"type":"partial","site":"s","partition":0,"revision":1,"panes":[[7,1,1,1,1,1,1,1]]}',
        b'{"type":"partial","site":"s","partition":0,"revision":1,"urls":{"7":{"/":1}}}',
        b'{"type":"partial","site":"s","partition":0,"revision":1,"outcomes":{"7":{"late":1}}}',
        b'"hello"',
    ],
)
def test_what_no_worker_wrote_is_refused(foreign: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        partials.decode(foreign)

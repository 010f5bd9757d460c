"""Partials on the wire: cut into records of bounded size without losing a count."""

from hypothesis import given
from hypothesis import strategies as st

from streams.windows import partials
from streams.windows.partials import CHUNK_CHARACTERS, Marker, SitePartial, SlidingPart

MANY_URLS = {f"/{'x' * 1_900}{n}": n + 1 for n in range(200)}


def test_a_marker_and_a_partial_survive_the_wire() -> None:
    partial = SitePartial(
        site="default", partition=3, revision=7, sliding=[SlidingPart(60_000, 2, 2, 1, 10**30)], urls={5_000: {"/": 2}}
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
        site="s", partition=0, revision=1, sliding=sliding, urls={5_000: MANY_URLS}, countries={60_000: countries}
    )
    *first, last = whole.chunks()
    assert last.sliding == sliding
    assert not any(chunk.sliding or chunk.panes for chunk in first)
    urls = [entry for chunk in (*first, last) for entry in chunk.urls.get(5_000, {}).items()]
    assert sorted(urls) == sorted(MANY_URLS.items())
    assert last.countries == {60_000: countries}
    assert CHUNK_CHARACTERS * 6 < 512 * 1024  # the longest JSON escape of a character

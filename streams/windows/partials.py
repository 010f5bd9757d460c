"""What a source partition tells the merge over ``metric-partials``: a site's partial results, and its progress."""

from collections.abc import Iterator

import msgspec
from msgspec import Struct, field

#: The size a partial's url and country counts are cut at, in characters, so that a record stays under 512 KB.
CHUNK_CHARACTERS = 80_000

Counts = dict[str, int]


class PanePart(Struct, array_like=True, gc=False, frozen=True):
    """One site's 5 s pane, as one partition saw it; ``last_time`` is its newest accepted event's time (ms)."""

    end: int
    page_views: int
    visitors: int
    visits: int
    visits_with_page_view: int
    bounced: int
    duration_ms: int
    last_time: int


class SlidingPart(Struct, array_like=True, gc=False, frozen=True):
    """One site's 60 s window ending at ``end``, as one partition saw it."""

    end: int
    visitors: int
    visits: int
    converting: int
    revenue_micros: int


class SitePartial(Struct, tag="partial", gc=False, omit_defaults=True, kw_only=True):
    """What changed for a site, as of ``revision`` (the partition's offset it stands for).

    ``urls`` (by pane end) and ``countries`` (by window end) hold only entries that changed, each with its whole count:
    counts only grow, so the merge takes the larger one, and a repetition changes nothing.
    """

    site: str
    partition: int
    revision: int
    panes: list[PanePart] = field(default_factory=list)
    sliding: list[SlidingPart] = field(default_factory=list)
    urls: dict[int, Counts] = field(default_factory=dict)
    countries: dict[int, Counts] = field(default_factory=dict)

    def chunks(self) -> Iterator["SitePartial"]:
        """Cut into records of bounded size. The one with the sums comes last, when the counts are all there."""
        rest = self
        for name, end, counts in [
            *(("urls", end, counts) for end, counts in self.urls.items()),
            *(("countries", end, counts) for end, counts in self.countries.items()),
        ]:
            if sum(map(len, counts)) > CHUNK_CHARACTERS:
                rest = msgspec.structs.replace(rest, **{name: _without(getattr(rest, name), end)})
                for chunk in _cut(counts):
                    partial = SitePartial(site=self.site, partition=self.partition, revision=self.revision)
                    getattr(partial, name)[end] = chunk
                    yield partial
        yield rest


class Marker(Struct, tag="marker", gc=False):
    """How far a partition is: (watermark ms, offset of the record that brought it there), oldest first.

    Sent after the partials up to there are acknowledged; a pair for each time the watermark passed a pane's end.
    """

    partition: int
    progress: list[tuple[int, int]]


encode = msgspec.json.Encoder().encode
_decoder: msgspec.json.Decoder[SitePartial | Marker] = msgspec.json.Decoder(SitePartial | Marker)
decode = _decoder.decode


def _without(counts_by_end: dict[int, Counts], end: int) -> dict[int, Counts]:
    return {other: counts for other, counts in counts_by_end.items() if other != end}


def _cut(counts: Counts) -> Iterator[Counts]:
    chunk: Counts = {}
    size = 0
    for key, count in counts.items():
        chunk[key] = count
        size += len(key)
        if size > CHUNK_CHARACTERS:
            yield chunk
            chunk, size = {}, 0
    if chunk:
        yield chunk

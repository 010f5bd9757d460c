"""What a source partition tells the merge over ``metric-partials``: a site's partial results, and its progress."""

from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field

from streams.windows import PANE_MS, SLIDE_MS
from tidemark.topics import MAX_EVENT_PARTITIONS

#: The size in bytes at which url and country counts are cut, so that a record stays under 512 KB.
CHUNK_BYTES = 400_000
#: What an entry takes besides its key: quotes, colon, count, comma.
ENTRY_BYTES = 16
#: The most bytes of JSON that a character can take.
CHARACTER_BYTES = 6

Counts = dict[str, int]
Source = Annotated[int, Meta(ge=0, lt=MAX_EVENT_PARTITIONS)]
PaneEnd = Annotated[int, Meta(multiple_of=PANE_MS)]
WindowEnd = Annotated[int, Meta(multiple_of=SLIDE_MS)]


class PanePart(Struct, array_like=True, gc=False, frozen=True):
    """One site's 5 s pane, as one partition saw it; ``last_time`` is its newest accepted event's time (ms)."""

    end: PaneEnd
    page_views: int
    visitors: int
    visits: int
    visits_with_page_view: int
    bounced: int
    duration_ms: int
    last_time: int


class SlidingPart(Struct, array_like=True, gc=False, frozen=True):
    """One site's 60 s window ending at ``end``, as one partition saw it."""

    end: WindowEnd
    visitors: int
    visits: int
    converting: int
    revenue_micros: int


class SitePartial(Struct, tag="partial", gc=False, omit_defaults=True, kw_only=True):
    """What changed for a site, as of ``revision`` (the partition's offset it stands for).

    ``urls`` (by pane end) and ``countries`` (by window end) hold only entries that changed, each with its whole count:
    counts only grow, so the merge takes the larger one, and a repetition changes nothing. ``outcomes`` (by pane end)
    come when the pane closes, not before.
    """

    site: str
    partition: Source
    revision: int
    panes: list[PanePart] = field(default_factory=list)
    sliding: list[SlidingPart] = field(default_factory=list)
    urls: dict[PaneEnd, Counts] = field(default_factory=dict)
    countries: dict[WindowEnd, Counts] = field(default_factory=dict)
    outcomes: dict[PaneEnd, Counts] = field(default_factory=dict)

    def newest_pane(self) -> int:
        """Return the end (ms) of the newest pane it tells of, 0 without one."""
        return max((pane.end for pane in self.panes), default=0)

    def chunks(self) -> Iterator["SitePartial"]:
        """Cut into records of bounded size. The one with the sums comes last, when the counts are all there."""
        if self._largest_size() <= CHUNK_BYTES:
            yield self
            return
        chunk, size = self._nothing(), 0
        for name, end, key, count in self._entries():
            getattr(chunk, name).setdefault(end, {})[key] = count
            size += len(encode(key)) + ENTRY_BYTES
            if size > CHUNK_BYTES:
                yield chunk
                chunk, size = self._nothing(), 0
        if size:
            yield chunk
        yield msgspec.structs.replace(self, urls={}, countries={})

    def _largest_size(self) -> int:
        """Return the most bytes the counts can take, without encoding them."""
        counts = [*self.urls.values(), *self.countries.values()]
        return sum(CHARACTER_BYTES * sum(map(len, each)) + ENTRY_BYTES * len(each) for each in counts)

    def _entries(self) -> Iterator[tuple[str, int, str, int]]:
        for name, by_end in (("urls", self.urls), ("countries", self.countries)):
            for end, counts in by_end.items():
                for key, count in counts.items():
                    yield name, end, key, count

    def _nothing(self) -> "SitePartial":
        return SitePartial(site=self.site, partition=self.partition, revision=self.revision)


class Marker(Struct, tag="marker", gc=False):
    """How far a partition is: (watermark ms, offset of the record that brought it there), oldest first.

    Sent after the partials up to there are acknowledged; a pair for each time the watermark passed a pane's end.
    """

    partition: Source
    progress: list[tuple[int, int]]


encode = msgspec.json.Encoder().encode
_decoder: msgspec.json.Decoder[SitePartial | Marker] = msgspec.json.Decoder(SitePartial | Marker)
decode = _decoder.decode

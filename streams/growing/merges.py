"""A merge partition's checkpoint for more source partitions: what is final stays, what is open comes anew. Pure."""

from collections.abc import Mapping

import msgspec

from streams.windows.checkpoint import META, encode, meta_of
from streams.windows.merge import made_with
from streams.windows.merge_meta import MergeMeta
from streams.windows.site import LAST_TIME, URLS, EntryKey


def merge_meta(entries: Mapping[bytes, bytes], sources: int) -> MergeMeta:
    """Return where a merge partition of so many sources stands. Raises StateError for something else."""
    return msgspec.json.decode(meta_of(entries, made_with(sources)), type=MergeMeta)


def grown(entries: Mapping[bytes, bytes], sources: int, targets: int) -> dict[bytes, bytes]:
    """Return the checkpoint at the start of a new log, that goes on behind the old one's boundary.

    All partitions have closed what ends at the boundary, and nothing that ends later: so of what is open only early
    results are known, which the new partitions tell again. Of what is closed later windows need when a site had its
    last event, and the urls of its panes: nobody tells these again.
    """
    meta = merge_meta(entries, sources)
    boundary = meta.boundary
    assert boundary is not None
    kept = {key: value for key, value in entries.items() if key != META and _is_needed(key, boundary)}
    # What tells a log without its head when that ended: the newest first watermark of all.
    first = max((first for first, _ in meta.progress if first is not None), default=None)
    new = MergeMeta(made_with(targets), 0, boundary, meta.whole, [(first, []) for _ in range(targets)])
    return {META: encode(new), **kept}


def _is_needed(key: bytes, boundary: int) -> bool:
    kind, _, end = msgspec.json.decode(key, type=EntryKey)
    return bool(kind == LAST_TIME or (kind == URLS and end <= boundary))

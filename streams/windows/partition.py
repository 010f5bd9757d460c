"""One source partition: its records in offset order → partials for the merge, visits, alerts, dead letters."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Self

from streams.windows import DUPLICATE_MS, PANE_MS
from streams.windows.checkpoint import META, Changes, encode, meta_of
from streams.windows.duplicates import NEVER, AcceptedIds, forget_at
from streams.windows.entries import Meta, decode_meta, made_with
from streams.windows.exact import floor_to
from streams.windows.funnel import Funnel
from streams.windows.open_windows import OpenWindows
from streams.windows.output import Output
from streams.windows.partials import SitePartial
from streams.windows.records import Placed, Record, late_text, read, site_of_invalid
from streams.windows.session import Visit
from tidemark.events import LATE, InvalidEvent
from tidemark.results import DUPLICATE, DeadLetter
from tidemark.topics import EVENTS

#: The watermark before the first valid record: nothing is late.
NO_WATERMARK = -(2**62)


class PartitionWindows:
    """The state of one source partition: a pure function of its log up to ``offset`` (exclusive).

    Accepted events are held until the watermark passes their pane, then applied in order of (timestamp, event id): no
    result depends on the order of arrival within the lateness, nor on how the log was cut into batches.
    """

    def __init__(
        self, partition: int, *, lateness_ms: int, funnel: Sequence[str], partitions: int = EVENTS.partitions
    ) -> None:
        self.partition = partition
        self.watermark = NO_WATERMARK
        self.offset = 0
        self._lateness_ms = lateness_ms
        self._made_with = made_with(partition, partitions, lateness_ms)
        self._ids = AcceptedIds()
        self._open = OpenWindows(partition, Funnel(funnel))
        self._saved_offset: int | None = None

    def feed(self, records: Sequence[Record]) -> Output:
        """Judge the next records of the log, in offset order, and close what their watermarks pass."""
        out = Output()
        if not records:
            return out
        contents, packed = read(records)
        accepted_at = self._ids.accepted_at(packed)
        if len(accepted_at) < len(contents):
            known = iter(accepted_at)
            accepted_at = [next(known) if isinstance(content, tuple) else NEVER for content in contents]
        self._judge(records, contents, accepted_at, out)
        self.offset = records[-1].offset + 1
        self._ids.settle(self.watermark)
        return out

    def _judge(  # noqa: PLR0912
        self,
        records: Sequence[Record],
        contents: list[Placed | InvalidEvent | None],
        accepted_at: list[int],
        out: Output,
    ) -> None:
        """Take one record after another: refuse it, drop it or hold its event, then move the watermark.

        This loop is what an event costs most in; so it has its state in locals and does its work itself.
        """
        windows, recent, lateness = self._open, self._ids.recent, self._lateness_ms
        panes, audiences, early = windows.held, windows.audiences, windows.early
        changed_panes = windows.unsaved.held
        watermark = self.watermark
        next_pane = floor_to(watermark, PANE_MS) + PANE_MS
        changed_pane = None
        for record, content, known in zip(records, contents, accepted_at, strict=True):
            time = append_time = record.timestamp
            if isinstance(content, tuple):
                event, site, visitor, session_id = content
                time, event_id = event.time, event.event_id
                pane_end = time - time % PANE_MS + PANE_MS
                if watermark < recent.get(event_id, known) + DUPLICATE_MS:
                    out.duplicates += 1
                    windows.reject(append_time, next_pane, site, DUPLICATE)
                elif pane_end <= watermark:
                    text = late_text(time, pane_end, watermark)
                    self._refuse(record, InvalidEvent(LATE, text), site, next_pane, out)
                else:
                    out.accepted += 1
                    recent[event_id] = time
                    audience = audiences.get(site) or windows.begin(site)
                    visit = audience.visits.get(visitor)
                    if visit is None or visit.session_id != session_id:
                        visit = audience.visit(visitor, session_id)
                    if visit.held is None:
                        visit.held = [event]
                    else:
                        visit.held.append(event)
                    if visit.listed != pane_end:
                        visit.listed = pane_end
                        if pane_end in panes:
                            panes[pane_end].append(visit)
                        else:
                            self._hold_pane(pane_end, visit)
                    if pane_end != changed_pane:
                        changed_pane = pane_end
                        changed_panes.add(pane_end)
                    if visit.batch != early.batch:
                        visit.batch = early.batch
                        early.changed.append(visit)
                time = min(time, append_time)
            elif content is not None:
                self._refuse(record, content, site_of_invalid(record, content), next_pane, out)
                continue
            if time - lateness > watermark:
                watermark = self.watermark = time - lateness
                if watermark >= next_pane:
                    self._pass(watermark, record.offset, out)
                    next_pane = floor_to(watermark, PANE_MS) + PANE_MS

    def _hold_pane(self, pane_end: int, visit: Visit) -> None:
        self._open.hold(pane_end, visit)
        self._open.agenda.add(forget_at(pane_end))
        self._ids.expect(pane_end)

    def _pass(self, watermark: int, offset: int, out: Output) -> None:
        for end in self._open.agenda.until(watermark):
            self._open.close(end, offset, out)
            self._ids.forget(end)
        out.progress.append((watermark, offset))

    def early(self, now: int, most: int) -> Iterator[SitePartial]:
        """Yield what changed in the open windows, as of ``offset`` − 1, of at most so many sites; changes no window.

        The other sites' turn comes first in the next call. ``now`` is ms of a clock that never goes back; windows which
        end later than the one that is shown now are told once in ``early.LATER_MS``.
        """
        highest = self.watermark + self._lateness_ms
        return self._open.take_early(now, most, self.offset - 1, self.watermark, highest)

    def is_empty(self) -> bool:
        """Say whether nothing is held, open or remembered any more."""
        return len(self._ids) == 0 and self._open.is_empty()

    def changes(self) -> Changes:
        """Return the entries of the checkpoint that changed since the last call; None for one that is over.

        All entries so far, the newest of each key, are the state as of ``offset``. Nothing if nothing was read since.
        """
        if self.offset == self._saved_offset:
            return []
        self._saved_offset = self.offset
        meta = Meta(self._made_with, self.offset, self.watermark)
        return [(META, encode(meta)), *self._ids.changes(self.watermark), *self._open.changes()]

    @classmethod
    def restored(
        cls,
        entries: Mapping[bytes, bytes],
        partition: int,
        *,
        lateness_ms: int,
        funnel: Sequence[str],
        partitions: int = EVENTS.partitions,
    ) -> Self:
        """Return the state that a checkpoint's entries hold.

        Raises StateError if they are another partition's, or were made with another lateness, layout or number of
        partitions.
        """
        windows = cls(partition, lateness_ms=lateness_ms, funnel=funnel, partitions=partitions)
        meta = decode_meta(meta_of(entries, windows._made_with))
        windows.offset = windows._saved_offset = meta.offset
        windows.watermark = meta.watermark
        for pane_end in windows._ids.restore(entries, meta.watermark):
            windows._open.agenda.add(forget_at(pane_end))
        windows._open.restore(entries, meta.watermark)
        return windows

    @property
    def open_panes(self) -> int:
        """The number of panes whose events wait for the watermark."""
        return len(self._open.held)

    @property
    def open_visits(self) -> int:
        """The number of open visits, and of session ids whose first event waits for its pane."""
        return self._open.visits

    @property
    def ids(self) -> int:
        """The number of event ids that are remembered."""
        return len(self._ids)

    @property
    def ids_bytes(self) -> int:
        """What the remembered ids take in memory once they are packed."""
        return self._ids.packed_bytes

    def _refuse(self, record: Record, why: InvalidEvent, site: str, first_open: int, out: Output) -> None:
        self._open.reject(record.timestamp, first_open, site, why.reason.lower())
        out.dead.append(
            DeadLetter(
                reason=why.reason,
                text=why.text,
                topic=EVENTS.name,
                partition=self.partition,
                offset=record.offset,
                record=record.value or b"",
            )
        )

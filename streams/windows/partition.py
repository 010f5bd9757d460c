"""One source partition: its records in offset order → partials for the merge, visits, alerts, dead letters."""

import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct, field

from streams.windows import BOUNCE_MS, PANE_MS, SLIDE_MS
from streams.windows.agenda import Agenda
from streams.windows.bounce import BounceWindows
from streams.windows.checkpoint import META, Changes, StateError
from streams.windows.duplicates import AcceptedIds, forget_at
from streams.windows.early import EarlyResults
from streams.windows.exact import ceil_to, floor_to
from streams.windows.funnel import Funnel
from streams.windows.pane import Pane
from streams.windows.partials import SitePartial
from streams.windows.records import Record, is_tick, late_text, valid_event
from streams.windows.session import Held, Visit, VisitKey, apply
from streams.windows.sliding import SlidingWindows, window_ends
from streams.windows.visits import OpenVisits
from tidemark.events import LATE, PAGE_VIEW, Event, InvalidEvent
from tidemark.results import Alert, DeadLetter, SessionSummary
from tidemark.topics import EVENTS

#: The watermark before the first valid record: nothing is late.
NO_WATERMARK = -(2**62)


class Output(Struct, gc=False):
    """What a stretch of the log gave: all of it final, all of it a function of the log alone.

    ``progress`` holds a (watermark, offset) for each record that brought the watermark past a pane's end.
    """

    partials: list[SitePartial] = field(default_factory=list)
    sessions: list[SessionSummary] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    progress: list[tuple[int, int]] = field(default_factory=list)
    accepted: int = 0
    duplicates: int = 0


class PartitionWindows:
    """The state of one source partition: a pure function of its log up to ``offset`` (exclusive).

    Accepted events are held until the watermark passes their pane, then applied in order of (timestamp, event id): no
    result depends on the order of arrival within the lateness, nor on how the log was cut into batches.
    """

    def __init__(self, partition: int, *, lateness_ms: int, funnel: Sequence[str]) -> None:
        self.partition = partition
        self.watermark = NO_WATERMARK
        self.offset = 0
        self._lateness_ms = lateness_ms
        self._funnel = Funnel(funnel)
        # Accepted events by pane end, site and visit.
        self._held: dict[int, dict[str, dict[VisitKey, list[Held]]]] = {}
        self._ids = AcceptedIds()
        self._visits = OpenVisits(self._funnel)
        self._sliding: dict[str, SlidingWindows] = {}
        self._bounce = BounceWindows()
        self._agenda = Agenda()
        self._early = EarlyResults()

    def feed(self, records: Iterable[Record]) -> Output:
        """Judge the next records of the log, in offset order, and close what their watermarks pass."""
        out = Output()
        for record in records:
            self.offset = record.offset + 1
            if is_tick(record):
                self._advance(record.timestamp, record.offset, out)
                continue
            try:
                event, packed_id = valid_event(record)
            except InvalidEvent as why:
                out.dead.append(self._dead_letter(record, why.reason, why.text))
                continue
            self._judge(record, event, packed_id, out)
            self._advance(min(event.timestamp, record.timestamp), record.offset, out)
        return out

    def early(self) -> Iterator[SitePartial]:
        """Yield what changed in the open windows since the last call, as of ``offset`` − 1; changes no window."""
        return self._early.take(self.partition, self.offset - 1, self._held, self._visits, self._sliding, self._funnel)

    def changes(self) -> Changes:
        """Temporary: the whole state as one entry."""
        return [(META, pickle.dumps(self.__dict__))]

    @classmethod
    def restored(
        cls, entries: Mapping[bytes, bytes], partition: int, *, lateness_ms: int, funnel: Sequence[str]
    ) -> "PartitionWindows":
        """Temporary: the state at that checkpoint."""
        windows = cls(partition, lateness_ms=lateness_ms, funnel=funnel)
        windows.__dict__ = pickle.loads(entries[META])
        if windows._lateness_ms != lateness_ms:
            raise StateError(
                f"the checkpoint was made with lateness_ms {windows._lateness_ms}, this worker has "
                f"lateness_ms {lateness_ms}; a change of these is a new topic and a cut-over"
            )
        return windows

    def is_empty(self) -> bool:
        """Say whether nothing is held, open or remembered any more."""
        kept = len(self._held) + len(self._ids) + len(self._visits) + len(self._sliding) + len(self._agenda)
        return kept == 0 and self._bounce.is_empty()

    def _judge(self, record: Record, event: Event, packed_id: bytes, out: Output) -> None:
        pane_end = event.timestamp - event.timestamp % PANE_MS + PANE_MS
        if self._ids.has(packed_id, self.watermark):
            out.duplicates += 1
        elif pane_end <= self.watermark:
            out.dead.append(self._dead_letter(record, LATE, late_text(event, pane_end, self.watermark)))
        else:
            out.accepted += 1
            self._hold(event, packed_id, pane_end)

    def _hold(self, event: Event, packed_id: bytes, pane_end: int) -> None:
        self._ids.add(packed_id, event.timestamp, pane_end)
        sites = self._held.get(pane_end)
        if sites is None:
            sites = self._held[pane_end] = {}
            self._agenda.add(pane_end)
            self._agenda.add(forget_at(pane_end))
        site = event.site
        keys = sites.get(site)
        if keys is None:
            keys = sites[site] = {}
        key = (site, event.visitor, event.session_id)
        events = keys.get(key)
        if events is None:
            keys[key] = [(event.timestamp, packed_id, event)]
        else:
            events.append((event.timestamp, packed_id, event))
        self._early.changed.add(site)

    def _advance(self, time: int, offset: int, out: Output) -> None:
        watermark = time - self._lateness_ms
        if watermark <= self.watermark:
            return
        passed = floor_to(watermark, PANE_MS) > floor_to(self.watermark, PANE_MS)
        self.watermark = watermark
        if passed:
            for end in self._agenda.until(watermark):
                self._close(end, offset, out)
            out.progress.append((watermark, offset))

    def _close(self, end: int, offset: int, out: Output) -> None:
        """Close everything that ends at ``end``; nothing that ends earlier is open any more."""
        partials: dict[str, SitePartial] = {}
        for site, keys in self._held.pop(end, {}).items():
            partials[site] = self._close_pane(site, keys, end, offset, out)
        out.sessions += self._visits.expire(end, self._agenda)
        if end % SLIDE_MS == 0:
            self._close_sliding(end, offset, partials)
        if end % BOUNCE_MS == 0:
            out.alerts += self._bounce.close(end)
        self._ids.forget(end)
        out.partials += partials.values()

    def _close_pane(
        self, site: str, keys: dict[VisitKey, list[Held]], end: int, offset: int, out: Output
    ) -> SitePartial:
        pane = Pane(end)
        for key, events in keys.items():
            events.sort()
            over: list[Visit] = []
            visit = apply(self._visits.get(key), key, events, pane, self._funnel, over)
            out.sessions += self._visits.put(key, visit, over, self._agenda)
            self._count_page_views(key, events, end)
        sliding = self._sliding.setdefault(site, SlidingWindows())
        sliding.add(pane)
        for window_end in window_ends(end):
            self._agenda.add(window_end)
        self._early.changed.add(site)
        urls = self._early.unsent_urls(site, pane)
        partial = SitePartial(site=site, partition=self.partition, revision=offset, panes=[pane.part()])
        if urls:
            partial.urls[end] = urls
        return partial

    def _count_page_views(self, key: VisitKey, events: list[Held], end: int) -> None:
        page_views = sum(event.event_type == PAGE_VIEW for _, _, event in events)
        if page_views:
            window_end = ceil_to(end, BOUNCE_MS)
            self._bounce.count(window_end, key[0], key[1], page_views)
            self._agenda.add(window_end)

    def _close_sliding(self, end: int, offset: int, partials: dict[str, SitePartial]) -> None:
        for site, sliding in list(self._sliding.items()):
            closed = sliding.close(end)
            if closed is not None:
                part, countries = closed
                partial = partials.get(site)
                if partial is None:
                    partial = partials[site] = SitePartial(site=site, partition=self.partition, revision=offset)
                partial.sliding.append(part)
                unsent = self._early.unsent_countries(site, end, countries)
                if unsent:
                    partial.countries[end] = unsent
            if sliding.is_empty():
                del self._sliding[site]
                self._early.forget(site)

    def _dead_letter(self, record: Record, reason: str, text: str) -> DeadLetter:
        return DeadLetter(
            reason=reason,
            text=text,
            topic=EVENTS.name,
            partition=self.partition,
            offset=record.offset,
            record=record.value or b"",
        )

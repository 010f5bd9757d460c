"""Carries the traces of sampled events through a stage: from the records they come in to the first result of them."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from streams.windows import PANE_MS, SLIDING_MS
from streams.windows.records import Record
from tidemark.decoding import decode_fields, site_of
from tidemark.results import DeadLetter

if TYPE_CHECKING:
    from monitoring.spans import Sending, TraceContext, Traces

#: So many traces of a site wait for one result at most: the newest goes on, the others are its links.
MOST_WAITING = 32
#: And of so many sites in a partition: a duplicate has no result that would let its trace go.
MOST_SITES = 1_000


class Carrier:
    """The traces in one stage's state, by partition and site; topics are named as they are on the broker."""

    def __init__(self, traces: "Traces", read: str, written: str) -> None:
        self._traces = traces
        self._read = read
        self._written = written
        # Of each the end of the pane that its event is in (ms).
        self._waiting: dict[int, dict[str, list[tuple[int, TraceContext]]]] = {}

    def judged(self, partition: int, records: Sequence[Record], dead: Iterable[DeadLetter], since_ns: int) -> None:
        """Tell what became of the sampled ones among events, since then (ns since the epoch)."""
        reasons = {letter.offset: letter.reason for letter in dead}
        for record in records:
            parent = self._traces.carried(record.headers) if record.headers else None
            if parent is None or record.value is None:
                continue
            reason = reasons.get(record.offset)
            if reason is not None:
                site = site_of(record.value)
                self._traces.process(self._read, partition, record.offset, site, parent, since_ns, reason.lower())
                continue
            event = decode_fields(record.value)
            pane_end = event.timestamp - event.timestamp % PANE_MS + PANE_MS
            self._go_on(partition, record, event.site, pane_end, parent, since_ns)

    def taken(self, partition: int, record: Record, site: str, pane_end: int, since_ns: int) -> None:
        """Tell that a partial was added up, if it belongs to a trace."""
        parent = self._traces.carried(record.headers)
        if parent is not None:
            self._go_on(partition, record, site, pane_end, parent, since_ns)

    def _go_on(
        self, partition: int, record: Record, site: str, pane_end: int, parent: "TraceContext", since_ns: int
    ) -> None:
        context = self._traces.process(self._read, partition, record.offset, site, parent, since_ns)
        sites = self._waiting.setdefault(partition, {})
        waiting = sites.setdefault(site, [])
        waiting.append((pane_end, context))
        del waiting[:-MOST_WAITING]
        if len(sites) > MOST_SITES:
            del sites[next(iter(sites))]

    def first_result(self, partition: int, site: str, end: int) -> "Sending | None":
        """Begin to send a site's result for windows that end there (ms, exclusive), if it is the first of a trace.

        What waits for a window that has gone by is let go: a duplicate changes no result.
        """
        sites = self._waiting.get(partition, {})
        waiting = sites.pop(site, None)
        if waiting is None:
            return None
        later = [(pane_end, context) for pane_end, context in waiting if pane_end > end]
        if later:
            sites[site] = later
        contained = [context for pane_end, context in waiting if 0 <= end - pane_end < SLIDING_MS]
        if not contained:
            return None
        *others, newest = contained
        return self._traces.send(self._written, site, newest, others)

    def forget(self, partition: int) -> None:
        """Tell nothing more of a partition that goes."""
        self._waiting.pop(partition, None)

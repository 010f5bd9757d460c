"""The open visits of one partition, and when each is over for want of events."""

from collections.abc import Iterator

from streams.windows.agenda import Agenda
from streams.windows.funnel import Funnel
from streams.windows.session import Visit, VisitKey, due, summary
from tidemark.results import SessionSummary


class OpenVisits:
    """Open visits by (site, visitor, session id); each stands in one bucket, the pane end at which it may be over."""

    def __init__(self, funnel: Funnel) -> None:
        self._funnel = funnel
        self._open: dict[VisitKey, Visit] = {}
        self._due: dict[int, list[VisitKey]] = {}

    def get(self, key: VisitKey) -> Visit | None:
        """Return the key's open visit."""
        return self._open.get(key)

    def put(self, key: VisitKey, visit: Visit | None, over: list[Visit], agenda: Agenda) -> Iterator[SessionSummary]:
        """Keep what a pane's events left of a key's visits; yield the summaries of those that are over."""
        if visit is None:
            self._open.pop(key, None)
        else:
            self._open[key] = visit
            if not visit.due:
                self._plan(key, visit, agenda)
        return (summary(key, ended, self._funnel) for ended in over)

    def expire(self, end: int, agenda: Agenda) -> Iterator[SessionSummary]:
        """Yield the summaries of visits whose last event is more than 30 min before ``end``, a pane's end."""
        for key in self._due.pop(end, ()):
            visit = self._open.get(key)
            if visit is None or visit.due != end:
                continue  # that visit ended otherwise; a newer one of the key stands in a bucket of its own
            if due(visit.last) > end:
                self._plan(key, visit, agenda)
            else:
                del self._open[key]
                yield summary(key, visit, self._funnel)

    def _plan(self, key: VisitKey, visit: Visit, agenda: Agenda) -> None:
        visit.due = due(visit.last)
        self._due.setdefault(visit.due, []).append(key)
        agenda.add(visit.due)

    def __len__(self) -> int:
        return len(self._open)

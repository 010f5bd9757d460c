"""What the streams said, from their topics, against the reference applied to the events topic."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TypeVar

from tests.support import wait
from tests.support.kafka_log import read_log
from tests.support.reference import Expected, LogRecord, reference
from tidemark import results
from tidemark.events import LATE
from tidemark.results import EVENTS_BY_OUTCOME, Alert, DeadLetter, MetricUpdate, SessionSummary
from tidemark.settings import Settings
from tidemark.topics import ALERTS, DEAD_LETTERS, EVENTS, METRICS, SESSIONS

WindowKey = tuple[str, str, int]
Key = TypeVar("Key")
Content = TypeVar("Content")


@dataclass
class Observed:
    """All results on the topics. What came twice with different contents is in ``conflicts``."""

    finals: dict[WindowKey, MetricUpdate] = field(default_factory=dict)
    conflicts: list[tuple[object, object]] = field(default_factory=list)
    early: list[MetricUpdate] = field(default_factory=list)
    sessions: dict[str, SessionSummary] = field(default_factory=dict)
    alerts: dict[str, Alert] = field(default_factory=dict)
    dead: dict[tuple[int, int], str] = field(default_factory=dict)

    def add_update(self, update: MetricUpdate) -> None:
        """Take an update; ``emitted_at`` is the one field that may differ between repetitions."""
        update.emitted_at = 0
        if update.final:
            self._keep(self.finals, _window(update), update)
        else:
            self.early.append(update)

    def add_visit(self, visit: SessionSummary) -> None:
        """Take a visit."""
        self._keep(self.sessions, visit.visit_id, visit)

    def add_alert(self, alert: Alert) -> None:
        """Take an alert; its description is free text and not compared."""
        alert.description = ""
        self._keep(self.alerts, alert.alert_id, alert)

    def add_dead_letter(self, letter: DeadLetter) -> None:
        """Take a dead letter of the events topic."""
        if letter.topic == EVENTS.name:
            self._keep(self.dead, (letter.partition, letter.offset), letter.reason)

    def outcomes(self) -> Counter[str]:
        """Return what became of the records whose windows are final, all sites together."""
        lists = [final.dimensions or [] for final in self.finals.values() if final.metric == EVENTS_BY_OUTCOME]
        return sum((Counter({entry.key: entry.value for entry in entries}) for entries in lists), Counter[str]())

    def too_high(self) -> list[MetricUpdate]:
        """Return the early results whose revision is higher than their final's."""
        return [
            update
            for update in self.early
            if _window(update) in self.finals and update.revision > self.finals[_window(update)].revision
        ]

    def went_back(self) -> list[MetricUpdate]:
        """Return the early results that came after one of a higher revision."""
        newest: dict[WindowKey, int] = {}
        back = []
        for update in self.early:
            if update.revision < newest.setdefault(_window(update), update.revision):
                back.append(update)
            newest[_window(update)] = max(update.revision, newest[_window(update)])
        return back

    def _keep(self, known: dict[Key, Content], key: Key, content: Content) -> None:
        if known.setdefault(key, content) != content:
            self.conflicts.append((known[key], content))


def _window(update: MetricUpdate) -> WindowKey:
    return update.site_id, update.metric, update.window_start


def observe(settings: Settings) -> Observed:
    """Read every result topic to its present end."""
    seen = Observed()
    for record in read_log(settings, METRICS):
        seen.add_update(results.decode_metric(record.value or b""))
    for record in read_log(settings, SESSIONS):
        seen.add_visit(results.decode_session(record.value or b""))
    for record in read_log(settings, ALERTS):
        seen.add_alert(results.decode_alert(record.value or b""))
    for record in read_log(settings, DEAD_LETTERS):
        seen.add_dead_letter(results.decode_dead_letter(record.value or b""))
    return seen


def expect(settings: Settings) -> Expected:
    """Apply the reference to the events topic as it is now."""
    log = [
        LogRecord(record.partition, record.offset, record.append_time, record.value, record.tick)
        for record in read_log(settings, EVENTS)
    ]
    sources = settings.event_partitions
    return reference(log, partitions=sources, lateness_ms=settings.lateness_ms, funnel=settings.funnel)


def missing(expected: Expected, seen: Observed) -> list[object]:
    """Return every expected result that is not there, or is there with another content."""
    return [
        *(final for key, final in expected.finals.items() if seen.finals.get(key) != final),
        *(visit for key, visit in expected.sessions.items() if seen.sessions.get(key) != visit),
        *(alert for key, alert in expected.alerts.items() if seen.alerts.get(key) != alert),
        *((key, reason) for key, reason in expected.dead.items() if seen.dead.get(key) != reason),
    ]


def unexpected(expected: Expected, seen: Observed) -> list[object]:
    """Return every result that nothing in the log asks for."""
    return [
        *(seen.finals.keys() - expected.finals.keys()),
        *(seen.sessions.keys() - expected.sessions.keys()),
        *(seen.alerts.keys() - expected.alerts.keys()),
        *(seen.dead.keys() - expected.dead.keys()),
        *seen.conflicts,
    ]


def wait_until_exact(settings: Settings, deadline_s: float = 60.0) -> Expected:
    """Wait until everything the log of this moment asks for is there; return what was expected.

    Afterwards, with the workers stopped, ``unexpected`` tells whether there is anything else.
    """
    expected = expect(settings)
    wait.until(lambda: not missing(expected, observe(settings)), deadline_s, lambda: describe(expected, settings))
    return expected


def describe(expected: Expected, settings: Settings) -> str:
    """Say what is missing, for a failed test."""
    lost = missing(expected, observe(settings))
    late = sum(reason == LATE for reason in expected.dead.values())
    return f"{len(lost)} results missing or different ({late} late events), the first: {lost[:3]}"

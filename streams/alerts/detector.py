"""The rules' state of one partition of ``processed-metrics``: finals in, alerts out. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Self

import msgspec
from msgspec import Struct

from streams.alerts.rule import Rule
from streams.alerts.watch import Watch
from streams.windows.checkpoint import META, Changes, Journal, MadeWith, encode, meta_of
from streams.windows.session import stable_id
from tidemark.results import Alert, MetricUpdate

#: Raised when the entries or their values change their form.
LAYOUT = 1
#: A site of which nothing has come for so long, while others went on, is forgotten; looked for once a minute.
FORGET_MS = 60 * 60_000
MINUTE_MS = 60_000

#: A rule's name and a site.
Key = tuple[str, str]


class Meta(Struct):
    """Where the state stands: ``offset`` of the next record, the ``newest`` end of a window (ms)."""

    made_with: MadeWith
    offset: int
    newest: int


class _Entry(Struct):
    rule: str
    watch: Watch


class Detector:
    """A pure function of the partition's log and the rules, from the record on with which a rule came.

    Only finals count, each once: one that is repeated changes nothing. What it holds is bounded by ``windows`` values a
    rule and site. ``offset`` is the next record's; the reader keeps it.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.offset = 0
        self._newest = 0
        self._rules = {rule.name: rule for rule in rules}
        self._versions = {rule.name: _version(rule) for rule in rules}
        self._of_metric: dict[str, list[Rule]] = defaultdict(list)
        for rule in rules:
            self._of_metric[rule.judged].append(rule)
        self._watches: dict[Key, Watch] = {}
        self._journal = Journal()
        self._written_meta = b""

    def take(self, update: MetricUpdate) -> list[Alert]:
        """Take a record of the log, in its order; return the alerts it sets off."""
        if not update.final:
            return []
        self._forget(update.window_end)
        alerts = []
        for rule in self._of_metric.get(update.metric, ()):
            if rule.is_for(update.site_id):
                alerts.append(self._watch(rule, update.site_id).take(rule, update))
        return [alert for alert in alerts if alert is not None]

    def _watch(self, rule: Rule, site: str) -> Watch:
        key = (rule.name, site)
        watch = self._watches.get(key)
        if watch is None:
            watch = self._watches[key] = Watch()
        self._journal.put(key, _Entry(self._versions[rule.name], watch))
        return watch

    def _forget(self, end: int) -> None:
        before, self._newest = self._newest, max(self._newest, end)
        if self._newest // MINUTE_MS > before // MINUTE_MS:
            for key, watch in list(self._watches.items()):
                if (watch.seen or 0) < self._newest - FORGET_MS:
                    del self._watches[key]
                    self._journal.drop(key)

    def changes(self) -> Changes:
        """Return what changed since the last call, or since the state it was restored from."""
        changes = self._journal.take()
        meta = encode(Meta(_MADE_WITH, self.offset, self._newest))
        if meta != self._written_meta:
            self._written_meta = meta
            changes.append((META, meta))
        return changes

    @classmethod
    def restored(cls, entries: Mapping[bytes, bytes], rules: Sequence[Rule]) -> Self:
        """Return the state whose ``changes``, folded, are these entries.

        A rule that was changed begins anew, one that is gone is forgotten. Raises StateError for another kind of state.
        """
        detector = cls(rules)
        raw = meta_of(entries, _MADE_WITH)
        meta = msgspec.json.decode(raw, type=Meta)
        detector.offset, detector._newest, detector._written_meta = meta.offset, meta.newest, raw
        for key, value in entries.items():
            if key != META:
                detector._restore(msgspec.json.decode(key, type=Key), msgspec.json.decode(value, type=_Entry))
        return detector

    def _restore(self, key: Key, entry: _Entry) -> None:
        self._journal.known(key)
        rule = self._rules.get(key[0])
        if rule is None or entry.rule != self._versions[rule.name] or not rule.is_for(key[1]):
            self._journal.drop(key)
        else:
            self._watches[key] = entry.watch


def _version(rule: Rule) -> str:
    """Return what tells a rule from the same rule with other fields."""
    return stable_id(msgspec.json.encode(rule, enc_hook=int).decode())


_MADE_WITH: MadeWith = {"kind": "alerts", "layout": LAYOUT}

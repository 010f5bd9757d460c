"""Whether a contender's results add up to what was sent: one that does not is no faster, it is wrong."""

import json
from collections import Counter
from collections.abc import Mapping

from benchmarks.contenders import OURS, Contender
from benchmarks.filling import Manifest
from tests.support.kafka_log import read_log
from tidemark.decoding import decode_event
from tidemark.events import LATE, PAGE_VIEW
from tidemark.results import PAGE_VIEWS_PER_SECOND, decode_dead_letter, decode_metric, decode_session
from tidemark.settings import Settings
from tidemark.topics import DEAD_LETTERS, METRICS, SESSIONS

#: An event belongs to so many sliding windows: 60 s, every 10 s.
SLIDING_OVERLAP = 6

Totals = Mapping[tuple[str, str], int]


def differences(contender: Contender, settings: Settings, manifest: Manifest) -> list[str]:
    """Return each total that is not what was sent: (what, site, expected, found)."""
    if contender.name == OURS:
        expected, found = _of_visits(settings, manifest), _of_windows(settings, manifest)
    else:
        expected, found = _sent(manifest, contender.windows), _found(settings, contender.windows)
    return [
        f"{what} {site}: expected {expected.get((what, site), 0):,}, found {found.get((what, site), 0):,}"
        for what, site in sorted(expected.keys() | found.keys())
        if expected.get((what, site), 0) != found.get((what, site), 0)
    ]


def _sent(manifest: Manifest, windows: frozenset[str]) -> Totals:
    """Return what a baseline's windows must add up to, of a log without late, doubled and bad records."""
    totals = {("session", "all"): sum(manifest["events"].values()), ("visits", "all"): manifest["visits"]}
    for site, figures in manifest["sites"].items():
        totals["tumbling", site] = figures["events"].get(PAGE_VIEW, 0)
        totals["sliding", site] = SLIDING_OVERLAP * sum(figures["events"].values())
    return {place: total for place, total in totals.items() if place[0] in windows}


def _found(settings: Settings, windows: frozenset[str]) -> Totals:
    """Add up a baseline's windows: of each the last result, none where that is null."""
    last: dict[bytes | None, bytes | None] = {record.key: record.value for record in read_log(settings, METRICS)}
    totals = Counter[tuple[str, str]]()
    for value in last.values():
        if value is not None:
            result = json.loads(value)
            of_site = result["window"] in ("tumbling", "sliding")
            totals[result["window"], result["site"] if of_site else "all"] += result["count"]
            totals["visits", "all"] += result["window"] == "session"
    return {place: total for place, total in totals.items() if place[0] in windows}


def _of_visits(settings: Settings, manifest: Manifest) -> Totals:
    """Return what Tidemark's visits say: the page views of each site, and all events but for the late ones."""
    totals = Counter[tuple[str, str]]()
    for record in read_log(settings, SESSIONS):
        visit = decode_session(record.value or b"")
        totals["page views", visit.site_id] += visit.page_views
        totals["events and late ones", "all"] += visit.events
    totals["events and late ones", "all"] += len(_late_ids(settings))
    totals["bad", "all"] = sum(manifest["bad"]["byReason"].values())
    return totals


def _of_windows(settings: Settings, manifest: Manifest) -> Totals:
    """Return the same from Tidemark's windows, the manifest and the dead letters."""
    totals = Counter[tuple[str, str]]()
    updates = [decode_metric(record.value or b"") for record in read_log(settings, METRICS)]
    finals = {update.key(): update for update in updates if update.final and update.metric == PAGE_VIEWS_PER_SECOND}
    for final in finals.values():
        totals["page views", final.site_id] += final.count
    totals["events and late ones", "all"] = manifest["distinctEventIds"]
    letters = [decode_dead_letter(record.value or b"") for record in read_log(settings, DEAD_LETTERS)]
    totals["bad", "all"] = sum(letter.reason != LATE for letter in letters)
    return totals


def _late_ids(settings: Settings) -> set[bytes]:
    """Return the ids of the events that came late: a late one's duplicate is late too."""
    letters = [decode_dead_letter(record.value or b"") for record in read_log(settings, DEAD_LETTERS)]
    return {decode_event(letter.record)[1] for letter in letters if letter.reason == LATE}

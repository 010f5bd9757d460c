"""What must hold after a run, whatever was killed in it; a violation is a sentence.

Early results may go back where workers are killed or moved: who reads again sends older ones again, and readers drop a
lower revision. Everywhere else they must not.
"""

import json
from typing import Any

from sinks.app import GROUP as SINK_GROUP
from tests.simulator.log import figures_in, figures_of
from tests.support.exactness import Observed, expect, missing, unexpected
from tests.support.kafka_log import LogRecord, read_log, wait_for_lag_zero
from tests.support.reference import Expected
from tests.support.stored import MEASUREMENTS, in_influxdb, to_be_stored
from tidemark.settings import Settings
from tidemark.topics import ALERTS, EVENTS, METRICS, SESSIONS

#: How many of a kind are told in full.
TOLD = 3


def log_violations(manifest: dict[str, Any], log: list[LogRecord]) -> list[str]:
    """Compare what the load says was acknowledged to it with the log."""
    told, found = figures_in(manifest), figures_of(record for record in log if not record.tick)
    return [
        f"the manifest has {name} {json.dumps(told[name])}, the log {json.dumps(found[name])}"
        for name in told
        if told[name] != found[name]
    ]


def fate_violations(expected: Expected, seen: Observed, log: list[LogRecord]) -> list[str]:
    """Each record of the log is accepted, a duplicate or a dead letter."""
    records = sum(not record.tick for record in log)
    fates = expected.accepted + expected.duplicates + len(seen.dead)
    return [] if fates == records else [f"{records} records had {fates} fates"]


def empty_violations(due: Expected) -> list[str]:
    """A run in which a kind of result did not occur has shown nothing of it."""
    kinds = {"finals": due.finals, "visits": due.sessions, "alerts": due.alerts, "dead letters": due.dead}
    return [f"the log asks for no {kind}" for kind, results in kinds.items() if not results]


def result_violations(settings: Settings, due: Expected, seen: Observed, *, in_order: bool) -> list[str]:
    """Compare the topics with ``due``, what the log asked for before the workers stopped."""
    violations = _told("missing or different", missing(due, seen))
    if unexpected(due, seen):  # the last ticks may have asked for more
        violations += _told("not asked for", unexpected(expect(settings), seen))
    violations += _told("early results above their final's revision", list(seen.too_high()))
    if in_order:
        violations += _told("early results that went back", list(seen.went_back()))
    return violations


def stored_violations(settings: Settings, seen: Observed) -> list[str]:
    """Compare InfluxDB with the topics, once the sink has written everything."""
    wait_for_lag_zero(settings, SINK_GROUP, [METRICS, SESSIONS, ALERTS], 60.0)
    violations = []
    for measurement in MEASUREMENTS:
        asked, stored = to_be_stored(seen, measurement), in_influxdb(settings, measurement)
        violations += _told(f"not in InfluxDB, {measurement}", list((asked - stored).elements()))
        violations += _told(f"in InfluxDB without a final, {measurement}", list((stored - asked).elements()))
    return violations


def violations_of(
    settings: Settings, manifest: dict[str, Any], due: Expected, seen: Observed, *, in_order: bool
) -> list[str]:
    """Return what does not hold; ``due`` is what the log asked for before the workers were stopped."""
    log = read_log(settings, EVENTS)
    return [
        *log_violations(manifest, log),
        *fate_violations(due, seen, log),
        *empty_violations(due),
        *result_violations(settings, due, seen, in_order=in_order),
    ]


def _told(what: str, found: list[Any]) -> list[str]:
    return [f"{what}: {len(found)}, the first: {found[:TOLD]}"] if found else []

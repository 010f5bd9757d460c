"""Where a site's events went, from the door to the streams: what InfluxDB is asked for and what it makes. Pure."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from tidemark.counts import ACCEPTED, BOT, EVENTS_AT_THE_DOOR
from tidemark.flux import quoted
from tidemark.results import DUPLICATE, EVENTS_BY_OUTCOME, OUTCOMES
from tidemark.tags import kept_in_tag

#: Windows end at multiples of it, so a ledger begins at one.
STEP_MS = 5_000
NS_PER_MS = 1_000_000


class AtTheDoor(Struct, frozen=True):
    """What the HTTP door was sent: ``received`` = ``accepted`` + ``bot`` + the sum of ``rejected``, by reason."""

    received: int
    accepted: int
    bot: int
    rejected: dict[str, int]


class InTheStreams(Struct, frozen=True):
    """What became of the records of the events topic; ``dead``: the dead letters by reason, late ones included."""

    accepted: int
    duplicate: int
    dead: dict[str, int]


class Ledger(Struct, frozen=True):
    """Where the events of a site (None: of all) went from ``since`` (ms, a multiple of 5,000) on.

    ``difference``: what the door accepted less all that the streams tell of. It is 0 when both are final; until then
    that many are on their way. Below 0, that many came to the streams otherwise.
    """

    site: str | None
    since: int
    door: AtTheDoor
    streams: InTheStreams
    difference: int


def begin(since: int) -> int:
    """Return where a ledger that is asked for from then on (ms) begins: with the window that the time is in."""
    return since - since % STEP_MS


def ledger_query(bucket: str, site: str | None, since: int) -> str:
    """Return the Flux query for a site's ledger from ``begin(since)`` on; for all sites together if it is None."""
    # A point has the time at which what it counts was over. Events may be ahead of the clock: the default stop is now.
    where = "" if site is None else f" and r.site == {quoted(kept_in_tag(site))}"
    return (
        f"from(bucket: {quoted(bucket)})\n"
        f"  |> range(start: time(v: {begin(since) * NS_PER_MS + 1}), stop: 1h)\n"
        f"  |> filter(fn: (r) => (r._measurement == {quoted(EVENTS_AT_THE_DOOR)}"
        f' or r._measurement == {quoted(EVENTS_BY_OUTCOME)}) and r._field == "events"{where})\n'
        '  |> group(columns: ["_measurement", "outcome"])\n'
        "  |> sum()\n"
    )


def ledger(site: str | None, since: int, rows: Iterable[Mapping[str, str]]) -> Ledger:
    """Return the ledger that the rows of the query's answer make."""
    told: dict[str, dict[str, int]] = {EVENTS_AT_THE_DOOR: {}, EVENTS_BY_OUTCOME: {}}
    for row in rows:
        told[row["_measurement"]][row["outcome"]] = int(row["_value"])
    door, streams = told[EVENTS_AT_THE_DOOR], told[EVENTS_BY_OUTCOME]
    accepted = door.get(ACCEPTED, 0)
    rejected = {name: events for name, events in sorted(door.items()) if name not in (ACCEPTED, BOT)}
    dead = {name: streams[name] for name in OUTCOMES if name in streams and name not in (ACCEPTED, DUPLICATE)}
    return Ledger(
        site,
        begin(since),
        AtTheDoor(sum(door.values()), accepted, door.get(BOT, 0), rejected),
        InTheStreams(streams.get(ACCEPTED, 0), streams.get(DUPLICATE, 0), dead),
        accepted - sum(streams.values()),
    )

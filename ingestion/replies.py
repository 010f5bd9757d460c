"""What the door answers: its Structs, and how refusals become responses. Pure."""

import math
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from ingestion.reasons import STATUS, FieldError, Rejected

JSON, GIF_TYPE = b"application/json", b"image/gif"
#: One transparent pixel.
GIF = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")

Reason = Annotated[str, Meta(extra_json_schema={"enum": sorted(STATUS)})]


class Accepted(Struct, tag_field="status", tag="accepted", frozen=True):
    """The event is safe: acknowledged by Kafka or on the door's disk."""

    event_id: str


class Problem(Struct, tag_field="status", tag="error", frozen=True):
    """The request is refused; nothing of it is kept."""

    message: str
    errors: tuple[FieldError, ...] = ()


class Refused(Struct, tag_field="status", tag="error", frozen=True):
    """One event of a batch is refused. After RATE_LIMITED and UNAVAILABLE it may be sent again."""

    reason: Reason
    message: str
    errors: tuple[FieldError, ...] = ()


class BatchReply(Struct, frozen=True):
    """What became of a batch; ``results`` has one entry an event, in their order."""

    status: Literal["accepted", "partial", "error"]
    accepted: int
    rejected: int
    results: list[Accepted | Refused]


class Health(Struct, frozen=True):
    """The process lives."""

    status: Literal["ok"] = "ok"
    service: Literal["ingestion-service"] = "ingestion-service"


class Ready(Struct, tag_field="status", tag="ready", frozen=True):
    """Kafka answers and has the events' topics. ``spooled_bytes``: what of an outage still waits on this worker's disk.

    ``counts_trouble``: why the ledger learns of nothing new; null: it does.
    """

    spooled_bytes: int
    counts_trouble: str | None = None


encode = msgspec.json.Encoder().encode


class Response(Struct, frozen=True):
    """A whole response but for the headers that all have."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()
    caching: bytes = b"no-store"


#: What became of an event.
Outcome = Accepted | Rejected


def refusal(why: Rejected) -> Response:
    """Return the response to a request that is refused."""
    return Response(STATUS[why.reason], encode(Problem(why.message, why.errors)), JSON, retry_after(why.retry_after))


def one(outcome: Outcome) -> Response:
    """Return the response to a request with one event."""
    return refusal(outcome) if isinstance(outcome, Rejected) else Response(200, encode(outcome))


def pixel(outcome: Outcome) -> Response:
    """Return the response to an event that came as an image's address."""
    return refusal(outcome) if isinstance(outcome, Rejected) else Response(200, GIF, GIF_TYPE)


def batch(outcomes: list[Outcome]) -> Response:
    """Return the response to a batch: 200 if any of its events was accepted, else the first one's refusal's."""
    refusals = [outcome for outcome in outcomes if isinstance(outcome, Rejected)]
    accepted = len(outcomes) - len(refusals)
    word: Literal["accepted", "partial", "error"] = "accepted" if not refusals else "partial" if accepted else "error"
    told = BatchReply(word, accepted, len(refusals), [_entry(outcome) for outcome in outcomes])
    status = STATUS[refusals[0].reason] if word == "error" else 200
    wait = max((why.retry_after for why in refusals if why.retry_after is not None), default=None)
    return Response(status, encode(told), JSON, retry_after(wait))


def _entry(outcome: Outcome) -> Accepted | Refused:
    if isinstance(outcome, Rejected):
        return Refused(outcome.reason, outcome.message, outcome.errors)
    return outcome


def retry_after(seconds: float | None) -> tuple[tuple[bytes, bytes], ...]:
    """Return the header that says when to come again; none if there is nothing to wait for."""
    return () if seconds is None else ((b"retry-after", b"%d" % max(1, math.ceil(seconds))),)

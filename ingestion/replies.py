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
    """Kafka answers. ``spooled_bytes``: what of an outage still waits on this worker's disk."""

    spooled_bytes: int


encode = msgspec.json.Encoder().encode


class Response(Struct, frozen=True):
    """A whole response but for the headers that all have."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()
    caching: bytes = b"no-store"


def refusal(why: Rejected) -> Response:
    """Return the response to a request that is refused."""
    return Response(STATUS[why.reason], encode(Problem(why.message, why.errors)), JSON, retry_after(why.retry_after))


def refused(why: Rejected) -> Refused:
    """Return the entry of a batch's event that is refused."""
    return Refused(why.reason, why.message, why.errors)


def batch(results: list[Accepted | Refused], wait: float | None) -> Response:
    """Return the response to a batch: 200 if any of its events was accepted, else the first one's refusal's."""
    accepted = sum(isinstance(result, Accepted) for result in results)
    rejected = len(results) - accepted
    first = next((result for result in results if isinstance(result, Refused)), None)
    status = 200 if accepted or first is None else STATUS[first.reason]
    word: Literal["accepted", "partial", "error"] = "accepted" if not rejected else "partial" if accepted else "error"
    return Response(status, encode(BatchReply(word, accepted, rejected, results)), JSON, retry_after(wait))


def retry_after(seconds: float | None) -> tuple[tuple[bytes, bytes], ...]:
    """Return the header that says when to come again; none if there is nothing to wait for."""
    return () if seconds is None else ((b"retry-after", b"%d" % max(1, math.ceil(seconds))),)

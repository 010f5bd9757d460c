"""Why the door does not take an event: the fixed list of reasons, each with its HTTP status."""

from http import HTTPStatus

from msgspec import Struct

from tidemark.events import FUTURE_TIMESTAMP, INVALID_FIELD, UNDECODABLE

TOO_LARGE = "TOO_LARGE"
NO_KEY = "NO_KEY"
WRONG_KEY = "WRONG_KEY"
WRONG_SITE = "WRONG_SITE"
WRONG_ORIGIN = "WRONG_ORIGIN"
RATE_LIMITED = "RATE_LIMITED"
DO_NOT_TRACK = "DO_NOT_TRACK"
SLOW_CLIENT = "SLOW_CLIENT"
UNAVAILABLE = "UNAVAILABLE"

#: Each reason with the status of a request that was refused for it.
STATUS: dict[str, HTTPStatus] = {
    TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    NO_KEY: HTTPStatus.UNAUTHORIZED,
    WRONG_KEY: HTTPStatus.UNAUTHORIZED,
    WRONG_SITE: HTTPStatus.FORBIDDEN,
    WRONG_ORIGIN: HTTPStatus.FORBIDDEN,
    RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    UNDECODABLE: HTTPStatus.BAD_REQUEST,
    INVALID_FIELD: HTTPStatus.BAD_REQUEST,
    FUTURE_TIMESTAMP: HTTPStatus.BAD_REQUEST,
    DO_NOT_TRACK: HTTPStatus.FORBIDDEN,
    SLOW_CLIENT: HTTPStatus.REQUEST_TIMEOUT,
    UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}


class FieldError(Struct, frozen=True):
    """What is wrong with one field: what was expected there and what came."""

    field: str
    expected: str
    got: str


class Rejected(Exception):
    """An event, or a whole request, that is not taken. ``reason`` is one of STATUS, ``retry_after`` in seconds."""

    def __init__(
        self, reason: str, message: str, errors: tuple[FieldError, ...] = (), retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.errors = errors
        self.retry_after = retry_after

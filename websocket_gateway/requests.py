"""From a client's message to a request, or to the error it is answered with."""

import re
from typing import Any

import msgspec

from tidemark.events import DEFAULT_SITE
from websocket_gateway.codes import INVALID_FIELD, UNKNOWN_ACTION, UNKNOWN_METRIC
from websocket_gateway.formats import JSON, Format
from websocket_gateway.protocol import (
    ALL_METRICS,
    NUMBERS,
    WIRE_NAMES,
    ErrorMessage,
    History,
    Ping,
    Request,
    RequestId,
    Subscribe,
    Unsubscribe,
)


class RequestError(Exception):
    """A request that is not granted: the ErrorMessage to answer with."""

    def __init__(self, answer: ErrorMessage) -> None:
        super().__init__(answer.message)
        self.answer = answer


_EXPECTED = {
    "action": "subscribe, unsubscribe, history or ping",
    "metrics": "a list of names out of " + ", ".join(WIRE_NAMES),
    "site": "a string of 1 to 64 characters",
    "id": "an integer or a string of at most 64 characters",
    "minutes": "5, 15 or 60",
    "visits": "true or false",
    "since": "an object of epoch (a string), offset and alertOffset (integers, 0 or more)",
}


def decode_request(raw: str | bytes, format: Format = JSON) -> Request:
    """Decode and check a client's message. Raises RequestError, which names the field, what was expected and got."""
    try:
        request = format.decode_request(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RequestError(_why_not(raw, format, error)) from None
    if not isinstance(request, Ping):
        known = [wire for wire, name in WIRE_NAMES.items() if name in NUMBERS or not isinstance(request, History)]
        for name in request.metrics or ():
            if name not in known:
                text = f"metrics: expected names out of {', '.join(known)}, got {_shown(name)}"
                raise RequestError(ErrorMessage(id=request.id, code=UNKNOWN_METRIC, message=text))
    return request


def site_of(request: Subscribe | Unsubscribe | History) -> str:
    """Return the site a request is about; absent means the default site."""
    return request.site or DEFAULT_SITE


def metrics_of(request: Subscribe | Unsubscribe | History) -> frozenset[str]:
    """Return the metrics a request is about, by their names in topics; absent means all that it may be about."""
    if request.metrics is None:
        return NUMBERS if isinstance(request, History) else ALL_METRICS
    return frozenset(WIRE_NAMES[name] for name in request.metrics)


def _why_not(raw: str | bytes, format: Format, error: Exception) -> ErrorMessage:
    try:
        parsed = format.decode(raw)
    except (msgspec.DecodeError, RecursionError) as broken:
        return ErrorMessage(code=format.malformed, message=f"message: expected {format.name}, got: {broken}")
    if not isinstance(parsed, dict):
        text = f"message: expected a {format.name} object, got {_shown(parsed)}"
        return ErrorMessage(code=format.malformed, message=text)
    field = _field(error)
    text = f"{field}: expected {_EXPECTED[field]}, got {_shown(parsed.get(field))}"
    code = UNKNOWN_ACTION if field == "action" else INVALID_FIELD
    return ErrorMessage(id=_id_in(parsed), code=code, message=text)


def _field(error: Exception) -> str:
    """The top-level field msgspec's message is about: the one its path begins with, or that is missing altogether."""
    text = str(error)
    found = re.search(r"`\$\.(\w+)", text) or re.search(r"missing required field `(\w+)`", text)
    return found[1] if found is not None and found[1] in _EXPECTED else "action"


def _id_in(parsed: dict[str, Any]) -> RequestId:
    try:
        identity: RequestId = msgspec.convert(parsed.get("id"), RequestId)
    except msgspec.ValidationError:
        return None
    return identity


def _shown(value: Any) -> str:
    shown = "nothing" if value is None else f"{type(value).__name__} {value!r}"
    return shown if len(shown) <= 100 else shown[:100] + "…"

"""From a client's text to a request, or to the error it is answered with."""

import re
from typing import Any

import msgspec

from tidemark.events import DEFAULT_SITE
from websocket_gateway.codes import BAD_JSON, INVALID_FIELD, UNKNOWN_ACTION, UNKNOWN_METRIC
from websocket_gateway.protocol import (
    ALL_METRICS,
    WIRE_NAMES,
    ErrorMessage,
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


_requests: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)

_METRIC_NAMES = "names out of " + ", ".join(WIRE_NAMES)
_EXPECTED = {
    "action": "subscribe, unsubscribe or ping",
    "metrics": f"a list of {_METRIC_NAMES}",
    "site": "a string of 1 to 64 characters",
    "id": "an integer or a string of at most 64 characters",
    "since": "an object of epoch (a string), offset and alertOffset (integers, 0 or more)",
}


def decode_request(raw: str | bytes) -> Request:
    """Decode and check a client's message. Raises RequestError, which names the field, what was expected and got."""
    try:
        request = _requests.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RequestError(_why_not(raw, error)) from None
    if not isinstance(request, Ping):
        for name in request.metrics or ():
            if name not in WIRE_NAMES:
                text = f"metrics: expected {_METRIC_NAMES}, got {_shown(name)}"
                raise RequestError(ErrorMessage(id=request.id, code=UNKNOWN_METRIC, message=text))
    return request


def site_of(request: Subscribe | Unsubscribe) -> str:
    """Return the site a request is about; absent means the default site."""
    return request.site or DEFAULT_SITE


def metrics_of(request: Subscribe | Unsubscribe) -> frozenset[str]:
    """Return the metrics a request is about, by their names in topics; absent means all."""
    if request.metrics is None:
        return ALL_METRICS
    return frozenset(WIRE_NAMES[name] for name in request.metrics)


def _why_not(raw: str | bytes, error: Exception) -> ErrorMessage:
    try:
        parsed = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError) as broken:
        return ErrorMessage(code=BAD_JSON, message=f"message: expected JSON, got: {broken}")
    if not isinstance(parsed, dict):
        return ErrorMessage(code=BAD_JSON, message=f"message: expected a JSON object, got {_shown(parsed)}")
    field = _field(error)
    text = f"{field}: expected {_EXPECTED[field]}, got {_shown(parsed.get(field))}"
    code = UNKNOWN_ACTION if field == "action" else INVALID_FIELD
    return ErrorMessage(id=_id_in(parsed), code=code, message=text)


def _field(error: Exception) -> str:
    """The top-level field msgspec's message is about; only the missing ``action`` stands in it without a path."""
    path = str(error).rpartition("`$.")[2].rstrip("`")
    field = re.split(r"[.\[]", path)[0]
    return field if field in _EXPECTED else "action"


def _id_in(parsed: dict[str, Any]) -> RequestId:
    try:
        identity: RequestId = msgspec.convert(parsed.get("id"), RequestId)
    except msgspec.ValidationError:
        return None
    return identity


def _shown(value: Any) -> str:
    shown = "nothing" if value is None else f"{type(value).__name__} {value!r}"
    return shown if len(shown) <= 100 else shown[:100] + "…"

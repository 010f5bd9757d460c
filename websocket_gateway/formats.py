"""How messages are written: the same envelopes as JSON text or as binary MessagePack, by subprotocol. Pure."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import DecodeError, Struct

from websocket_gateway.codes import BAD_JSON, BAD_MSGPACK
from websocket_gateway.protocol import Request, encode

T = TypeVar("T")
Decode = Callable[[str | bytes], T]


class Format(Struct, eq=False, kw_only=True):
    """One way to write messages; a connection keeps to it in both directions.

    ``subprotocol``: its name in the handshake; ``text``: its messages are text, else binary; ``malformed``: the code of
    the error that answers what is not written so. Both decoders raise DecodeError, or RecursionError.
    """

    name: str
    subprotocol: str
    content_type: str
    text: bool
    malformed: str
    encode: Callable[[object], bytes]
    decode: Decode[Any]
    decode_request: Decode[Request]


class Shared(Generic[T]):
    """A message for many clients: encoded in each format once, when the first of them needs it."""

    def __init__(self, message: T) -> None:
        self.message = message
        self._encoded: dict[Format, bytes] = {}

    def encoded(self, format: Format) -> bytes:
        """Return it encoded."""
        encoded = self._encoded.get(format)
        if encoded is None:
            encoded = self._encoded[format] = format.encode(self.message)
        return encoded


def _binary(decode: Callable[[bytes], T]) -> Decode[T]:
    def checked(raw: str | bytes) -> T:
        if isinstance(raw, str):
            raise DecodeError("a text message")
        try:
            return decode(raw)
        except UnicodeDecodeError as error:  # msgspec's decoder of MessagePack lets it through
            raise DecodeError(str(error)) from None

    return checked


JSON = Format(
    name="JSON",
    subprotocol="tidemark.json",
    content_type="application/json",
    text=True,
    malformed=BAD_JSON,
    encode=encode,
    decode=msgspec.json.Decoder().decode,
    decode_request=msgspec.json.Decoder[Request](Request).decode,
)
MSGPACK = Format(
    name="MessagePack",
    subprotocol="tidemark.msgpack",
    content_type="application/vnd.msgpack",
    text=False,
    malformed=BAD_MSGPACK,
    encode=msgspec.msgpack.Encoder().encode,
    decode=_binary(msgspec.msgpack.Decoder().decode),
    decode_request=_binary(msgspec.msgpack.Decoder[Request](Request).decode),
)
#: By subprotocol; who names none gets JSON.
FORMATS = {format.subprotocol: format for format in (JSON, MSGPACK)}


def chosen(offered: Sequence[str]) -> str | None:
    """Return the first of the subprotocols a client offers, best first, that there is; None: it gets none of them."""
    return next((name for name in offered if name in FORMATS), None)

"""From a visitor's step to the event's JSON, put together from parts that are encoded once a page and a visitor."""

from random import Random

import msgspec

from simulator.journeys import LONGEST_JOURNEY
from simulator.visitors import Step
from tidemark.events import CONVERSION, PAGE_VIEW, SESSION_END, SESSION_START, ConversionData

_encode_json = msgspec.json.Encoder().encode
_TYPES = {name: f',"eventType":"{name}",'.encode() for name in (PAGE_VIEW, SESSION_START, SESSION_END, CONVERSION)}
#: A visit's steps are told apart by their event ids' last group, which leads to the timestamp.
_NUMBERS = [b'%012x","timestamp":' % number for number in range(LONGEST_JOURNEY)]
#: From a page view's load time, 40.5 ms to 2 s and a little, to the session's data.
_LOAD_TIMES = [b'%d.5},"sessionData":' % ms for ms in range(40, 40 + 2**11)]


class EventEncoder:
    """Encodes steps as events of the wire; load times and orders are seeded, so equal runs are equal bytes."""

    def __init__(self, seed: int, start_ms: int) -> None:
        self._random_bits = Random(f"{seed}/{start_ms}/events").getrandbits
        self._start_ms = start_ms

    def encode(self, step: Step) -> bytes:
        """Return the JSON of the step's event, field by field as ``tidemark.events.encode_event`` writes it.

        The event id is a version 4 UUID: the visit's, but for the last group, which is the act's number.
        """
        visit, act = step.visit, step.act
        return b"".join(
            (
                visit.opening,
                _NUMBERS[act.number],
                _encode_json(self._start_ms + step.at_ms),
                _TYPES[act.event_type],
                visit.ids,
                act.page,
                _LOAD_TIMES[self._random_bits(11)],
                visit.person.session_data,
                self._conversion(step) if act.cents else b"}",
            )
        )

    def _conversion(self, step: Step) -> bytes:
        order = f"order-{self._random_bits(48):012x}"
        data = ConversionData(value=step.act.cents / 100, currency=step.visit.person.currency, order_id=order)
        return b',"conversionData":' + _encode_json(data) + b"}"

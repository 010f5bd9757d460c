"""From a visitor's step to the event's JSON, put together from parts that are encoded once a page and a visitor."""

from random import Random

import msgspec

from simulator.shop import page_view_opening
from simulator.visitors import Step
from tidemark.events import CONVERSION, PAGE_VIEW, SESSION_END, SESSION_START, ConversionData

_TYPES = {name: f',"eventType":"{name}",'.encode() for name in (PAGE_VIEW, SESSION_START, SESSION_END, CONVERSION)}
#: From a page view's load time, 40.5 ms to 2 s and a little, to the session's data.
_LOAD_TIMES = [b'%d.5},"sessionData":' % ms for ms in range(40, 40 + 2**11)]


class EventEncoder:
    """Encodes steps as events of the wire; load times and orders are seeded, so equal runs are equal bytes."""

    def __init__(self, seed: int, start_ms: int) -> None:
        self._random_bits = Random(f"{seed}/{start_ms}/events").getrandbits
        self._start_ms = start_ms

    def encode(self, step: Step) -> bytes:
        """Return the JSON of the step's event, field by field as ``tidemark.events.encode_event`` writes it.

        The event id is a version 4 UUID; its last group is the step's ms, of which a visit has one each.
        """
        visit, at_ms = step.visit, step.at_ms
        return b"".join(
            (
                visit.opening,
                b'%012x","timestamp":%d' % (at_ms, self._start_ms + at_ms),
                _TYPES[step.event_type],
                visit.ids,
                page_view_opening(step.url, step.referrer),
                _LOAD_TIMES[self._random_bits(11)],
                visit.person.session_data,
                self._conversion(step) if step.cents else b"}",
            )
        )

    def _conversion(self, step: Step) -> bytes:
        order = f"order-{self._random_bits(48):012x}"
        data = ConversionData(value=step.cents / 100, currency=step.visit.person.currency, order_id=order)
        return b',"conversionData":' + msgspec.json.encode(data) + b"}"

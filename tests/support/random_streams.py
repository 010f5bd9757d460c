"""Random logs of the events topic, seeded or drawn by hypothesis: few distinct values, so that everything collides.

A log is built from steps by :func:`build`, which is pure; the same table of choices serves both sources.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from hypothesis import strategies as st

from tests.support.reference_events import LogRecord

MINUTE = 60_000
START = 1_700_000_100_000  # 100 s before a 5-minute boundary

EVENT, TICK, AGAIN, AGAIN_OTHER_CASE, AGAIN_OTHER_TIME, BAD = "event", "tick", "again", "case", "moved", "bad"


@dataclass(frozen=True)
class Step:
    """One record to come: what it is, how long after the one before it is appended (ms), how far off its time is (ms).

    ``snap`` moves the event's time: to the last pane, slide or bounce boundary, by an offset; or ``gap`` puts it that
    far behind the last event of the same visit.
    """

    kind: str
    partition: int
    wait: int
    skew: int
    snap: tuple[int, int] | None
    gap: int | None
    site: str | None
    user: str | None
    session: str
    event_type: str
    url: str
    country: str | None
    device: str | None
    referrer: str | None
    money: float | int | None
    pick: int


#: For each field of a step what it may be; a value that stands there more often comes more often.
CHOICES: dict[str, Sequence[Any]] = {
    "kind": [EVENT] * 24 + [TICK, AGAIN, AGAIN, AGAIN_OTHER_CASE, AGAIN_OTHER_TIME, BAD],
    "partition": range(12),
    "wait": [
        *[0, 0, 1, 7, 100, 300, 300, 900, 1_000, 1_000, 2_500] * 4,
        *[4_999, 5_000, 11_000, 11_000, 70_000, 10 * MINUTE, 30 * MINUTE, 300 * MINUTE],
    ],
    "skew": [
        *[0, 0, 0, 0, -1, -300, -1_000, -1_999] * 6,
        *[-2_000, -2_001, -2_500, -4_000, -5_000, -7_000, -7_001, -20_000, -31 * MINUTE],
        *[1, 1_000, 3_000, 60_000, 299_999, 300_000, 300_001, 10**10],
    ],
    "snap": [
        *[None] * 15,
        *[
            (5_000, 0),
            (5_000, -1),
            (5_000, 4_999),
            (5_000, 2_000),  # the lateness ahead of a pane's end
            (5_000, 2_000),
            (5_000, 1_999),
            (10_000, 0),
            (10_000, -1),
            (300_000, 0),
            (300_000, -1),
            (300_000, 1),
        ],
    ],
    "gap": [None] * 14 + [0, 0, 1, 59_999, 60_000, 30 * MINUTE - 1, 30 * MINUTE, 30 * MINUTE + 1],
    "site": [None, None, None, "", "default", "b", "ü/\u2028 x"],
    "user": [None, "u", "u", "v", "w", "s", "é"],
    "session": ["s", "s", "s", "t", "u"],
    "event_type": ["PAGE_VIEW"] * 8
    + ["SESSION_START", "CONVERSION", "CONVERSION", "SESSION_END", "scroll", "page_view"],
    "url": ["/", "/", "/products", "/products/1?x=1", "/cart", "/checkout", "https://a.example/cart#x", "/é", "/z"],
    "country": [None, None, "", "DE", "FR", "Côte d’Ivoire"],
    "device": [None, None, "", "phone", "desktop"],
    "referrer": [None, None, "", "https://r.example/"],
    "money": [None, 0, 1, 0.1, 19.99, 0.0000005, 0.0000015, 2.5e-6, 123_456_789.123456789, 1e16, 1.7e308],
    "pick": range(1_000),
}

_GOOD_END = b'"sessionId":"s","eventType":"scroll"}'
#: Records that are no event, each wrong in another way; {id} and {time} are filled in.
BAD_RECORDS: tuple[bytes | None, ...] = (
    None,
    b"",
    b"\xff\xfe",
    b"{",
    b"[]",
    b"7",
    b'"text"',
    b"null",
    b'\xef\xbb\xbf{"eventId":"{id}","timestamp":{time},' + _GOOD_END,
    b'{"eventId":"{id}","timestamp":{time},"x":NaN,' + _GOOD_END,
    b'{"eventId":"{id}","timestamp":{time},"x":-Infinity,' + _GOOD_END,
    b'{"eventId":"{id}","timestamp":{time},"x":01,' + _GOOD_END,
    b'{"eventId":"{id}","timestamp":{time},"x":"\t",' + _GOOD_END,
    b'{"eventId":"{id}","timestamp":{time},"x":"\xc3\x28",' + _GOOD_END,
    b'{"eventId":"{id}","timestamp":{time},"x":"\xed\xa0\x80",' + _GOOD_END,
    rb'{"eventId":"{id}","timestamp":{time},"x":"\ud800",' + _GOOD_END,
    b'{"eventId":"{id}","timestamp":{time},' + _GOOD_END + b"x",
    b'{"eventId":"{id}","timestamp":{time},' + _GOOD_END[:-1] + b",}",
    b'{"eventId":7,"timestamp":{time},' + _GOOD_END[:-1],
    b'{"eventId":"{id}","timestamp":"{time}",' + _GOOD_END,
    b'{"eventId":"{id}","timestamp":{time}.0,' + _GOOD_END,
    b'{"eventId":"{id}","timestamp":true,' + _GOOD_END,
    b'{"eventId":"{id}","timestamp":-1,' + _GOOD_END,
    b'{"eventId":"{id}","timestamp":1e3,' + _GOOD_END,
    b'{"eventId":"{id}",' + _GOOD_END,
    b'{"timestamp":{time},' + _GOOD_END,
    b'{"eventId":"no-uuid","timestamp":{time},' + _GOOD_END,
    b'{"eventId":"00000000000000000000000000000000----","timestamp":{time},' + _GOOD_END,
    b'{"eventId":"{id}","timestamp":{time},"sessionId":"","eventType":"scroll"}',
    b'{"eventId":"{id}","timestamp":{time},"sessionId":"s","eventType":""}',
    b'{"eventId":"{id}","timestamp":{time},"sessionId":"s","eventType":"PAGE_VIEW"}',
    b'{"eventId":"{id}","timestamp":{time},"sessionId":"s","eventType":"PAGE_VIEW","pageViewData":{"url":null}}',
    b'{"eventId":"{id}","timestamp":{time},"pageViewData":{"url":""},' + _GOOD_END,
    b'{"eventId":"{id}","timestamp":{time},"pageViewData":[],' + _GOOD_END,
    b'{"eventId":"{id}","timestamp":{time},"pageViewData":{"pageLoadTime":false},' + _GOOD_END,
    b'{"eventId":"{id}","timestamp":{time},"conversionData":{"value":-1},' + _GOOD_END,
    b'{"eventId":"{id}","timestamp":{time},"conversionData":{"value":"1"},' + _GOOD_END,
    b'{"eventId":"{id}","timestamp":{time},"conversionData":{"value":1e400},' + _GOOD_END,
    b'{"eventId":"{id}","timestamp":{time},"userId":"",' + _GOOD_END,
    b'{"eventId":"{id}","timestamp":{time},"siteId":"' + b"x" * 65 + b'",' + _GOOD_END,
    b'{"eventId":"{id}","timestamp":{time},"sessionData":{"os":1},' + _GOOD_END,
    b'{"eventId":"{id}","timestamp":99999999999999999,' + _GOOD_END,
    b'{"siteId":"b","eventId":"{id}","timestamp":99999999999999999,' + _GOOD_END,
    b'{"siteId":"b","eventId":"no-uuid","timestamp":{time},' + _GOOD_END,
    b'{"siteId":"b","timestamp":true,"x":1e400,' + _GOOD_END,
    b'{"siteId":"b","siteId":"\xc3\xbc/\xe2\x80\xa8 x","timestamp":true,' + _GOOD_END,
    b'{"siteId":["b"],"eventId":"{id}","timestamp":{time},' + _GOOD_END,
    b'{"siteId":1e400,"eventId":"{id}","timestamp":{time},' + _GOOD_END,
    b'{"siteId":"","userId":"","eventId":"{id}","timestamp":{time},' + _GOOD_END,
    b'{"siteId":"only-here","userId":"","eventId":"{id}","timestamp":{time},' + _GOOD_END,
    b'{"siteId":"b","eventId":"{id}","timestamp":{time},' + _GOOD_END[:-1],
    b'{"siteId":"b","eventId":"{id}","timestamp":{time},"x":"\xc3\x28",' + _GOOD_END,
    b'[{"siteId":"b"}]',
)


def seeded_log(seed: int, length: int, *, partitions: int, past_dated: bool = False) -> list[LogRecord]:
    """Return ``length`` random records and the closing ticks; one seed gives one log."""
    chance = random.Random(seed)
    steps = [Step(**{name: chance.choice(values) for name, values in CHOICES.items()}) for _ in range(length)]
    return build(steps, partitions=partitions, past_dated=past_dated)


def logs(*, partitions: int, longest: int = 40) -> st.SearchStrategy[list[LogRecord]]:
    """Return a strategy for such logs, from none to ``longest`` records before the closing ticks."""
    step = st.builds(Step, **{field.name: st.sampled_from(CHOICES[field.name]) for field in fields(Step)})
    return st.builds(
        lambda steps, past_dated, until: build(steps, partitions=partitions, past_dated=past_dated, until=until),
        st.lists(step, max_size=longest),
        st.booleans(),
        st.sampled_from([None, 0, 7_000, 90_000, 90_000, 40 * MINUTE]),
    )


def build(
    steps: Sequence[Step], *, partitions: int, past_dated: bool = False, until: int | None = 40 * MINUTE
) -> list[LogRecord]:
    """Return the steps' records in order of appending, each partition's offsets from 0 with holes.

    Past-dated records are all appended much later than they happened, so that only events move the watermark. After the
    last step every partition gets a tick ``until`` ms later (None: none).
    """
    return _Builder(partitions, past_dated).run(steps, until)


class _Builder:
    def __init__(self, partitions: int, past_dated: bool) -> None:
        self.now = START
        self.shift = 10**9 if past_dated else 0
        self.offsets = [0] * partitions
        self.log: list[LogRecord] = []
        self.sent: list[list[dict[str, Any]]] = [[] for _ in range(partitions)]
        self.newest: dict[tuple[int, Any, Any, str], int] = {}

    def run(self, steps: Sequence[Step], until: int | None) -> list[LogRecord]:
        for number, step in enumerate(steps):
            self.now += step.wait
            self.add(number, step)
        if until is not None:
            for partition in range(len(self.offsets)):
                self.append(partition, self.now + until, None, tick=True)
        return self.log

    def add(self, number: int, step: Step) -> None:
        partition = step.partition % len(self.offsets)
        sent = self.sent[partition]
        append_time = self.now + self.shift
        if step.kind == TICK:
            self.append(partition, self.now, None, tick=True)
        elif step.kind == BAD:
            self.append(partition, append_time, self.bad(number, partition, step))
        elif step.kind == EVENT or not sent:
            self.append(partition, append_time, _encode(self.event(number, partition, step)))
        else:
            # Of the newest ones: the watermark is mostly not ten minutes on.
            known = sent[-1 - step.pick % min(len(sent), 8)]
            self.append(partition, append_time, _encode(self.repeated(known, step)))

    def append(self, partition: int, append_time: int, value: bytes | None, tick: bool = False) -> None:
        self.log.append(LogRecord(partition, self.offsets[partition], append_time, value, tick))
        self.offsets[partition] += 1 + (self.offsets[partition] % 7 == 3)

    def event(self, number: int, partition: int, step: Step) -> dict[str, Any]:
        time = self.time(partition, step)
        event = {
            "eventId": f"{step.pick % 16:x}bcdef00-0000-4000-{partition:04x}-{number:012x}",
            "timestamp": time,
            "eventType": step.event_type,
            "siteId": step.site,
            "userId": step.user,
            "sessionId": step.session,
            "pageViewData": {"url": step.url, "referrer": step.referrer, "pageLoadTime": step.pick / 7},
            "sessionData": {"country": step.country, "deviceType": step.device, "browser": step.device},
            "conversionData": {"value": step.money, "currency": "EUR"},
            "more": [step.pick, None, "😀"],
        }
        self.newest[self.visit(partition, step)] = time
        self.sent[partition].append(event)
        return event

    def visit(self, partition: int, step: Step) -> tuple[int, Any, Any, str]:
        return (partition, step.site or "default", step.user, step.session)

    def time(self, partition: int, step: Step) -> int:
        last = self.newest.get(self.visit(partition, step))
        if step.gap is not None and last is not None:
            return last + step.gap
        time = max(0, self.now + step.skew)
        if step.snap is not None:
            grid, offset = step.snap
            time = time // grid * grid + offset
        return time

    def repeated(self, known: dict[str, Any], step: Step) -> dict[str, Any]:
        if step.kind == AGAIN_OTHER_CASE:
            return known | {"eventId": known["eventId"].upper()}
        if step.kind == AGAIN_OTHER_TIME:
            return known | {"timestamp": max(0, self.now + step.skew)}
        return known

    def bad(self, number: int, partition: int, step: Step) -> bytes | None:
        template = BAD_RECORDS[step.pick % len(BAD_RECORDS)]
        if template is None:
            return None
        event_id = f"bad00000-0000-4000-{partition:04x}-{number:012x}"
        return template.replace(b"{id}", event_id.encode()).replace(b"{time}", str(self.now).encode())


def _encode(event: dict[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode()

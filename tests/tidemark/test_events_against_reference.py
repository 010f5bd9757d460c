"""The event codec against the reference's plain reading: the same records are events, the others have one reason."""

import random

import pytest

from tests.support.random_streams import BAD_RECORDS
from tests.support.reference_events import LogRecord, read, site_told
from tests.support.timeline import event_id
from tidemark.decoding import decode_event, site_of
from tidemark.events import InvalidEvent

#: Values as they are written in JSON, right and wrong ones; and some that are no JSON at all.
WRITTEN = [
    *["null", "true", "false", "0", "-0", "1", "-1", "1.0", "1e2", "0.5e-3", "1e400", "-1e400", "1e-400", "-0.0"],
    *["1e308", "1.7976931348623158e308", "1.7976931348623159e308", "1" + "0" * 308, "1" + "0" * 309, "9" * 400],
    *["9223372036854775808", "18446744073709551616", "-9223372036854775809", "0e999999999"],
    *['""', '"x"', '"' + "x" * 64 + '"', '"' + "x" * 65 + '"', '"' + "é" * 128 + '"', '"' + "😀" * 129 + '"'],
    *['"' + "x" * 2000 + '"', '"' + "x" * 2001 + '"', r'"\u0000"', r'"\/"', '"\x7f"', r'"\u00e9"'],
    *[r'"\ud83d\ude00"', r'"\ud800"', r'"\ude00\ud83d"', r'"\ud83d\u0041"', r'"\ud83dx"'],
    *['"00000000-0000-4000-8000-00000000000A"', '"00000000-0000-4000-8000-00000000000 "'],
    *['"00000000-0000-4000-8000-0000000000 1"', '"0000-00000000-4000-8000-000000000001"'],
    *['"{0000000-0000-4000-8000-000000000001"', '"０0000000-0000-4000-8000-000000000001"'],
    *["[]", "{}", '[1,{"a":[]}]', '{"url":"/"}', '{"a":1,"a":2}', "[" * 50 + "]" * 50, " 5 ", "\n5"],
    *["NaN", "Infinity", "-Infinity", "nul", "01", "1.", ".5", "+1", "1e", "-", "0x10", "1_000", "\x0c5", "\ufeff5"],
    *['"\t"', r'"\x"', '"a', "'a'", "[1,]", '{"a":1,}', "{a:1}", '{"a":1 "b":2}', "1//c\n", "[" * 100_000],
]
PLACES = [
    *["eventId", "timestamp", "eventType", "sessionId", "siteId", "userId", "unknown"],
    *["pageViewData", "pageViewData.url", "pageViewData.referrer", "pageViewData.pageLoadTime", "pageViewData.unknown"],
    *["sessionData", "sessionData.country", "sessionData.os"],
    *["conversionData", "conversionData.value", "conversionData.orderId"],
]
GOOD = {
    "eventId": f'"{event_id(1)}"',
    "timestamp": "5",
    "eventType": '"PAGE_VIEW"',
    "sessionId": '"s"',
    "pageViewData": '{"url":"/"}',
}


def check(raw: bytes) -> None:
    record = LogRecord(0, 0, 10**15, raw)
    expected = read(record)
    if expected != "UNDECODABLE":
        assert site_of(raw) == site_told(record), raw[:300]
    if expected in ("UNDECODABLE", "INVALID_FIELD"):
        with pytest.raises(InvalidEvent) as refused:
            decode_event(raw)
        assert refused.value.reason == expected, raw[:300]
        return
    event, packed = decode_event(raw)
    if isinstance(expected, str):
        # What is too far ahead of the append time, only the reader of the record knows.
        assert event.timestamp > 10**15
        return
    assert packed.hex() == expected.event_id.replace("-", "")
    assert (event.timestamp, event.event_type, event.site) == (expected.time, expected.event_type, expected.site)
    assert (event.visitor, event.session_id) == (expected.visitor, expected.session_id)
    assert event.revenue_micros == expected.micros
    assert (event.page_view_data.url if event.page_view_data else None) == expected.url


def document(fields: dict[str, str]) -> bytes:
    return ("{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}").encode()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("event_type", ["PAGE_VIEW", "CONVERSION"])
def test_any_value_in_any_place(place: str, event_type: str) -> None:
    name, _, inner = place.partition(".")
    for written in WRITTEN:
        part = {"url": '"/"'} if name == "pageViewData" else {}
        value = document(part | {inner: written}).decode() if inner else written
        check(document(GOOD | {"eventType": f'"{event_type}"'} | {name: value}))


def test_any_value_instead_of_an_event_or_behind_it() -> None:
    for written in WRITTEN:
        check(written.encode())
        check(document(GOOD) + written.encode())


def test_of_a_field_that_comes_twice_the_last_one_counts() -> None:
    check(document(GOOD | {"userId": '"u","userId":"v"'}))
    check(document(GOOD | {"siteId": '"x","siteId":null'}))
    check(document(GOOD | {"pageViewData": '{"url":"/"},"pageViewData":{}'}))


@pytest.mark.parametrize("seed", range(4))
def test_damaged_bytes(seed: int) -> None:
    chance = random.Random(seed)
    rich = GOOD | {"conversionData": '{"value":19.99}', "more": r'["é",{"k":"\ud83d\ude00"},-0.5e-3,true]'}
    for _ in range(5_000):
        raw = bytearray(document(chance.choice([GOOD, rich])))
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(raw))
            raw[at : at + chance.randint(0, 1)] = bytes(
                [chance.choice([*b'"\\{}[]:,0123456789eE+-. \tntu\xff\xc3\xa9\x00', chance.randrange(256)])]
            )[: chance.randint(0, 3)]
        check(bytes(raw))


def test_the_bad_records_of_the_random_logs() -> None:
    for template in BAD_RECORDS:
        if template is not None:
            raw = template.replace(b"{id}", event_id(1).encode()).replace(b"{time}", b"5")
            check(raw)
            assert isinstance(read(LogRecord(0, 0, 10, raw)), str)


def test_a_field_that_stands_twice_counts_as_its_last_and_must_be_right_each_time() -> None:
    twice = b'{"eventId":"%s","timestamp":5,"eventType":"scroll","sessionId":"s",%s}'
    event, _ = decode_event(twice % (event_id(1).encode(), b'"timestamp":7'))
    assert event.timestamp == 7
    with pytest.raises(InvalidEvent) as refused:
        decode_event(b'{"sessionId":7,' + (twice % (event_id(1).encode(), b'"userId":"u"'))[1:])
    assert (refused.value.reason, refused.value.text.partition(":")[0]) == ("INVALID_FIELD", "sessionId")

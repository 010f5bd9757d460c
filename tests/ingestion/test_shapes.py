"""What the door takes is an event for the streams too: fuzzed bodies, and queries."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion import shapes
from ingestion.reasons import STATUS, Rejected
from ingestion.steps import AHEAD_MS, Arrival, Sender, take
from tests.ingestion.made import BROWSER, Client, page_view
from tests.support.reference_events import LogRecord, Seen, read
from tests.support.timeline import event_id
from tests.tidemark.test_events_against_reference import GOOD, PLACES, WRITTEN, document
from tidemark.events import encode_event

NOW = 1_800_000_000_000
FIELDS = [*shapes.SiteEvent.__struct_fields__, "unknown"]
OWN_FIELDS = [
    *["eventId", "timestamp", "eventType", "sessionId", "siteId", "userId"],
    *["pageViewData", "sessionData", "conversionData"],
]
TEXTS = st.one_of(
    st.text(max_size=10),
    st.sampled_from(
        [
            *["", "x" * 64, "x" * 65, "é" * 128, "😀" * 129, "/" + "x" * 1_999, "x" * 2_001, event_id(1), "0" * 36],
            *["2026-11-22T08:30:00Z", "2026-11-22", "20261122T083000.123456789+23:59", "1e9", "nan", "inf", "-0"],
            *["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "page_view", "PAGE_VIEW", "192.0.2.7", "::1%x"],
        ]
    ),
)
NUMBERS = st.one_of(
    st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([2**63, 2**64, 10**400, NOW, 0])
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=4,
)
PARTS = st.dictionaries(
    st.sampled_from(
        ["url", "title", "referrer", "pageLoadTime", "country", "ipAddress", "userAgent", "value", "orderId"]
    ),
    VALUES,
    max_size=3,
)
OWN = {"eventId": event_id(1), "timestamp": NOW, "eventType": "scroll", "sessionId": "s"}


def changed(base: dict[str, Any], fields: list[str], values: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    changes = st.dictionaries(st.sampled_from(fields), values, max_size=4)
    return changes.map(lambda change: json.dumps(base | change).encode())


BODIES = st.one_of(
    changed(page_view(), FIELDS, VALUES),
    changed(OWN, OWN_FIELDS, st.one_of(VALUES, PARTS)),
    VALUES.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=60),
    st.tuples(changed(page_view(), FIELDS, VALUES), st.integers(0, 200), st.binary(max_size=3)).map(
        lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] + len(parts[2]) :]
    ),
)


def check(door: Client, arrival: Arrival) -> None:
    """Either it is refused for a known reason, or the streams take it as the event it is."""
    refused = None
    try:
        take(arrival, door.rules)
    except Rejected as why:
        refused = why.reason
    if refused is not None:
        assert refused in STATUS
        return
    record = encode_event(arrival.event)
    assert len(record) < 2**20
    seen = read(LogRecord(0, 0, NOW - AHEAD_MS, record))
    assert isinstance(seen, Seen), (seen, arrival.raw, record)
    assert seen.site == arrival.site
    assert seen.visitor == arrival.event.visitor


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(Path(tmp_path_factory.mktemp("door")))


def sender(door: Client) -> Sender:
    return Sender(NOW, 0.0, None, BROWSER, False, None, door.keys.ring)


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("event_type", ["page_view", "conversion"])
def test_any_value_in_any_field(door: Client, field: str, event_type: str) -> None:
    good = {name: json.dumps(value) for name, value in page_view(event_type=event_type).items()}
    for written in WRITTEN:
        check(door, Arrival(sender(door), document(good | {field: written})))
        check(door, Arrival(sender(door), words=page_view(event_type=event_type) | {field: written.strip('"')}))


@pytest.mark.parametrize("place", PLACES)
def test_any_value_in_any_place_of_the_platforms_own_shape(door: Client, place: str) -> None:
    name, _, inner = place.partition(".")
    for written in WRITTEN:
        value = document({inner: written}).decode() if inner else written
        check(door, Arrival(sender(door), document(GOOD | {name: value})))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=BODIES)
def test_what_the_steps_let_through_is_no_dead_letter(door: Client, body: bytes) -> None:
    check(door, Arrival(sender(door), body))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(words=st.dictionaries(st.sampled_from(FIELDS), TEXTS, max_size=6))
def test_nor_is_what_comes_as_a_query(door: Client, words: dict[str, str]) -> None:
    check(door, Arrival(sender(door), words=page_view() | words))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    body=st.one_of(BODIES, st.lists(BODIES, max_size=4).map(b"\n".join)), path=st.sampled_from(["/event", "/events"])
)
def test_no_body_is_too_much_for_the_door(door: Client, path: str, body: bytes) -> None:
    assert door.post(path, body).status < 500

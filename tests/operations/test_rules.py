"""Which records may be sent again: those that would be used now."""

import pytest

from operations.letters import Place
from operations.rules import PANE_MS, refusal
from streams.windows import PANE_MS as STREAMS_PANE_MS
from tests.operations.letters import event, letter
from tests.sinks.results import visit
from tidemark.counts import DoorCounts, encode_counts
from tidemark.events import FUTURE_TIMESTAMP, INVALID_FIELD, LATE, MAX_AHEAD_MS, REFUSED, UNDECODABLE
from tidemark.results import encode
from tidemark.topics import DOOR_COUNTS, EVENTS, MAX_EVENT_BYTES, PARTIALS, SESSIONS, Topic

NOW = 1_700_000_100_000  # the start of a pane
LATENESS_MS = 2_000


def why(record: bytes, reason: str, topic: Topic = EVENTS) -> str | None:
    return refusal(Place(topic.name, 3, 7), letter(record, reason, 7), now=NOW, lateness_ms=LATENESS_MS)


def test_the_pane_is_the_streams() -> None:
    assert PANE_MS == STREAMS_PANE_MS


@pytest.mark.parametrize("reason", [UNDECODABLE, INVALID_FIELD, FUTURE_TIMESTAMP])
def test_a_valid_event_whose_window_is_open_may_be_sent_again_whatever_was_wrong_before(reason: str) -> None:
    assert why(event(NOW), reason) is None


def test_a_late_event_is_late_for_ever() -> None:
    assert "late again (as it was)" in (why(event(NOW), LATE) or "")


@pytest.mark.parametrize(
    ("timestamp", "refused"),
    [
        (NOW + MAX_AHEAD_MS, None),
        (NOW + MAX_AHEAD_MS + 1, "can be sent again from 2023-11-14T22:15:00.001Z on"),
        (10**17, f"can be sent again from {10**17 - MAX_AHEAD_MS} ms on"),
        (NOW - PANE_MS, None),
        (NOW - PANE_MS - 1, "has closed at 2023-11-14T22:14:57.000Z"),
    ],
)
def test_the_time_in_which_an_event_can_be_sent_again(timestamp: int, refused: str | None) -> None:
    said = why(event(timestamp), FUTURE_TIMESTAMP)
    assert said is None if refused is None else refused in (said or "")


def test_a_window_closes_when_the_lateness_has_passed_since_its_end() -> None:
    place, record = Place(EVENTS.name, 3, 7), letter(event(NOW - 1), INVALID_FIELD, 7)
    end = NOW + LATENESS_MS
    assert refusal(place, record, now=end - 1, lateness_ms=LATENESS_MS) is None
    assert "would be late now" in (refusal(place, record, now=end, lateness_ms=LATENESS_MS) or "")


@pytest.mark.parametrize(
    ("record", "refused"),
    [
        (b"\xff", "UNDECODABLE: record: expected UTF-8 JSON"),
        (b"", "UNDECODABLE: record"),
        (event(NOW, session_id=""), "INVALID_FIELD: sessionId: expected"),
        (event(NOW, event_id="no-uuid"), "INVALID_FIELD: eventId: expected"),
    ],
)
def test_what_is_no_event_still_is_refused_with_the_field(record: bytes, refused: str) -> None:
    assert refused in (why(record, INVALID_FIELD) or "")


def test_a_result_that_a_sink_refused_may_be_sent_again_and_one_that_was_cut_may_not() -> None:
    whole = encode(visit(path=["/" + "x" * MAX_EVENT_BYTES]))
    assert why(encode(visit()), REFUSED, SESSIONS) is None
    assert why(encode_counts(DoorCounts("shop", 1, {"accepted": 1})), REFUSED, DOOR_COUNTS) is None
    assert "still no record of session-summaries" in (why(whole[:MAX_EVENT_BYTES], REFUSED, SESSIONS) or "")
    assert "still no record of session-summaries" in (why(b"\xff", UNDECODABLE, SESSIONS) or "")


def test_a_record_of_the_streams_own_is_not_sent_again() -> None:
    assert "nothing of metric-partials" in (why(b"{}", UNDECODABLE, PARTIALS) or "")

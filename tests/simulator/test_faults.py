"""Shares are read strictly, and each kind of bad record is refused for its reason."""

from random import Random

import pytest

from simulator.faults import BAD_KINDS, corrupt, parse_share
from tests.simulator.plans import good, load, plan
from tidemark.decoding import decode_event
from tidemark.events import CONVERSION, FUTURE_TIMESTAMP, MAX_AHEAD_MS, PAGE_VIEW, SESSION_END, InvalidEvent

YEAR_2090_MS = 3_786_912_000_000


@pytest.mark.parametrize(
    ("text", "share"),
    [("2%", 0.02), ("2 %", 0.02), ("0.02", 0.02), (" 0.5%", 0.005), (".5", 0.5), ("0", 0), ("0%", 0), ("100%", 1)],
)
def test_share_is_a_percentage_or_a_fraction(text: str, share: float) -> None:
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "%", "2", "1", "101%", "-1%", "-0.1", "two", "nan", "inf", "1e-2", "2%%", "0,02"])
def test_anything_else_is_refused_with_what_was_expected_and_came(text: str) -> None:
    with pytest.raises(ValueError, match="expected a share of the events") as refused:
        parse_share(text)
    assert str(refused.value).endswith(f"got {text!r}")


@pytest.mark.parametrize("kind", BAD_KINDS)
@pytest.mark.parametrize("event_type", [PAGE_VIEW, SESSION_END, CONVERSION])
def test_each_bad_kind_is_refused_for_its_reason(kind: str, event_type: str) -> None:
    events = [record.value for _, record in good(plan(load(), count=2_000)) if record.step.act.event_type == event_type]
    rng = Random(5)
    for event in events[:40]:
        assert reason_of(corrupt(kind, event, rng), append_time=YEAR_2090_MS) == BAD_KINDS[kind]


def reason_of(raw: bytes, append_time: int) -> str | None:
    """Judge a record as the streams do: the reason to refuse it, None for an event."""
    try:
        event, _ = decode_event(raw)
    except InvalidEvent as error:
        return error.reason
    return FUTURE_TIMESTAMP if event.timestamp > append_time + MAX_AHEAD_MS else None

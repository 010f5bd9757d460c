"""A ledger is made of both sides' counts, and says whether they add up."""

from io import StringIO

import pytest
from rich.console import Console

from operations.ledger_table import rendered
from tidemark.counts import EVENTS_AT_THE_DOOR
from tidemark.flux import NoAnswerError, rows
from tidemark.ledger import AtTheDoor, InTheStreams, Ledger, ledger
from tidemark.results import EVENTS_BY_OUTCOME
from tidemark.times import parse_since

NOON = 1_795_348_803_000
ANSWER = f"""\
#datatype,string,long,string,string,long
#group,false,false,true,true,false
#default,_result,,,,
,result,table,_measurement,outcome,_value
,,0,{EVENTS_AT_THE_DOOR},accepted,10
,,1,{EVENTS_AT_THE_DOOR},bot,2
,,2,{EVENTS_AT_THE_DOOR},rate_limited,4
,,3,{EVENTS_AT_THE_DOOR},no_key,3
,,4,{EVENTS_BY_OUTCOME},undecodable,1
,,5,{EVENTS_BY_OUTCOME},late,2
,,6,{EVENTS_BY_OUTCOME},duplicate,1
,,7,{EVENTS_BY_OUTCOME},accepted,5
"""


def test_both_sides_are_told_and_what_is_between_them() -> None:
    told = ledger("shop", NOON, rows(ANSWER))
    assert told == Ledger(
        "shop",
        NOON - 3_000,
        AtTheDoor(19, 10, 2, {"no_key": 3, "rate_limited": 4}),
        InTheStreams(5, 1, {"late": 2, "undecodable": 1}),
        1,
    )
    assert list(told.streams.dead) == ["late", "undecodable"]


def test_without_points_all_is_nothing() -> None:
    nothing = AtTheDoor(0, 0, 0, {}), InTheStreams(0, 0, {})
    assert ledger(None, 0, rows("\r\n")) == Ledger(None, 0, *nothing, 0)


def test_an_error_is_no_answer() -> None:
    with pytest.raises(NoAnswerError, match="out of memory"):
        list(rows("#datatype,string,string\n,error,reference\n,out of memory,897\n"))


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (ANSWER, "1 are on their way to the streams"),
        (ANSWER.replace("accepted,5", "accepted,6"), "both sides add up"),
        (ANSWER.replace("accepted,5", "accepted,9"), "3 came to the streams otherwise"),
    ],
)
def test_for_people_it_is_a_table_with_a_verdict(answer: str, verdict: str) -> None:
    console = Console(width=80, file=StringIO(), record=True)
    console.print(rendered(ledger("shop\x1b[2J", NOON, rows(answer))))
    text = console.export_text()
    assert text.startswith("shop\\x1b[2J, since 2026-11-22T12:00:00Z")
    assert "rejected: rate_limited" in text
    assert "dead letter: undecodable" in text
    assert verdict in text


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("90s", NOON - 90_000),
        ("1h", NOON - 3_600_000),
        ("7d", NOON - 604_800_000),
        ("999999d", 0),
        ("2026-11-22T12:00:00+00:00", NOON - 3_000),
        ("1795348800000", NOON - 3_000),
    ],
)
def test_times_ago(text: str, ms: int) -> None:
    assert parse_since(text, NOON) == ms


@pytest.mark.parametrize("text", ["", "1w", "-1h", "1 h", "tomorrow", str(NOON + 1), "9" * 5_000])
def test_what_is_no_time_that_is_past(text: str) -> None:
    with pytest.raises(ValueError, match="expected 90s, 15m, 1h, 7d or a time"):
        parse_since(text, NOON)

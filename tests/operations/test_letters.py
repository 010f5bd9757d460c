"""Letters have one name each, count once however often they were written, and are shown without harm."""

import pytest

from operations.letters import Copy, Place, Selection, place_of
from operations.showing import plain, readable, row, who
from tests.operations.letters import event, letter
from tidemark.events import LATE, UNDECODABLE
from tidemark.topics import EVENTS, SESSIONS


def copy(offset: int, time: int, reason: str = LATE, record: bytes = b"{}", redriven_to: str | None = None) -> Copy:
    return Copy(Place(EVENTS.name, 3, offset), letter(record, reason, offset), time, b"ann", redriven_to)


@pytest.mark.parametrize("words", [["events-3-12"], ["website-analytics-events-3-12"], ["events", "3", "12"]])
def test_a_letter_is_named_by_where_its_record_was_read(words: list[str]) -> None:
    place = place_of(words)
    assert place == (EVENTS.name, 3, 12)
    assert place_of([str(place)]) == place_of([place.short]) == place


@pytest.mark.parametrize(
    "words", [["events-3"], ["events"], ["no-topic-3-12"], ["events", "3"], ["events", "x", "1"], ["events", "-1", "1"]]
)
def test_a_name_that_is_none_is_refused(words: list[str]) -> None:
    with pytest.raises(ValueError, match="expected"):
        place_of(words)


def test_a_letter_that_a_replay_wrote_again_counts_once_and_a_mark_not_at_all() -> None:
    copies = [copy(1, 10), copy(2, 20, UNDECODABLE), copy(1, 30), copy(1, 40, redriven_to="there"), copy(9, 50)]
    selection = Selection(lambda _: True).add(copies)
    assert [(one.place.offset, one.time) for one in selection.newest_first()] == [(9, 50), (2, 20), (1, 10)]
    assert selection.totals == {LATE: 2, UNDECODABLE: 1}
    assert selection.redriven == {Place(EVENTS.name, 3, 1): "there"}


def test_the_limit_keeps_the_newest_and_counts_all_that_are_wanted() -> None:
    copies = [copy(offset, time) for offset, time in ((1, 30), (2, 10), (3, 20), (4, 99))]
    selection = Selection(lambda one: one.place.offset != 4, 2).add(copies)
    assert [one.place.offset for one in selection.newest_first()] == [1, 3]
    assert selection.totals == {LATE: 3}


def test_site_and_visitor_are_told_as_far_as_they_can_be() -> None:
    assert who(copy(1, 1, record=event(5))) == ("shop", "ann")
    assert who(copy(1, 1, record=b'{"sessionId":"s"}')) == ("default", "s")
    assert who(copy(1, 1, record=b'{"siteId":7,"userId":""}')) == ("default", "ann")
    assert who(copy(1, 1, record=b"\xff")) == (None, "ann")
    visit = Copy(Place(SESSIONS.name, 0, 0), letter(b'{"siteId":"a","visitor":"v"}', "REFUSED", 0), 1, b"s-1")
    assert who(visit) == ("a", "v")
    assert "site" not in row(copy(1, 1, record=b"["), {})


def test_bytes_are_shown_as_json_else_as_text_else_in_hexadecimal() -> None:
    assert readable(b'{"a":[1e999]}') == '{\n  "a": [\n    1e999\n  ]\n}'
    assert readable(b'{"a":"\xc3\xa9') == '{"a":"é'
    assert readable(b"") == ""
    assert readable(b"ab\xff" + bytes(14)).splitlines() == [
        "00000000  61 62 ff 00 00 00 00 00 00 00 00 00 00 00 00 00  ab..............",
        "00000010  00                                               .",
    ]


def test_nothing_a_visitor_sent_commands_the_terminal() -> None:
    assert plain("a\x1b[2J\u202eb\r\n") == "a\\x1b[2J\\u202eb\\r\\n"
    assert readable(b"a\x1b[2J\tb") == "a\\x1b[2J\tb"

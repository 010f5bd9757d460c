"""An event id has one form, however it is looked at."""

import uuid

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tidemark.decoding import is_event_id, pack_ids

_UUIDS = st.uuids().map(str)
#: Nearly ids: one character is another one.
_NEARLY = st.builds(
    lambda text, at, other: text[:at] + other + text[at + 1 :], _UUIDS, st.integers(0, 35), st.characters(codec="utf-8")
)


@given(_UUIDS | _UUIDS.map(str.upper) | _NEARLY | st.text(max_size=40))
@example("0" * 36)
@example("00000000-0000-0000-0000-00000000000 ")
@example("00000000-0000-0000-0000-00000000000\n")
@example("00000000-0000-0000-0000-00000000000٣")
def test_an_id_alone_and_many_together_are_looked_at_alike(text: str) -> None:
    if is_event_id(text):
        assert pack_ids([text]) == uuid.UUID(text).bytes
    else:
        with pytest.raises(ValueError, match=r"UUID|hexadecimal"):
            pack_ids([text])

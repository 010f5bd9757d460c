"""docs/protocol.md shows every message as the gateway speaks it, and names every code."""

import json
import re

import pytest

from tests.conftest import ROOT
from tests.websocket_gateway.test_asyncapi import DOCUMENT, problems
from websocket_gateway.codes import CLOSES, ERRORS, NOT_SUBSCRIBABLE, REFUSALS
from websocket_gateway.formats import FORMATS

PAGE = (ROOT / "docs" / "protocol.md").read_text()
EXAMPLES = re.findall(r"```json\n(.*?)\n```", PAGE, re.DOTALL)
NAMES = {
    (next(iter(payload["properties"])), message["name"]): name
    for name, message in DOCUMENT["components"]["messages"].items()
    for payload in [DOCUMENT["components"]["schemas"][name]]
}


def _kind(example: str) -> tuple[str, str]:
    message = json.loads(example)
    return ("action", message["action"]) if "action" in message else ("type", message["type"])


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_example_is_as_the_document_says(example: str) -> None:
    assert problems(NAMES[_kind(example)], json.loads(example)) == []


def test_every_message_has_an_example() -> None:
    assert {_kind(example) for example in EXAMPLES} == NAMES.keys()


def test_every_code_is_in_a_table_with_its_meaning() -> None:
    rows = [f"| `{code}` | {meaning} |" for code, meaning in (*ERRORS.items(), *CLOSES.items())]
    rows += [f"| {status} | {meaning} |" for status, meaning in (NOT_SUBSCRIBABLE | REFUSALS).items()]
    assert [row for row in rows if row not in PAGE.splitlines()] == []
    assert [name for name in FORMATS if f"`{name}`" not in PAGE] == []

"""The door answers as its OpenAPI document says, whether what it is sent is as the document has it or not."""

from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from ingestion.openapi import document
from ingestion.reasons import STATUS
from tests.ingestion.made import Client, page_view

SENDING = ["POST /event", "POST /events", "GET /event.gif"]
LOOKING = ["GET /sites/{site_id}/ledger", "GET /health", "GET /ready", "GET /metrics", "GET /docs"]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
]


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(Path(tmp_path_factory.mktemp("door")))


@pytest.mark.parametrize(
    ("label", "mode"),
    [(label, mode) for label in SENDING for mode in GenerationMode]
    + [(label, GenerationMode.POSITIVE) for label in LOOKING],
)
def test_answers_are_as_the_document_says(door: Client, label: str, mode: GenerationMode) -> None:
    schema: Any = schemathesis.openapi.from_asgi("/openapi.json", door.app)
    operations = {operation.label: operation for operation in (found.ok() for found in schema.get_all_operations())}
    assert operations.keys() == {*SENDING, *LOOKING}

    @settings(max_examples=12 if label in SENDING else 1, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operations[label].as_strategy(generation_mode=mode))
    def run(case: Any) -> None:
        case.call_and_validate(checks=CHECKS)

    run()


def test_the_schemas_tell_events_from_what_is_none() -> None:
    def problems(event: object) -> list[str]:
        schema = {"$ref": "#/components/schemas/SiteEvent", "components": document()["components"]}
        return [error.message for error in Draft202012Validator(schema).iter_errors(event)]

    assert problems(page_view(value=9.5, user_id="u")) == []
    assert len(problems(page_view(site_id="", value=-1))) == 2


def test_every_status_of_a_refusal_is_in_the_document() -> None:
    for path in ("/event", "/events"):
        told = document()["paths"][path]["post"]["responses"]
        assert {str(int(status)) for status in STATUS.values()} <= told.keys()


def test_the_page_has_every_path_and_field_and_nothing_from_elsewhere(door: Client) -> None:
    page = door.get("/docs").body.decode()
    for told in ("POST /event", "POST /events", "GET /event.gif", "site_id", "sessionData", "Retry-After"):
        assert told in page
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page

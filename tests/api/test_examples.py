"""What the OpenAPI document shows for example is what it describes."""

from collections.abc import Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from api.document import examples
from scripts.schemas import openapi

SHOWN = [pytest.param(*at, id=" ".join(at)) for at in examples()]


def faults(document: Mapping[str, Any], schema: Mapping[str, Any], example: Any) -> list[str]:
    whole = {**schema, "components": document["components"]}
    return [error.message for error in Draft202012Validator(whole).iter_errors(example)]


@pytest.mark.parametrize(("method", "path"), SHOWN)
def test_an_example_is_as_described(method: str, path: str) -> None:
    document = openapi()
    operation = document["paths"][path][method]
    shown = examples()[method, path]
    answered = operation["responses"][shown["response"]["status"]]["content"]["application/json"]

    assert faults(document, answered["schema"], answered["example"]) == []
    if "request" in shown:
        asked = operation["requestBody"]["content"]["application/json"]
        assert faults(document, asked["schema"], asked["example"]) == []


def test_those_who_begin_are_shown_what_matters() -> None:
    assert {path for _, path in examples()} >= {"/v1/events", "/v1/people/lookup", "/v1/articles/{article_id}/readers"}

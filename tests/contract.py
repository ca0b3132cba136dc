"""What the OpenAPI document promises, held against every answer that a test gets."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import httpx

from core.problems import faults
from scripts.schemas import openapi

ANYWHERE = {405, 500}  # of a method that is no operation; of what a test breaks on purpose


def check(response: httpx.Response, method: str, path: str) -> None:
    """Fail where the operation at *path* does not say that it can be answered so: its status, and its problem's code."""
    operation = _operation(method, path)
    if operation is None or response.status_code in ANYWHERE:
        return
    answers = operation["responses"]
    assert str(response.status_code) in answers, (method, path, response.status_code, response.text)
    if response.headers.get("content-type") == "application/problem+json":
        code = response.json()["code"]
        promised = _resolved(answers[str(response.status_code)])["content"]["application/problem+json"]["examples"]
        assert code in promised or code in faults(), (method, path, code)


def _operation(method: str, path: str) -> Mapping[str, Any] | None:
    for pattern, operations in _patterns():
        if method.lower() in operations and pattern.fullmatch(path):
            found: Mapping[str, Any] = operations[method.lower()]
            return found
    return None


@cache
def _patterns() -> list[tuple[re.Pattern[str], Mapping[str, Any]]]:
    """All paths, those with the fewest parameters first."""
    paths = sorted(openapi()["paths"].items(), key=lambda each: each[0].count("{"))
    return [(re.compile(re.sub(r"\\\{.*?\\\}", "[^/]+", re.escape(path))), operations) for path, operations in paths]


def _resolved(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in answer:
        return answer
    found: Mapping[str, Any] = openapi()["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    return found

"""The OpenAPI document: what FastAPI knows of the routes, and what they and all that they depend on can be answered.

Which problems a route can end in is said where they are raised (`core.problems.raises`), and gathered here.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts

from api import idempotency
from api.access import scopes_needed
from api.etag import NOT_MODIFIED
from api.idempotency import Once
from api.transactions import MOVED
from core.http import MEDIA_TYPE, Answer, Problem, written
from core.problems import Code, Language, codes, raised_by
from core.raw import RawRoute

EXAMPLES = Path(__file__).with_name("examples.json")
FEW = 3  # scopes that do alike; of more it is said that any does
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"

_REDIRECTIONS = {
    MOVED: ("308", {"description": "He bears another id now: see Location."}),
    NOT_MODIFIED: ("304", {"description": "The version of If-None-Match is the present one."}),
}
_FROM_A_BODY = frozenset({"bad_request", "content_too_large"})


def of(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of *app*."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
        )
        components = document.setdefault("components", {})
        _describe_problems(components.setdefault("schemas", {}))
        shared: dict[str, Any] = components.setdefault("responses", {})
        for operation, route in _operations(app, document):
            _add_parameters(operation, route)
            _add_answers(operation, route, shared)
            _add_scopes(operation, route)
        for (method, path), shown in examples().items():
            if path in document["paths"]:  # of a role that this process has
                _add_examples(document["paths"][path][method], shown)
        components["examples"] = {code.name: {"value": example(code)} for code in codes().values()}
        components["responses"] = dict(sorted(shared.items()))
        app.openapi_schema = document
    return app.openapi_schema


@cache
def examples() -> Mapping[tuple[str, str], Mapping[str, Any]]:
    """Return what is asked of the main operations, and answered, for example: by method and path."""
    read = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    return {
        (method.lower(), path): shown
        for (method, path), shown in ((key.split(" "), shown) for key, shown in read.items())
    }


def problems_of(route: APIRoute) -> frozenset[str]:
    """Return the codes of the problems that *route* can end in."""
    found = frozenset({"internal_error"}) | raised_by(route.endpoint)
    if isinstance(route, RawRoute):
        return found
    dependant = route.dependant
    found |= _raised_within(dependant)
    if _is_once(route):
        found |= idempotency.PROBLEMS
    if route.body_field is not None:
        found |= _FROM_A_BODY
    if route.body_field is not None or any(_parameters(dependant)):
        return found | {"invalid_request"}
    return found - {"unstorable"}  # where nothing is said, nothing can be wrong with it


def _operations(app: FastAPI, document: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], APIRoute]]:
    for each in iter_route_contexts(app.routes):
        route = each.original_route
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                yield document["paths"][route.path_format][method.lower()], route


def _add_parameters(operation: dict[str, Any], route: APIRoute) -> None:
    """Name the parts of a raw route's path: its endpoint reads them itself, so FastAPI knows of none."""
    if isinstance(route, RawRoute) and route.param_convertors:
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in route.param_convertors
        ]
    if _is_once(route):
        others = [each for each in operation.get("parameters", ()) if each["name"] != idempotency.HEADER]
        operation["parameters"] = [*others, _SENDERS_KEY]


def _is_once(route: APIRoute) -> bool:
    return isinstance(route, Once) and route.is_once


_SENDERS_KEY = {
    "name": idempotency.HEADER,
    "in": "header",
    "required": False,
    "description": "Of your making, another one for each request: what is sent again with it is carried out once.",
    "schema": {"type": "string", "minLength": 1, "maxLength": idempotency.KEY_LENGTH_MAX},
}


def _add_answers(operation: dict[str, Any], route: APIRoute, shared: dict[str, Any]) -> None:
    answers = operation["responses"]
    if "422" in answers and "HTTPValidationError" in str(answers["422"]):
        del answers["422"]
    names = problems_of(route)
    for mark in sorted(names & _REDIRECTIONS.keys()):
        status, answer = _REDIRECTIONS[mark]
        answers[status] = answer
    by_status: dict[int, list[Code]] = {}
    for name in sorted(names - _REDIRECTIONS.keys()):
        by_status.setdefault(codes()[name].status, []).append(codes()[name])
    for number, found in sorted(by_status.items()):
        name = ".".join([str(number), *(code.name for code in found)])
        shared[name] = _problem(found)
        answers[str(number)] = {"$ref": f"#/components/responses/{name}"}
    operation["responses"] = dict(sorted(answers.items()))


def _problem(found: Iterable[Code]) -> dict[str, Any]:
    said = [f"`{code.name}`: {code.said[Language.EN].meaning}" for code in found]
    return {
        "description": "\n\n".join(said),
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {code.name: {"$ref": f"#/components/examples/{code.name}"} for code in found},
            }
        },
    }


def example(code: Code) -> dict[str, Any]:
    """Return what a problem called *code* looks like."""
    meaning = code.said[Language.EN].meaning
    return written(Answer(code.status, code.name, meaning), TRACE_ID, Language.EN).model_dump()


def _add_examples(operation: dict[str, Any], shown: Mapping[str, Any]) -> None:
    if "request" in shown:
        operation["requestBody"]["content"]["application/json"]["example"] = shown["request"]
    answer = shown["response"]
    operation["responses"][answer["status"]]["content"]["application/json"]["example"] = answer["body"]


def _add_scopes(operation: dict[str, Any], route: APIRoute) -> None:
    """Name the scopes that are needed beside each way to show a key; where several do, each is an alternative."""
    schemes = [name for each in operation.get("security", ()) for name in each]
    if not schemes:
        return
    needed = [sorted(each) for each in scopes_needed(route) if len(each) <= FEW]
    ways = [sorted(set(each)) for each in product(*needed)]
    operation["security"] = [{scheme: scopes} for scopes in ways for scheme in schemes]


def _describe_problems(schemas: dict[str, Any]) -> None:
    described = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= described.pop("$defs")
    schemas["Problem"] = described
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)


def _raised_within(dependant: Dependant) -> frozenset[str]:
    own = raised_by(dependant.call)
    return own.union(*map(_raised_within, dependant.dependencies))


def _parameters(dependant: Dependant) -> Iterator[object]:
    yield from (*dependant.path_params, *dependant.query_params, *dependant.header_params)
    for each in dependant.dependencies:
        yield from _parameters(each)

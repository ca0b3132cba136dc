"""Every error is a problem that says what is wrong, to machines and people, and gives nothing away."""

import json
from functools import partial
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from api import segment_schemas
from api.app import create
from api.exporting import wishes
from api.keyring import KEYS_AGE_MAX
from core import errors, keys
from core.database import transaction
from core.errors import SiyuError
from core.keys import Scope
from profiles import values
from profiles.segments import conditions, rulesets
from tests.api.client import asking
from tests.api.world import INDEX, NOW, RULES, SENDER, World

# What is asked about segments, conditions among it, and of exports, has fields that may be left out.
CONDITIONS_AND_WISHES = {
    name
    for module in (conditions, rulesets, segment_schemas, values, wishes)
    for name, each in vars(module).items()
    if isinstance(each, type) and not name.endswith("Out")
}
FIELDS = {"type", "title", "status", "detail", "code", "errors", "trace_id"}


def problem(answer: httpx.Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    body = dict(answer.json())
    assert body.keys() == FIELDS
    assert body["status"] == answer.status_code
    assert body["trace_id"] == answer.headers["x-trace-id"]
    return body


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "/v1/people/01234567-89ab-8def-8123-456789abcdef", 404, "not_found"),
        ("DELETE", "/v1/articles", 405, "method_not_allowed"),
        ("GET", "/v1/people/not-an-id", 422, "invalid_request"),
        ("GET", "/v1/articles?limit=0", 422, "invalid_request"),
        ("GET", "/v1/articles?limit=201", 422, "invalid_request"),
        ("GET", "/v1/articles?cursor=x", 400, "invalid_cursor"),
        ("POST", "/v1/people/lookup", 422, "invalid_request"),
    ],
)
def test_what_cannot_be_answered_is_a_problem(
    method: str, path: str, status: int, code: str, marketer: httpx.Client
) -> None:
    answer = marketer.request(method, path)

    assert (problem(answer)["status"], problem(answer)["code"]) == (status, code)


def test_a_method_that_is_not_allowed_says_which_are(marketer: httpx.Client) -> None:
    assert marketer.put("/v1/articles").headers["allow"] == "GET"


@pytest.mark.parametrize(
    ("accepted", "language", "title"),
    [
        ("", "en", "Not found"),
        ("zh", "zh", "未找到"),
        ("zh-Hans-CN, en;q=0.5", "zh", "未找到"),
        ("en, zh;q=0.9", "en", "Not found"),
        ("fr, zh;q=0.1", "zh", "未找到"),
        ("zh;q=0", "en", "Not found"),
        ("zh;q=nan, *;;;=, \x80", "en", "Not found"),
    ],
)
def test_a_problem_speaks_the_language_that_is_asked_for(
    accepted: str, language: str, title: str, marketer: httpx.Client
) -> None:
    answer = marketer.get(
        "/v1/people/01234567-89ab-8def-8123-456789abcdef", headers=[(b"accept-language", accepted.encode("latin-1"))]
    )

    assert problem(answer)["title"] == title
    assert answer.headers["content-language"] == language
    assert "Accept-Language" in answer.headers["vary"]
    assert "this is not an id" in problem(answer)["detail"] or "no person has ever" in problem(answer)["detail"]


def test_a_fault_is_told_in_chinese_too_and_points_to_the_same_place(marketer: httpx.Client) -> None:
    answer = marketer.post("/v1/people/lookup", json={}, headers={"Accept-Language": "zh-CN"})

    [fault] = problem(answer)["errors"]
    assert fault == {"pointer": "/identifiers", "code": "missing", "detail": "缺少必填内容。（Field required）"}


def test_what_cannot_be_stored_is_the_fault_of_who_sends_it(administrator: httpx.Client) -> None:
    """U+0000, which PostgreSQL has no room for, and a number that no column holds."""
    assert problem(administrator.get("/v1/leads?owner=a%00b"))["code"] == "unstorable"


def test_a_problem_points_at_each_fault_and_repeats_nothing(marketer: httpx.Client) -> None:
    answer = marketer.post("/v1/people/lookup", json={"identifiers": [{"a": "13912345678"}], "se/cret": "13912345678"})

    faults = problem(answer)["errors"]
    assert [fault["pointer"] for fault in faults] == ["/identifiers/0", "/se~1cret"]
    assert "13912345678" not in answer.text


@pytest.mark.parametrize("body", [b'{"identifiers": ["phone:13912345678"', b"\xff13912345678", b"[13912345678]", b""])
def test_a_body_that_is_no_request_is_a_problem(body: bytes, marketer: httpx.Client) -> None:
    answer = marketer.post("/v1/people/lookup", content=body, headers={"Content-Type": "application/json"})

    assert problem(answer)["status"] in (400, 422)
    assert "13912345678" not in answer.text


@pytest.mark.parametrize(
    "path", ["/v1/people/13912345678", "/v1/articles?limit=13912345678x", "/v1/articles?cursor=13912345678"]
)
def test_nothing_of_a_url_is_repeated(path: str, marketer: httpx.Client) -> None:
    assert "13912345678" not in marketer.get(path).text


def test_without_a_key_the_answer_says_that_one_is_needed(anybody: httpx.Client) -> None:
    for path in ("/v1/articles", "/v1/people/x", "/v1/stream", "/metrics"):
        answer = anybody.get(path)

        assert problem(answer)["status"] == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_key_that_nobody_made_opens_nothing(app: FastAPI) -> None:
    with asking(app, "siyu_made_up") as client:
        assert problem(client.get("/v1/articles"))["code"] == "unauthorized"


def test_a_key_for_something_else_does_not_reach_so_far(app: FastAPI, world: World) -> None:
    with asking(app, world.key(Scope.EVENTS_WRITE)) as client:
        assert problem(client.get("/v1/articles"))["code"] == "forbidden"


def test_the_administrator_may_ask_everything(administrator: httpx.Client) -> None:
    assert administrator.get("/v1/articles").status_code == 200


@pytest.mark.parametrize(
    ("error", "status", "headers"),
    [
        (errors.InvalidEvent("too_old", "it is too old", "/at"), 400, {}),
        (errors.Unauthorized("no"), 401, {"www-authenticate": 'Bearer realm="siyu"'}),
        (errors.Forbidden("no"), 403, {}),
        (errors.Limited("no", 7), 429, {"retry-after": "7"}),
        (errors.NotFound("no"), 404, {}),
        (errors.Refused("no"), 409, {}),
        (errors.Overloaded("no", 7), 503, {"retry-after": "7"}),
        (errors.Unavailable("no"), 503, {"retry-after": "1"}),
        (errors.Contended("no"), 503, {"retry-after": "1"}),
    ],
)
def test_each_error_of_ours_has_its_status(
    error: SiyuError, status: int, headers: dict[str, str], app: FastAPI, administrator: httpx.Client
) -> None:
    def fail() -> None:
        raise error

    app.add_api_route("/fail", fail)

    answer = administrator.get("/fail")

    assert problem(answer)["status"] == status
    assert headers.items() <= dict(answer.headers).items()


def test_an_error_that_nobody_foresaw_says_nothing_but_its_trace_id(
    app: FastAPI, administrator: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("the password is 1234")

    app.add_api_route("/fail", fail)

    answer = administrator.get("/fail")

    assert problem(answer)["code"] == "internal_error"
    assert "1234" not in answer.text
    assert problem(answer)["trace_id"] in capsys.readouterr().out


def test_a_trace_that_the_sender_is_in_goes_on(anybody: httpx.Client) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"

    given = anybody.get("/livez", headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    broken = anybody.get("/livez", headers={"traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01"})

    assert given.headers["x-trace-id"] == trace
    assert broken.headers["x-trace-id"] not in (trace, "0" * 32)


def test_answers_are_private(marketer: httpx.Client) -> None:
    headers = marketer.get("/v1/articles").headers

    assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")
    assert headers["referrer-policy"] == "no-referrer"


def test_the_openapi_document_says_what_any_error_looks_like(anybody: httpx.Client) -> None:
    document = anybody.get("/openapi.json").json()

    reference = {"schema": {"$ref": "#/components/schemas/Problem"}}
    answers = document["components"]["responses"].values()
    assert all(answer["content"]["application/problem+json"].items() >= reference.items() for answer in answers)
    for path in document["paths"].values():
        for operation in path.values():
            assert "default" not in operation["responses"]
            assert "500" in operation["responses"]
    assert document["components"]["schemas"]["Problem"]["properties"].keys() == FIELDS
    assert "HTTPValidationError" not in json.dumps(document)


def test_every_field_that_is_answered_is_promised(anybody: httpx.Client) -> None:
    """Output schemas have no defaults: each of their fields is required."""
    schemas = anybody.get("/openapi.json").json()["components"]["schemas"]

    asked = {
        "Questions",
        "Ends",
        "Wish",
        "Merger",
        "Splitting",
        "OfficialCounts",
        "Sending",
        "Opening",
        "LeadChange",
        "Step",
        "Way",
        "NotToContact",
        "Tagging",
        "NewKey",
        "WebhookNew",
        "WebhookChange",
        "Rotation",
        *CONDITIONS_AND_WISHES,
    }
    assert not [
        name
        for name, schema in schemas.items()
        if name not in asked and set(schema.get("properties", ())) - set(schema.get("required", ()))
    ]


def test_a_revoked_key_is_taken_no_longer_than_is_remembered(engine: Engine, world: World) -> None:
    secret = world.key(Scope.PEOPLE_READ)
    time = NOW
    app = create(
        engine,
        partial(keys.find, admin_secret=None),
        INDEX,
        RULES,
        {},
        publish=lambda _: None,
        tell=world.tell,
        sender=SENDER,
        clock=lambda: time,
    )
    with asking(app, secret) as client:
        assert client.get("/v1/articles").status_code == 200
        with transaction(engine) as connection:
            [key] = keys.listing(connection)
            keys.revoke(connection, key.id, NOW)

        assert client.get("/v1/articles").status_code == 200
        time = NOW + KEYS_AGE_MAX

        assert client.get("/v1/articles").status_code == 401

"""Schemathesis over the whole OpenAPI document, against a real server over a little data: no 5xx, and nothing undocumented.

The ordinary run asks each operation a few times; `make laws` asks each very often.
"""

import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi import checks
from sqlalchemy import Engine

from core.clock import system_clock
from core.database import connect
from core.identifier import BlindIndex
from core.log.postgres import PostgresLog
from core.settings import Settings
from ingest.channels import Channels
from profiles import company_intent, description, frequency, intent
from scripts.schemas import openapi
from siyu.serving import Role, application
from siyu.system import System
from stitcher import rules
from tests.api.world import World
from tests.conftest import _named, _run

Operation = APIOperation[Any, Any, Any, Any]
ADMIN = "the secret of the administrator"
EXAMPLES = 6
EXAMPLES_OF_LAWS = 120
ENDLESS = {("get", "/v1/stream")}  # asked below, as far as its first words
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
A, B = "user_id:A", "phone:13912345678"


@dataclass
class Given:
    """A server, and what can be named in the paths of its operations."""

    url: str
    names: Mapping[str, list[str]]


@cache
def operations() -> dict[str, Operation]:
    """All operations by method and path."""
    schema = schemathesis.openapi.from_dict(dict(openapi()))
    found = [each.ok() for each in schema.get_all_operations() if isinstance(each, Ok)]
    return {f"{each.method.upper()} {each.path}": each for each in found if (each.method, each.path) not in ENDLESS}


@pytest.fixture(scope="module")
def url(server_url: str, template: str) -> Iterator[str]:
    """The URL of a database for all of these tests."""
    name = f"siyu_test_{uuid4().hex}"
    _run(server_url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    yield _named(server_url, name)
    _run(server_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def served(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Given]:
    """All of Siyu that speaks HTTP, served, and a few people in it."""
    engine = connect(url)
    told = World(engine)
    told.happens(
        A, B, type="article.read", article={"id": "a", "title": "T"}, company={"name": "C", "domain": "c.example"}
    )
    told.happens("user_id:B", "email:tom@example.com", minute=1, type="order.paid", order={"id": "o", "amount": 5})
    told.happens("user_id:C", minute=2, type="person.tagged", properties={"tag": "vip"})
    app = application(_system(engine, tmp_path_factory.mktemp("siyu")), {Role.API, Role.COLLECT})
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("stitcher.deciding.WAIT_SECONDS_MAX", 0.05)  # nobody carries directives out here
        with _serving(app) as address:
            yield Given(address, _names(address, told))
    engine.dispose()


def _deleting_last(name: str) -> tuple[bool, str]:
    return name.startswith("DELETE"), name


NAMES: list[str] = sorted(operations(), key=_deleting_last)


@pytest.mark.parametrize("name", NAMES)
def test_an_operation_answers_as_it_is_documented(name: str, served: Given) -> None:
    operation = operations()[name]
    session = _session()
    modes = [mode for mode in GenerationMode if _possible(operation, mode)]
    cases = st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in modes))

    @settings(
        parent=settings.default,
        max_examples=EXAMPLES if _is_ordinary() else EXAMPLES_OF_LAWS,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        deadline=None,
    )
    @given(cases, st.randoms())
    def ask(case: Case[Any], chance: random.Random) -> None:
        _name_what_exists(case, served, chance)
        response = case.call(base_url=served.url, session=session, timeout=30, allow_redirects=False)
        case.validate_response(response, checks=CHECKS)

    ask()


@pytest.mark.parametrize(
    ("asked", "headers"),
    [
        ("", {}),
        ("?types=person.merged&segment=s", {}),
        ("?types=nothing", {}),
        ("?segment=nobody", {}),
        ("?segment=" + "x" * 300, {}),
        ("", {"Last-Event-ID": "nowhere"}),
        ("", {"Last-Event-ID": "\x80" * 9}),
    ],
)
def test_the_stream_begins_as_it_is_documented(asked: str, headers: dict[str, str], served: Given) -> None:
    answer = _session().get(f"{served.url}/v1/stream{asked}", headers=headers, timeout=10, stream=True)
    answer.close()

    promised = openapi()["paths"]["/v1/stream"]["get"]["responses"]
    assert str(answer.status_code) in promised
    is_stream = answer.headers["content-type"].startswith("text/event-stream")
    assert is_stream == (answer.status_code == 200)


def _is_ordinary() -> bool:
    assert settings.default
    return settings.default.max_examples <= 100


def _session() -> requests.Session:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {ADMIN}"
    return session


def _possible(operation: Operation, mode: GenerationMode) -> bool:
    return mode is GenerationMode.POSITIVE or bool(operation.body or list(operation.iter_parameters()))


def _name_what_exists(case: Case[Any], served: Given, chance: random.Random) -> None:
    """Half of the time, ask about something that there is: nobody guesses the id of a person."""
    for place in (case.path_parameters, case.query):
        for name in place or {}:
            if (known := served.names.get(name)) and chance.random() < 0.6:
                place[name] = chance.choice(known)


def _names(url: str, told: World) -> Mapping[str, list[str]]:
    with _session() as session:

        def post(path: str, body: Any) -> Any:
            answer = session.post(f"{url}{path}", json=body, timeout=30)
            assert answer.ok, answer.text
            return answer.json()

        people = list[str](told.people())
        presets = session.get(f"{url}/v1/stages/presets", timeout=30).json()
        stages = post("/v1/stages", {name: presets[0][name] for name in ("name", "kind", "bands")})["name"]
        segment = post("/v1/segments", {"name": "s", "when": {"kind": "read"}})["name"]
        webhook = post("/v1/webhooks", {"url": "https://localhost/"})["id"]
        leads = [post("/v1/leads", {"person_id": person})["id"] for person in people[:1]]
        key = post("/v1/keys", {"name": "k", "scopes": ["people:read"]})["id"]
        directive = post("/v1/directives", {"kind": "block", "identifiers": [A], "why": "w"})["id"]
        job = post("/v1/exports", {"what": "people", "format": "ndjson"})["id"]
        blocked = post("/v1/do-not-contact", {"identifiers": [B], "reason": "r"})["data"][0]["id"]
    return {
        "person_id": people,
        "person": people,
        "article_id": ["a"],
        "article": ["a"],
        "lead_id": leads,
        "key_id": [key],
        "directive_id": [directive],
        "job_id": [job],
        "identifier_id": [blocked],
        "name": [segment, stages],
        "with": [segment],
        "segment": [segment],
        "webhook_id": [webhook],
        "company_id": ["c.example"],
        "owner": ["o"],
    }


def _system(engine: Engine, folder: Path) -> System:
    return System(
        settings=Settings(data_dir=folder, admin_key=SecretStr(ADMIN), requests_per_minute=0),
        engine=engine,
        log=PostgresLog(engine, partitions=1),
        rules=rules.shipped(),
        intent_rules=intent.shipped(),
        frequency_rules=frequency.shipped(),
        company_rules=company_intent.shipped(),
        description_rules=description.shipped(),
        signing_key=b"k" * 32,
        index=BlindIndex(b"k" * 32),
        clock=system_clock,
        channels=Channels(),
        group_robots={},
    )


@contextmanager
def _serving(app: Any) -> Iterator[str]:
    server = uvicorn.Server(
        uvicorn.Config(app, "127.0.0.1", 0, log_config=None, access_log=False, timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    until = time.monotonic() + 10
    while not server.started:
        assert time.monotonic() < until, "it never began to listen"
        time.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join()

"""Who may do what: every route, asked by every role, answers as docs/access.md says. A new route is asked without more ado."""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from core import keys
from core.clock import system_clock
from core.database import transaction
from core.event import Trust
from core.identifier import BlindIndex
from core.keys import SCOPES, Role, Scope
from core.log.port import EVENTS
from core.log.postgres import PostgresLog
from core.settings import Settings
from ingest.channels import Channels
from profiles import company_intent, description, frequency, intent
from scripts import access
from scripts.schemas import whole
from siyu.serving import Role as Part
from siyu.serving import application
from siyu.system import System
from stitcher import rules
from tests.api.client import asking

PAGE = access.PAGE.read_text(encoding="utf-8")
NOBODY = "00000000-0000-4000-8000-000000000000"
DENIED = (401, 403)
WRITES = frozenset({Scope.EVENTS_WRITE})


def table(name: str) -> list[list[str]]:
    """The cells of a table of the page, its head first, without the signs of code."""
    written = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- end -->", PAGE, re.DOTALL)
    assert written
    head, _, *rows = (line.strip("| ").split("|") for line in written[1].splitlines())
    return [[cell.strip() for cell in row] for row in (head, *rows)]


NEEDS = {route.strip("`"): needs for route, needs in table("routes")[1:]}


@pytest.fixture
def system(engine: Engine, tmp_path: Path) -> System:
    """An installation without accounts of platforms."""
    return System(
        settings=Settings(data_dir=tmp_path),
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


@pytest.fixture
def app(system: System) -> FastAPI:
    """All of Siyu that speaks HTTP."""
    return application(system, set(Part))


def key(system: System, *scopes: Scope, role: Role | None = None, trust: Trust = Trust.SERVER) -> str:
    with transaction(system.engine) as connection:
        return keys.create(connection, scopes, "tests", trust, system.clock(), role=role)[0]


def may(scopes: frozenset[Scope], needs: str) -> bool:
    """Whether who has *scopes* is let in, by the words of the page."""
    if needs == access.OPEN or Scope.ADMIN in scopes:
        return True
    if needs == "any scope but `events:write`":
        return bool(scopes - WRITES)
    return all({*re.findall(r"`([^`]+)`", each)} & scopes for each in needs.split(" and "))


def request(name: str) -> tuple[str, str]:
    """Method and path of a route, about somebody or something that does not exist."""
    method, _, path = name.partition(" ")
    return method, re.sub(r"\{\w+(:\w+)?\}", NOBODY, path)


def asked(client: httpx.Client, name: str) -> httpx.Response:
    """The answer to a request with nothing in it. Where it is let in, it is found wanting, and does nothing."""
    body: dict[str, Any] | None = {} if name.startswith(("POST", "PUT", "PATCH")) else None
    return client.request(*request(name), json=body, headers={"Last-Event-ID": "no place"})


def let_in(client: httpx.Client) -> dict[str, bool]:
    """Which routes let who asks in."""
    return {name: asked(client, name).status_code not in DENIED for name in NEEDS}


def test_the_page_is_that_of_the_code() -> None:
    """`make schemas` writes its tables anew."""
    assert access.page(whole()) == PAGE


def test_the_page_has_the_roles_of_the_code() -> None:
    head, *rows = table("roles")

    told = {head[place].strip("`"): {row[0].strip("`") for row in rows if row[place]} for place in range(1, len(head))}
    assert told == {role: {*scopes} for role, scopes in SCOPES.items()}


def test_nobody_is_let_in_without_a_scope_but_to_what_needs_none(app: FastAPI) -> None:
    """What needs none says whether we live, signs in and out, and describes what all may know."""
    public = {name for name, needs in NEEDS.items() if needs == access.OPEN}
    living, signing = {"GET /livez", "GET /readyz"}, {"POST /v1/session", "DELETE /v1/session"}
    assert living | signing <= public <= living | signing | {"GET /asyncapi.json"}

    with asking(app) as anybody:
        assert {name for name, is_in in let_in(anybody).items() if is_in} == public


def test_every_role_is_let_in_where_the_page_says(system: System, app: FastAPI) -> None:
    for role, scopes in SCOPES.items():
        with asking(app, key(system, role=role)) as client:
            assert let_in(client) == {name: may(scopes, needs) for name, needs in NEEDS.items()}, role


def test_every_scope_lets_in_where_the_page_says(system: System, app: FastAPI) -> None:
    for scope in frozenset(Scope) - {Scope.ADMIN}:  # who has it is a role above
        with asking(app, key(system, scope)) as client:
            assert let_in(client) == {name: may(frozenset({scope}), needs) for name, needs in NEEDS.items()}, scope


def test_who_may_only_write_learns_nothing(system: System, app: FastAPI) -> None:
    """Wherever something is asked, he is answered 403, in words that do not depend on what there is."""
    for trust in Trust:
        with asking(app, key(system, Scope.EVENTS_WRITE, trust=trust)) as writer:
            for name, needs in NEEDS.items():
                if needs != access.OPEN:
                    answer = asked(writer, name)
                    assert (answer.status_code, answer.json()["detail"].partition(" scope ")[0]) == (
                        403,
                        "this needs a key with the",
                    ), name


EVENT = {
    "type": "page.viewed",
    "channel": "web",
    "occurred_at": "2026-11-20T00:00:00Z",
    "identifiers": ["user_id:u", "anonymous_id@tests:a"],
}


def bodies(secret: str) -> Iterator[Mapping[str, Any]]:
    """What a collector might take, each with the key where SDKs write it."""
    call = {"event": "e", "userId": "u", "anonymousId": "a", "name": "n", "groupId": "g", "previousId": "p"}
    yield EVENT | {"occurred_at": system_clock().isoformat()}
    yield call | {"type": "track", "writeKey": secret}
    yield {"batch": [call | {"type": "track"}], "writeKey": secret}
    yield {"url": "https://shop.example/", "channel": "web", "writeKey": secret}


def sent(app: FastAPI, system: System, secret: str) -> set[str]:
    """The collectors that take something from who shows *secret* wherever a key may stand."""
    took = set()
    basic = b64encode(f"{secret}:".encode()).decode()
    with asking(app) as client:
        for name, _ in access.collecting(app):
            method, path = request(name.replace("{key}", secret))
            before = system.log.ends(EVENTS)
            for authorization in (f"Bearer {secret}", f"Basic {basic}"):
                for body in bodies(secret):
                    query = {"writeKey": secret, "key": secret}
                    headers = {"Authorization": authorization}
                    answer = client.request(method, path, json=body, headers=headers, params=query)
                    assert answer.status_code < 500, (name, answer.text)
            if system.log.ends(EVENTS) != before:
                took.add(name)
    return took


def test_who_may_only_read_brings_no_event_in(system: System, app: FastAPI) -> None:
    every_other = frozenset(Scope) - WRITES - {Scope.ADMIN}

    assert sent(app, system, key(system, *every_other)) == set()
    assert {"POST /v1/events", "POST /v1/track", "POST /v1/batch"} <= sent(app, system, key(system, *WRITES))

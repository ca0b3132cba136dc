"""`Idempotency-Key`: the same request is carried out once, whoever dies when."""

import threading
from datetime import timedelta
from functools import partial

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, text

from api import kept_answers
from api.app import create
from api.idempotency import KEY_LENGTH_MAX, Once
from api.kept_answers import KEPT, Answer, Named
from core import keys
from core.database import transaction
from core.keys import Scope
from core.log.postgres import PostgresLog
from scripts import access
from scripts.schemas import openapi, whole
from stitcher.deciding import publisher
from tests.api.client import asking
from tests.api.conftest import ADMIN
from tests.api.world import INDEX, NOW, RULES, SENDER, World

KEY = {"Idempotency-Key": "k1"}
SEGMENT = {"name": "readers", "when": {"kind": "read"}}
EXPORT = {"what": "people", "format": "ndjson"}
SIGNING_KEY = b"k" * 32


def rows(engine: Engine, table: str) -> int:
    with transaction(engine) as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def test_the_same_request_is_carried_out_once_and_answered_alike(administrator: httpx.Client, engine: Engine) -> None:
    first = administrator.post("/v1/exports", json=EXPORT, headers=KEY)
    again = administrator.post("/v1/exports", json=EXPORT, headers=KEY)

    assert (again.status_code, again.content) == (first.status_code, first.content) != (409, b"")
    assert again.headers["location"] == first.headers["location"]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert rows(engine, "job") == 1


def test_without_a_key_it_is_carried_out_each_time(administrator: httpx.Client, engine: Engine) -> None:
    for _ in range(2):
        administrator.post("/v1/exports", json=EXPORT)

    assert (rows(engine, "job"), rows(engine, "kept_answer")) == (2, 0)


def test_a_key_for_something_else_is_refused(administrator: httpx.Client, engine: Engine) -> None:
    administrator.post("/v1/exports", json=EXPORT, headers=KEY)

    for other in ({**EXPORT, "format": "csv"}, {**EXPORT, "clear": True}):
        answer = administrator.post("/v1/exports", json=other, headers=KEY)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert administrator.post("/v1/exports?x=1", json=EXPORT, headers=KEY).status_code == 422
    assert rows(engine, "job") == 1


def test_a_key_is_of_one_route_and_of_one_who_asks(app: FastAPI, administrator: httpx.Client, world: World) -> None:
    administrator.post("/v1/exports", json=EXPORT, headers=KEY)

    assert administrator.post("/v1/segments", json=SEGMENT, headers=KEY).status_code == 201
    with asking(app, world.key(Scope.PEOPLE_READ)) as another:
        assert "idempotent-replayed" not in another.post("/v1/exports", json=EXPORT, headers=KEY).headers


def test_what_is_refused_can_be_asked_again(administrator: httpx.Client, engine: Engine) -> None:
    """Nothing was done, so nothing is kept: who mends his request may use the key on."""
    wrong = administrator.post("/v1/segments", json={"name": "readers"}, headers=KEY)
    right = administrator.post("/v1/segments", json=SEGMENT, headers=KEY)

    assert (wrong.status_code, right.status_code) == (422, 201)
    assert administrator.post("/v1/segments", json=SEGMENT, headers=KEY).json() == right.json()
    assert administrator.post("/v1/segments", json=SEGMENT).status_code == 409


def test_while_one_is_carried_out_another_waits_outside(administrator: httpx.Client, engine: Engine) -> None:
    """A lock says so; it ends with the transaction of him who holds it, so that nobody who dies leaves it."""
    named = Named.of("admin", "POST /v1/exports", "k1", b"")
    with engine.begin() as connection:
        assert kept_answers.is_ours(connection, named)
        answer = administrator.post("/v1/exports", json=EXPORT, headers=KEY)
    after = administrator.post("/v1/exports", json=EXPORT, headers=KEY)

    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_in_progress")
    assert answer.headers["retry-after"] == "1"
    assert after.status_code == 202


def test_many_at_once_are_carried_out_once(administrator: httpx.Client, engine: Engine) -> None:
    answers: list[httpx.Response] = []

    def ask() -> None:
        answers.append(administrator.post("/v1/exports", json=EXPORT, headers=KEY))

    asked = [threading.Thread(target=ask) for _ in range(8)]
    for each in asked:
        each.start()
    for each in asked:
        each.join()

    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 202}) == 1
    assert rows(engine, "job") == 1


def test_a_death_before_the_commit_leaves_neither_effect_nor_answer(
    administrator: httpx.Client, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as dying:
        dying.setattr("api.kept_answers.keep", die)
        assert administrator.post("/v1/exports", json=EXPORT, headers=KEY).status_code == 500
    assert (rows(engine, "job"), rows(engine, "kept_answer")) == (0, 0)

    assert administrator.post("/v1/exports", json=EXPORT, headers=KEY).status_code == 202
    assert rows(engine, "job") == 1


def test_what_goes_by_the_log_is_the_same_after_a_death(
    administrator: httpx.Client, engine: Engine, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event is in the log when its answer is lost: told again, it is the same event."""
    world.happens("user_id:A")
    page = f"/v1/people/{world.person('user_id:A')}/tags"
    told = administrator.post(page, json={"tag": "vip"}, headers=KEY).json()
    with transaction(engine) as connection:
        connection.execute(text("DELETE FROM kept_answer"))

    assert administrator.post(page, json={"tag": "vip"}, headers=KEY).json() == told


def test_an_answer_is_kept_for_a_day(engine: Engine) -> None:
    time = NOW
    app = create(
        engine,
        partial(keys.find, admin_secret=ADMIN),
        INDEX,
        RULES,
        {},
        publish=publisher(PostgresLog(engine, 1)),
        tell=World(engine).tell,
        sender=SENDER,
        signing_key=SIGNING_KEY,
        clock=lambda: time,
    )
    with asking(app, ADMIN) as client:
        first = client.post("/v1/exports", json=EXPORT, headers=KEY).json()
        time = NOW + KEPT - timedelta(seconds=1)
        assert client.post("/v1/exports", json=EXPORT, headers=KEY).json() == first
        time = NOW + KEPT
        assert client.post("/v1/exports", json=EXPORT, headers=KEY).json() != first
    assert rows(engine, "kept_answer") == 1


@pytest.mark.parametrize("key", ["", "x" * (KEY_LENGTH_MAX + 1)])
def test_a_key_that_is_none_is_refused(key: str, administrator: httpx.Client, engine: Engine) -> None:
    answer = administrator.post("/v1/exports", json=EXPORT, headers={"Idempotency-Key": key})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert rows(engine, "job") == 0


def test_who_may_not_any_more_gets_no_answer_again(app: FastAPI, world: World, engine: Engine) -> None:
    secret = world.key(Scope.PEOPLE_READ)
    with asking(app, secret) as client:
        client.post("/v1/exports", json=EXPORT, headers=KEY)
        with transaction(engine) as connection:
            connection.execute(text("UPDATE api_key SET scopes = '{segments:write}'"))
    app.state.context.keys._known.clear()

    with asking(app, secret) as client:
        assert client.post("/v1/exports", json=EXPORT, headers=KEY).status_code == 403


def test_a_key_without_secret_learns_nothing(anybody: httpx.Client, administrator: httpx.Client) -> None:
    administrator.post("/v1/exports", json=EXPORT, headers=KEY)

    assert anybody.post("/v1/exports", json=EXPORT, headers=KEY).status_code == 401


def test_an_answer_that_shows_people_is_sealed_and_looking_again_is_written_down(
    administrator: httpx.Client, engine: Engine, world: World
) -> None:
    world.happens("phone:13912345678", "user_id:A")
    asked = {"person_id": world.person("user_id:A"), "note": "13912345678"}
    for _ in range(2):
        assert "13912345678" in administrator.post("/v1/leads", json=asked, headers=KEY).text

    with transaction(engine) as connection:
        [body] = connection.execute(text("SELECT body FROM kept_answer")).scalars()
        assert b"13912345678" not in body
        assert connection.execute(text("SELECT count(*) FROM audit")).scalar_one() == 2


def test_of_one_key_not_more_than_so_many_are_kept(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_answers, "ANSWERS_MAX", 3)
    for number in range(6):
        with transaction(engine) as connection:
            for key in ("one", "other"):
                named = Named.of(key, "POST /", str(number), b"")
                answer = Answer(named.fingerprint, 200, {}, b"")
                kept_answers.keep(connection, named, answer, SIGNING_KEY, NOW + timedelta(seconds=number))

    with transaction(engine) as connection:
        kept = connection.execute(text("SELECT key, count(*), min(at) FROM kept_answer GROUP BY 1 ORDER BY 1")).all()
    assert [tuple(row) for row in kept] == [(key, 3, NOW + timedelta(seconds=3)) for key in ("one", "other")]


def test_every_post_that_changes_something_is_carried_out_once() -> None:
    """Making keys is not: their secrets are kept nowhere. Nor are a sign-in, which is a cookie's, and a test of a webhook."""
    posts = {name: route for name, route in access.operations(whole()) if name.startswith("POST")}
    once = {name for name, route in posts.items() if isinstance(route, Once) and route.is_once}

    assert posts.keys() - once == {
        "POST /v1/decisions/can-send",
        "POST /v1/keys",
        "POST /v1/keys/{key_id}/rotate",
        "POST /v1/metrics/funnel",
        "POST /v1/people/lookup",
        "POST /v1/people/{person_id}/identity/why",
        "POST /v1/segments/preview",
        "POST /v1/session",
        "POST /v1/stages/simulate",
        "POST /v1/webhooks/{webhook_id}/test",
    }
    for name in once:
        operation = openapi()["paths"][name.partition(" ")[2]]["post"]
        assert [each["name"] for each in operation["parameters"]].count("Idempotency-Key") == 1
        assert {"409", "422"} <= operation["responses"].keys()

"""Who looked at personal data in clear: all of it is written down, before it is answered, for the administrator to read."""

import threading
from contextlib import suppress
from datetime import timedelta
from itertools import count
from typing import Any

import anyio
import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Connection, Engine

from api.access import WORD_LENGTH_MAX, WORDS_MAX
from api.auditing import Auditing
from core import audit
from core.audit import Look
from core.database import transaction
from core.errors import Unavailable
from core.keys import Scope
from tests.api.client import asking
from tests.api.world import NOW, World

PHONE = "phone:+8613912345678"
READING = "GET /v1/audit"


def looks_of(client: httpx.Client, **wanted: str) -> list[dict[str, Any]]:
    """All looks but those at the audit itself, the latest first."""
    return [look for look in client.get("/v1/audit", params=wanted).json()["data"] if look["what"] != READING]


def test_a_look_at_somebody_in_clear_is_written_down(
    world: World, sales: httpx.Client, administrator: httpx.Client
) -> None:
    world.happens(PHONE, type="article.read", article={"id": "a/1"})
    person = world.person(PHONE)
    for path in (
        f"/v1/people/{person}/timeline?type=article.read",
        "/v1/articles/a%2F1/readers",
        f"/v1/people/{person}",
    ):
        assert sales.get(path).status_code == 200

    looks = looks_of(administrator)

    assert [(look["what"], look["filters"]) for look in looks] == [
        ("GET /v1/people/{person_id}", {"person_id": person}),
        ("GET /v1/articles/{article_id}/readers", {"article_id": "a/1"}),
        ("GET /v1/people/{person_id}/timeline", {"person_id": person, "type": "article.read"}),
    ]
    assert {look["at"] for look in looks} == {"2026-11-20T00:00:00Z"}
    assert len({look["key"] for look in looks}) == 1


def test_what_would_change_in_clear_is_written_down(app: FastAPI, world: World, administrator: httpx.Client) -> None:
    world.happens(PHONE)
    wish = {"kind": "block", "identifiers": [PHONE], "why": "a switchboard"}

    with asking(app, world.key(Scope.PEOPLE_READ_PII, Scope.PEOPLE_WRITE, Scope.PEOPLE_READ)) as key:
        assert key.post("/v1/directives?preview=true", json=wish).status_code == 200

    (look,) = looks_of(administrator)
    assert (look["what"], look["filters"]) == ("POST /v1/directives", {"preview": "true"})
    assert PHONE not in str(look)


def test_who_sees_people_masked_leaves_no_trace(
    world: World, marketer: httpx.Client, administrator: httpx.Client
) -> None:
    world.happens(PHONE)

    assert marketer.get(f"/v1/people/{world.person(PHONE)}").status_code == 200

    assert looks_of(administrator) == []


def test_the_audit_is_for_those_who_may_read_it(
    app: FastAPI, world: World, sales: httpx.Client, anybody: httpx.Client
) -> None:
    with asking(app, world.key(Scope.AUDIT_READ)) as auditor:
        assert auditor.get("/v1/audit").status_code == 200
    assert (sales.get("/v1/audit").status_code, anybody.get("/v1/audit").status_code) == (403, 401)


def test_who_reads_what_is_written_is_written_down(administrator: httpx.Client) -> None:
    administrator.get("/v1/audit?key=k")

    first, second = administrator.get("/v1/audit").json()["data"]

    assert (first["what"], first["filters"]) == (READING, {})
    assert (second["key"], second["what"], second["filters"]) == ("admin", READING, {"key": "k"})


def test_looks_can_be_had_by_key_route_and_time(engine: Engine, administrator: httpx.Client) -> None:
    with transaction(engine) as connection:
        audit.record(
            connection,
            [Look(NOW + timedelta(hours=n), f"k{n % 2}", f"what {n % 3}", {}, n) for n in range(-6, 0)],
        )

    def counts(**wanted: str) -> list[int]:
        return [look["count"] for look in looks_of(administrator, **wanted)]

    assert counts(key="k1") == [-1, -3, -5]
    assert counts(what="what 0") == [-3, -6]
    assert counts(**{"from": at(-4), "to": at(-2)}) == [-3, -4]
    assert counts(key="k1", what="what 0", to=at(0)) == [-3]
    assert counts(key="nobody") == []


def at(hour: int) -> str:
    return (NOW + timedelta(hours=hour)).isoformat()


def test_looks_at_a_person_are_found_under_every_id_that_he_bore(
    world: World, sales: httpx.Client, administrator: httpx.Client
) -> None:
    world.happens(PHONE)
    world.happens("email:li@example.com")
    world.happens("user_id:somebody-else")
    before = [world.person(PHONE), world.person("email:li@example.com")]
    for person in (*before, world.person("user_id:somebody-else")):
        sales.get(f"/v1/people/{person}")
    world.happens(PHONE, "email:li@example.com")

    for person in before:
        assert {look["person_id"] for look in looks_of(administrator, person=person)} == {*before}
    assert looks_of(administrator, person="00000000-0000-4000-8000-000000000000") == []


def test_looks_come_in_pages_the_latest_first(engine: Engine, administrator: httpx.Client) -> None:
    with transaction(engine) as connection:
        audit.record(connection, [Look(NOW, "k", f"look {n}", {}, n) for n in range(5)])

    first = administrator.get("/v1/audit?limit=3&key=k").json()
    cursor = first["page"]["next_cursor"]
    second = administrator.get("/v1/audit", params={"limit": 3, "key": "k", "cursor": cursor}).json()

    assert [look["count"] for look in first["data"] + second["data"]] == [4, 3, 2, 1, 0]
    assert second["page"]["has_more"] is False


def test_of_a_long_address_only_the_beginning_is_kept(sales: httpx.Client, administrator: httpx.Client) -> None:
    sales.get("/v1/reviews", params={f"n{n}": "x" * 1_000 for n in range(WORDS_MAX + 5)})

    (look,) = looks_of(administrator)
    assert len(look["filters"]) == WORDS_MAX
    assert {len(said) for said in look["filters"].values()} == {WORD_LENGTH_MAX}


def test_words_that_no_text_can_hold_are_written_down_or_refused(
    sales: httpx.Client, administrator: httpx.Client
) -> None:
    assert sales.get("/v1/reviews?x=%00%FF&%00=y").status_code == 200
    assert looks_of(administrator)[0]["filters"] == {"x": "\0\ufffd", "\0": "y"}
    for name in ("key", "what", "person", "from", "to", "cursor"):
        assert administrator.get("/v1/audit", params={name: "\0"}).status_code in (400, 422)
    assert (
        administrator.get("/v1/keys", params={"cursor": "WyIyMDI2LTAxLTAxVDAwOjAwOjAwWiIsICJcdTAwMDAiXQ"}).status_code
        == 400
    )


def test_what_cannot_be_written_down_is_not_answered(
    sales: httpx.Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.happens(PHONE)

    def lost(*_: object) -> None:
        raise Unavailable("the database did not answer")

    monkeypatch.setattr(audit, "record", lost)

    assert sales.get(f"/v1/people/{world.person(PHONE)}").status_code == 503


def test_those_who_look_at_once_are_written_down_together(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    may_go_on = threading.Event()
    record = audit.record

    def slow(connection: Connection, looks: list[Look]) -> None:
        may_go_on.wait(5)
        written.append(len(looks))
        record(connection, looks)

    monkeypatch.setattr(audit, "record", slow)

    async def look_at_once() -> None:
        auditing = Auditing(engine)
        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(auditing, Look(NOW, "k", "what", {}, number))
            await anyio.sleep(0.2)
            may_go_on.set()

    anyio.run(look_at_once)

    with transaction(engine) as connection:
        assert sorted(look.count or 0 for _, look in audit.listing(connection, None, 100)) == list(range(20))
    assert len(written) <= 3


def test_of_those_who_look_at_once_nobody_is_answered_for_whom_it_failed(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go_on = threading.Event()
    record = audit.record
    tries = count()
    answered: list[int | None] = []

    def failing_now_and_then(connection: Connection, looks: list[Look]) -> None:
        may_go_on.wait(5)
        if next(tries) < 3:
            raise Unavailable("the database did not answer")
        record(connection, looks)

    monkeypatch.setattr(audit, "record", failing_now_and_then)

    async def look_at(auditing: Auditing, number: int) -> None:
        with suppress(Unavailable):
            await auditing(Look(NOW, "k", "what", {}, number))
            answered.append(number)

    async def look_at_once() -> None:
        auditing = Auditing(engine)
        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(look_at, auditing, number)
            await anyio.sleep(0.2)
            may_go_on.set()

    anyio.run(look_at_once)

    with transaction(engine) as connection:
        assert {look.count for _, look in audit.listing(connection, None, 100)} == {*answered}
    assert len(answered) == 17

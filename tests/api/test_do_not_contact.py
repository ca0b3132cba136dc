"""What must never be addressed, whoever bears it: before every consent, wherever anybody asks."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from core.database import transaction
from core.directive import Kind
from core.keys import Scope
from profiles import intent, traits
from profiles.segments import everybody, facts, judging
from profiles.segments.conditions import Reachable
from profiles.segments.judging import Measure, Rules
from stitcher.rebuild import rebuild
from tests.api.client import asking
from tests.api.world import INDEX, NOW, RULES, World, index

A, B = "user_id:A", "user_id:B"
PHONE, OTHER, MAIL = "phone:+8613912345678", "phone:+8613912345679", "email:jane@example.com"
TEXTS = {"channel": "sms", "purpose": "marketing"}


def block(client: httpx.Client, *identifiers: str) -> list[dict[str, Any]]:
    answer = client.post("/v1/do-not-contact", json={"identifiers": list(identifiers), "reason": "asked by letter"})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


def texts(client: httpx.Client, person: str) -> list[str]:
    (way,) = [each for each in client.get(f"/v1/people/{person}/reach").json()["ways"] if each["channel"] == "sms"]
    return sorted(address["reason"] for address in way["addresses"])


def may(client: httpx.Client, channel: str, **whom: str) -> str:
    answer = client.post("/v1/decisions/can-send", json={"channel": channel, **whom})
    return str(answer.json()["reason"])


def test_no_consent_opens_what_stands_on_the_list(world: World, administrator: httpx.Client) -> None:
    world.happens(A, PHONE, type="consent.given", properties=TEXTS)
    world.happens(PHONE, minute=1, type="article.read", article={"id": "a"})
    (blocked,) = block(administrator, "phone:139 1234 5678")
    world.happens(A, PHONE, minute=2, type="consent.given", properties=TEXTS)
    person = world.person(A)

    assert blocked["id"] == index(PHONE)
    assert texts(administrator, person) == ["do_not_contact"]
    profile = administrator.get(f"/v1/people/{person}").json()
    assert (profile["reachable_via"], profile["levels"]["contactable"]["is"]) == ([], False)
    assert [each["reachable_via"] for each in administrator.get("/v1/articles/a/readers").json()["data"]] == [[]]
    assert may(administrator, "sms", person_id=person) == "do_not_contact"

    assert administrator.delete(f"/v1/do-not-contact/{blocked['id']}").status_code == 204
    assert texts(administrator, person) == ["consented"]
    assert may(administrator, "sms", person_id=person) == "consented"


def test_one_address_on_the_list_leaves_the_others_open(world: World, administrator: httpx.Client) -> None:
    world.happens(A, PHONE, MAIL, type="consent.given", properties={"channel": "sms"})
    world.happens(A, OTHER, MAIL, minute=1, type="consent.given", properties={"channel": "sms"})
    world.happens(A, minute=2, type="consent.given", properties={"channel": "mail"})
    block(administrator, PHONE)

    assert texts(administrator, world.person(A)) == ["consented", "do_not_contact"]
    assert may(administrator, "sms", person_id=world.person(A)) == "consented"
    assert may(administrator, "sms", identifier=PHONE) == "do_not_contact"
    assert may(administrator, "mail", identifier=PHONE) == "consented"


def test_what_nobody_bears_yet_is_blocked_before_anybody_does(world: World, administrator: httpx.Client) -> None:
    block(administrator, PHONE)
    assert may(administrator, "sms", identifier=PHONE) == "do_not_contact"

    world.happens(A, PHONE, type="consent.given", properties=TEXTS)

    assert texts(administrator, world.person(A)) == ["do_not_contact"]


def test_it_goes_with_the_identifier_through_a_merge_a_split_and_a_rebuild(
    engine: Engine, world: World, administrator: httpx.Client
) -> None:
    world.happens(A, PHONE, type="consent.given", properties=TEXTS)
    world.happens(B, OTHER, type="consent.given", properties=TEXTS)
    block(administrator, PHONE)

    def as_a_rebuild_gives() -> list[list[str]]:
        before = [texts(administrator, world.person(each)) for each in (A, B)]
        with transaction(engine) as connection:
            rebuild(connection, RULES, INDEX, NOW)
        assert [texts(administrator, world.person(each)) for each in (A, B)] == before
        return before

    world.decide(Kind.MUST_LINK, A, B)
    assert as_a_rebuild_gives() == [["consented", "do_not_contact"]] * 2
    world.decide(Kind.CANNOT_LINK, A, B, minute=1)
    assert as_a_rebuild_gives() == [["do_not_contact"], ["consented"]]


def test_segments_of_whom_can_be_reached_leave_him_out_however_they_are_asked(
    engine: Engine, world: World, administrator: httpx.Client
) -> None:
    for who, phone in ((A, PHONE), (B, OTHER)):
        world.happens(who, phone, type="consent.given", properties=TEXTS)
    block(administrator, PHONE)
    condition, by = Reachable(kind="reach", channel="sms"), Measure(Rules(intent.shipped(), traits.shipped()), NOW)

    with engine.connect() as connection:
        number = everybody.count(connection, condition, by)
        known = facts.of_people(connection, world.people(), facts.wanted([condition], by), NOW)
        due = connection.exec_driver_sql("SELECT person_id::text FROM recheck WHERE at = '-infinity'").scalars().all()

    holds = {person for person, of in known.items() if judging.judge(condition, of, by).holds}
    assert (number, holds) == (1, {world.person(B)})
    assert world.person(A) in due


def test_the_list_shows_no_more_of_an_identifier_than_tells_it_apart(world: World, administrator: httpx.Client) -> None:
    block(administrator, PHONE, MAIL)
    block(administrator, PHONE)

    first = administrator.get("/v1/do-not-contact", params={"limit": 1}).json()
    second = administrator.get("/v1/do-not-contact", params={"limit": 1, "cursor": first["page"]["next_cursor"]}).json()

    found = [*first["data"], *second["data"]]
    assert sorted(each["identifier"] for each in found) == ["email:j***@example.com", "phone:+86139****5678"]
    assert {(each["reason"], each["at"]) for each in found} == {("asked by letter", "2026-11-20T00:00:00Z")}
    assert second["page"]["has_more"] is False


@pytest.mark.parametrize(
    ("written", "code"),
    [("user_id:A", "not_an_address"), ("13912345678", "invalid_identifier"), ("phone:123", "unusable_identifier")],
)
def test_what_nobody_can_be_addressed_by_is_refused_and_not_repeated(
    written: str, code: str, administrator: httpx.Client
) -> None:
    answer = administrator.post("/v1/do-not-contact", json={"identifiers": [PHONE, written], "reason": "r"})

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.json()["errors"][0]["pointer"] == "/identifiers/1"
    assert written not in answer.text
    assert administrator.get("/v1/do-not-contact").json()["data"] == []


def test_what_does_not_stand_there_cannot_be_taken_off(administrator: httpx.Client) -> None:
    assert administrator.delete(f"/v1/do-not-contact/{index(PHONE)}").status_code == 404


def test_who_may_only_read_decides_nothing(app: FastAPI, world: World) -> None:
    with asking(app, world.key(Scope.PEOPLE_READ)) as client:
        assert client.post("/v1/do-not-contact", json={"identifiers": [PHONE], "reason": "r"}).status_code == 403
        assert client.get("/v1/do-not-contact").status_code == 403


def test_who_decides_about_people_puts_on_the_list_and_only_who_protects_them_takes_off(
    app: FastAPI, world: World
) -> None:
    with asking(app, world.key(Scope.PEOPLE_WRITE)) as sales, asking(app, world.key(Scope.PRIVACY_WRITE)) as officer:
        (blocked,) = block(sales, PHONE)
        assert sales.delete(f"/v1/do-not-contact/{blocked['id']}").status_code == 403
        assert [each["id"] for each in officer.get("/v1/do-not-contact").json()["data"]] == [blocked["id"]]
        assert officer.delete(f"/v1/do-not-contact/{blocked['id']}").status_code == 204
        block(officer, PHONE)

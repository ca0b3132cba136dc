"""Deciding about identities: by whom, why, what it would change, and what has become of it."""

from datetime import datetime
from functools import partial
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from api.app import create
from core import keys
from core.errors import Unavailable
from core.keys import Scope
from stitcher import deciding
from tests.api.client import asking
from tests.api.conftest import ADMIN
from tests.api.directives.asked import COOKIE, MAIL, PHONE, A, B, Json, decide, decided, everything, name, parts, told
from tests.api.world import INDEX, RULES, SENDER, World, index

# What is decided is done


@pytest.mark.usefixtures("stitching")
def test_two_who_are_said_to_be_one_are(world: World, steward: httpx.Client) -> None:
    world.happens(A)
    world.happens(B)

    made = decide(steward, "must_link", A, B)

    assert world.person(A) == world.person(B)
    assert made["identifiers"] == [{"id": index(A), "identifier": A}, {"id": index(B), "identifier": B}]
    assert (made["why"], made["in_force"], made["event"], made["source"]) == ("because", True, None, None)
    assert made["by"].startswith("key:")


@pytest.mark.usefixtures("stitching")
def test_two_who_are_said_never_to_be_one_are_not_however_often_they_meet(world: World, steward: httpx.Client) -> None:
    world.happens(PHONE, MAIL)

    decide(steward, "cannot_link", PHONE, MAIL)
    world.happens(PHONE, MAIL)

    assert world.person(PHONE) != world.person(MAIL)


@pytest.mark.usefixtures("stitching")
def test_who_is_blocked_joins_nobody(world: World, steward: httpx.Client) -> None:
    world.happens(A, PHONE)
    world.happens(MAIL, PHONE)

    decide(steward, "block", PHONE)

    assert len({world.person(A), world.person(MAIL), world.person(PHONE)}) == 3


@pytest.mark.usefixtures("stitching")
def test_what_is_taken_back_has_never_been(world: World, steward: httpx.Client) -> None:
    """An event; a link; all of a source; and a directive, by which they are all there again."""
    event = world.happens(A, PHONE)
    world.happens(A, MAIL)
    world.happens(A, COOKIE)
    whole = {world.person(each) for each in (A, PHONE, MAIL, COOKIE)}

    assert decide(steward, "retract", event=name(event))["event"] == name(event)
    decide(steward, "retract", A, MAIL)
    assert len({world.person(A), world.person(MAIL), world.person(COOKIE)}) == 2
    last = decide(steward, "retract", source="shop")
    assert (last["source"], steward.get(f"/v1/people/{next(iter(whole))}").status_code) == ("shop", 410)
    for made in steward.get("/v1/directives").json()["data"]:
        assert decide(steward, "retract", directive=made["id"])["directive"] == made["id"]

    assert {world.person(each) for each in (A, PHONE, MAIL, COOKIE)} == whole


def test_where_nobody_carries_it_out_it_is_accepted_and_can_be_asked_after(
    world: World, steward: httpx.Client, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(deciding, "WAIT_SECONDS_MAX", 0.1)
    world.happens(A)
    world.happens(B)

    answer = steward.post("/v1/directives", json={"kind": "must_link", "identifiers": [A, B], "why": "because"})

    assert (answer.status_code, answer.json()["carried_out_at"]) == (202, None)
    place = answer.headers["location"]
    assert place == f"/v1/directives/{answer.json()['id']}"
    assert steward.get(place).status_code == 404
    request.getfixturevalue("stitching")
    monkeypatch.undo()
    decide(steward, "block", COOKIE)  # comes after it in the log
    assert decided(steward.get(place)) == answer.json() | {
        "carried_out_at": steward.get(place).json()["carried_out_at"]
    }


@pytest.mark.usefixtures("stitching")
def test_the_same_sent_again_under_one_key_is_decided_once(world: World, steward: httpx.Client) -> None:
    event = world.happens(A, PHONE)
    wish = {"kind": "retract", "event": name(event), "why": "because"}
    key, other_key = {"Idempotency-Key": "the first"}, {"Idempotency-Key": "the second"}

    first = decided(steward.post("/v1/directives", json=wish, headers=key))
    back = {"kind": "retract", "directive": first["id"], "why": "because"}
    refused = steward.post("/v1/directives", json=back, headers=key)
    once, twice = (decided(steward.post("/v1/directives", json=back, headers=other_key)) for _ in range(2))
    again = steward.post("/v1/directives", json=wish, headers=key)

    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert once == twice
    assert (again.json(), again.headers["idempotent-replayed"]) == (first, "true")  # as it was answered then
    assert len(steward.get("/v1/directives").json()["data"]) == 2


def test_a_log_that_cannot_be_reached_is_said_to_be(engine: Engine, world: World) -> None:
    def fail(_: object) -> None:
        raise Unavailable("the log does not answer")

    with asking(
        create(
            engine,
            partial(keys.find, admin_secret=ADMIN),
            INDEX,
            RULES,
            {},
            publish=fail,
            tell=world.tell,
            sender=SENDER,
            signing_key=b"k" * 32,
        ),
        ADMIN,
    ) as client:
        answer = client.post("/v1/directives", json={"kind": "block", "identifiers": [A], "why": "because"})

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


# Before it is done


@pytest.mark.parametrize(
    "wish",
    [
        {"kind": "must_link", "identifiers": [A, B]},
        {"kind": "cannot_link", "identifiers": [PHONE, MAIL]},
        {"kind": "block", "identifiers": [PHONE]},
        {"kind": "retract", "identifiers": [A, PHONE]},
        {"kind": "retract", "event": {"source": "shop", "id": "e0"}},
        {"kind": "retract", "source": "shop"},
    ],
    ids=str,
)
def test_a_preview_changes_nothing(wish: Json, engine: Engine, world: World, steward: httpx.Client) -> None:
    world.happens(A, PHONE)
    world.happens(PHONE, MAIL)
    world.happens(B)
    steward.get("/v1/directives")
    before = everything(engine)

    shown = told(steward, "/v1/directives", **wish)

    assert everything(engine) == before
    assert shown["before"] != shown["after"]
    assert shown["changes"]
    assert shown["truncated"] is False


def test_a_preview_says_who_would_be_who_with_what(world: World, steward: httpx.Client) -> None:
    world.happens(A, PHONE)
    world.happens(PHONE, type="order.paid", order={"id": "o", "amount": 100, "currency": "CNY"})
    world.happens(A)

    shown = told(steward, "/v1/directives", kind="cannot_link", identifiers=[A, PHONE])

    assert parts(shown["before"]) == {(frozenset({A, PHONE}), 3, 1)}
    assert parts(shown["after"]) == {(frozenset({A}), 2, 0), (frozenset({PHONE}), 1, 1)}
    assert [each["type"] for each in shown["changes"]] == ["person.split"]


def test_identifiers_are_masked_for_those_who_may_not_see_who_it_is(
    world: World, clerk: httpx.Client, stitching: None
) -> None:
    world.happens(A, PHONE)
    world.happens(MAIL, PHONE)
    person = world.person(PHONE)
    asked: list[tuple[str, Json]] = [
        ("/v1/directives", {"kind": "cannot_link", "identifiers": [PHONE, MAIL]}),
        ("/v1/people/merge", {"identifiers": [PHONE, MAIL]}),
        (f"/v1/people/{person}/split", {"from": PHONE, "to": MAIL}),
    ]

    answers = [
        clerk.post(path, params={"preview": preview}, json={"why": "because", **body})
        for path, body in asked
        for preview in (True, False)
    ]
    answers += [clerk.get("/v1/directives"), clerk.get(f"/v1/directives/{answers[1].json()['id']}")]

    assert {answer.status_code for answer in answers} == {200}
    for answer in answers:
        assert "13912345678" not in answer.text
        assert "jane@" not in answer.text
        assert "+86139****5678" in answer.text


# What cannot be decided


def test_who_may_only_read_decides_nothing(world: World, sales: httpx.Client, anybody: httpx.Client) -> None:
    world.happens(A, PHONE)
    asked: list[tuple[str, Json]] = [
        ("/v1/directives", {"kind": "block", "identifiers": [A]}),
        ("/v1/people/merge", {"identifiers": [A, B]}),
        (f"/v1/people/{world.person(A)}/split", {}),
    ]
    for path, body in asked:
        for preview in (True, False):
            said = {"why": "because", **body}
            assert sales.post(path, params={"preview": preview}, json=said).status_code == 403
            assert anybody.post(path, params={"preview": preview}, json=said).status_code == 401


def test_who_may_not_read_sees_nothing_of_what_was_decided(app: FastAPI, world: World) -> None:
    with asking(app, world.key(Scope.PEOPLE_WRITE)) as client:
        assert client.get("/v1/directives").status_code == 403
        assert client.get(f"/v1/directives/{uuid4()}").status_code == 403


@pytest.mark.parametrize(
    ("path", "body", "status", "pointer"),
    [
        ("directives", {"kind": "forget", "identifiers": [A]}, 422, "/kind"),
        ("directives", {"kind": "block", "identifiers": [PHONE], "why": "  "}, 422, "/why"),
        ("directives", {"kind": "block", "identifiers": [PHONE], "13912345678x": 1}, 422, None),
        ("directives", {"kind": "block", "identifiers": ["13912345678"]}, 400, "/identifiers/0"),
        ("directives", {"kind": "must_link", "identifiers": [A, "phone:13912345678901234"]}, 400, "/identifiers/1"),
        (
            "directives",
            {"kind": "must_link", "identifiers": [A, "emial:13912345678@example.com"]},
            400,
            "/identifiers/1",
        ),
        ("directives", {"kind": "block", "identifiers": ["link_token:13912345678"]}, 400, "/identifiers/0"),
        ("directives", {"kind": "must_link", "identifiers": [PHONE]}, 400, ""),
        ("directives", {"kind": "must_link", "identifiers": [PHONE, "phone:139 1234 5678"]}, 400, ""),
        ("directives", {"kind": "retract"}, 400, ""),
        ("directives", {"kind": "retract", "identifiers": [PHONE, A], "source": "shop"}, 400, ""),
        ("directives", {"kind": "retract", "event": {"source": "", "id": "13912345678"}}, 422, "/event/source"),
        ("directives", {"kind": "retract", "directive": "13912345678"}, 422, "/directive"),
        ("people/merge", {"identifiers": [PHONE]}, 422, "/identifiers"),
        ("people/merge", {"identifiers": [A, "13912345678"]}, 400, "/identifiers/1"),
        ("people/{id}/split", {"from": PHONE}, 422, ""),
        ("people/{id}/split", {"from": A, "to": "13912345678"}, 400, "/to"),
    ],
)
def test_what_cannot_be_taken_is_pointed_at_and_not_repeated(
    path: str, body: Json, status: int, pointer: str | None, world: World, steward: httpx.Client
) -> None:
    world.happens(A, PHONE)

    answer = steward.post(f"/v1/{path.format(id=world.person(A))}", json={"why": "because", **body})

    assert answer.status_code == status, answer.text
    if pointer is not None:
        assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]
        assert "13912345678" not in answer.text


def test_what_nobody_has_heard_of_cannot_be_taken_back(world: World, steward: httpx.Client) -> None:
    world.happens(A)
    asked: list[tuple[str, Json]] = [
        ("/v1/directives", {"kind": "retract", "directive": str(uuid4())}),
        ("/v1/directives", {"kind": "retract", "event": {"source": "shop", "id": "never"}}),
        (f"/v1/people/{uuid4()}/split", {}),
        (f"/v1/people/{world.person(A)}/split", {"from": A, "to": B}),
    ]

    answers = [
        steward.post(path, params={"preview": preview}, json={"why": "because", **body})
        for path, body in asked
        for preview in (True, False)
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert steward.get(f"/v1/directives/{uuid4()}").status_code == 404


@pytest.mark.usefixtures("stitching")
def test_what_is_taken_back_already_is_not_taken_back_again(world: World, steward: httpx.Client) -> None:
    made = decide(steward, "block", PHONE)
    decide(steward, "retract", directive=made["id"])

    for preview in (True, False):
        wish = {"kind": "retract", "directive": made["id"], "why": "because"}
        answer = steward.post("/v1/directives", params={"preview": preview}, json=wish)
        assert (answer.status_code, answer.json()["code"]) == (409, "refused")
    assert steward.get(f"/v1/directives/{made['id']}").json()["in_force"] is False


# Who decided what, and why


@pytest.mark.usefixtures("stitching")
def test_what_was_decided_is_listed_page_by_page_the_latest_first(world: World, steward: httpx.Client) -> None:
    event = world.happens(A, PHONE)
    made = [decide(steward, "block", f"user_id:{name}") for name in "ABCD"]
    made.append(decide(steward, "retract", event=name(event)))
    made.append(decide(steward, "retract", directive=made[0]["id"]))
    made[0] |= {"in_force": False}

    found, page = [], "/v1/directives?limit=4"
    while page:
        answer = steward.get(page)
        found += answer.json()["data"]
        page = answer.links.get("next", {}).get("url", "")

    assert found == made[::-1]
    assert [datetime.fromisoformat(each["decided_at"]) for each in found] == sorted(
        (datetime.fromisoformat(each["decided_at"]) for each in found), reverse=True
    )
    for asked, expected in [
        ({"identifier_id": index("user_id:C")}, [made[2]]),
        ({"subject": made[0]["id"]}, [made[5]]),
        ({"subject": event.uid}, [made[4]]),
        ({"identifier_id": index(MAIL)}, []),
    ]:
        assert steward.get("/v1/directives", params=asked).json()["data"] == expected
    assert steward.get("/v1/directives?cursor=x").status_code == 400

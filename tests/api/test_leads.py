"""Leads: opened once for everybody, followed up by version, and about who the person is now."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from core.database import transaction
from core.directive import Kind
from core.errors import Refused
from core.identifier import IdentifierId, PersonId
from core.keys import Scope
from profiles import intent, leads
from profiles.lead import Lead
from profiles.scoring import Scoring
from stitcher.rebuild import rebuild
from tests.api.client import asking
from tests.api.world import INDEX, NOW, RULES, World

A, B = "wechat_openid@wx:a", "wechat_openid@wx:b"
MAIL = "email:ann@acme.com"
HOUR = timedelta(hours=1)


@pytest.fixture
def seller(app: FastAPI, world: World) -> Iterator[httpx.Client]:
    """A client who may see who people are, and decide about them."""
    with asking(app, world.key(Scope.PEOPLE_READ, Scope.PEOPLE_READ_PII, Scope.PEOPLE_WRITE)) as client:
        yield client


def opened(client: httpx.Client, expected: int = 201, **fields: Any) -> dict[str, Any]:
    answer = client.post("/v1/leads", json=fields)
    assert answer.status_code == expected, answer.text
    return dict(answer.json())


def changed(client: httpx.Client, lead: dict[str, Any], expected: int = 200, **fields: Any) -> dict[str, Any]:
    answer = client.patch(f"/v1/leads/{lead['id']}", json={"version": lead["version"], **fields})
    assert answer.status_code == expected, answer.text
    return dict(answer.json())


def listed(client: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    answer = client.get("/v1/leads", params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


def crossing(engine: Engine, world: World, written: str, after: timedelta = timedelta()) -> Lead | None:
    """Let the intent of somebody rise above its threshold, some time after now."""
    person = PersonId(IdentifierId(world.person(written)))
    with transaction(engine) as connection:
        judged = Scoring(intent.shipped(), NOW).of_person(connection, person)
        return leads.open_for(connection, person, judged, NOW + after)


def test_a_lead_is_opened_once_however_often_it_is_wished(engine: Engine, world: World, seller: httpx.Client) -> None:
    world.happens(A, type="form.submitted")

    lead = opened(seller, person_id=world.person(A), owner="Lin", note="call her")
    again = opened(seller, 200, person_id=world.person(A))

    assert (lead["status"], lead["owner"], lead["note"], lead["version"]) == ("assigned", "Lin", "call her", 1)
    assert again["id"] == lead["id"]
    assert crossing(engine, world, A) is None
    assert len(listed(seller)) == 1


def test_a_lead_says_how_likely_there_is_business_now_and_why(world: World, seller: httpx.Client) -> None:
    world.happens(A, type="form.submitted")
    opened(seller, person_id=world.person(A))

    (lead,) = listed(seller)

    assert lead["intent"] == seller.get(f"/v1/people/{world.person(A)}/intent").json()
    assert lead["intent"]["contributions"][0]["rule"] == "left_his_name"
    assert lead["company_intent"] is None


def test_a_lead_may_be_about_a_company(world: World, seller: httpx.Client) -> None:
    world.happens(MAIL, type="form.submitted")

    lead = opened(seller, company_id="acme.com")

    assert (lead["company_id"], lead["label"], lead["person_id"], lead["intent"]) == (
        "acme.com",
        "acme.com",
        None,
        None,
    )
    (company,) = seller.get("/v1/companies").json()["data"]
    assert lead["company_intent"] == company["intent"]
    opened(seller, 404, company_id="nobody.com")


def test_a_score_above_its_threshold_opens_a_lead(engine: Engine, world: World, seller: httpx.Client) -> None:
    world.happens(A, type="form.submitted")

    lead = crossing(engine, world, A)

    assert lead
    (shown,) = listed(seller, open=True)
    assert (shown["id"], shown["opened_by"], shown["status"]) == (lead.id, "intent", "new")
    assert shown["note"].startswith("intent 3")


def test_the_time_of_response_ends_when_somebody_is_in_touch_first(
    engine: Engine, world: World, seller: httpx.Client
) -> None:
    world.happens(A)
    crossing(engine, world, A, -2 * HOUR)
    (lead,) = listed(seller)

    assigned = changed(seller, lead, owner="Lin")
    contacted = changed(seller, assigned, status="contacted")
    won = changed(seller, contacted, status="won")

    assert (lead["status"], assigned["status"], assigned["response_seconds"]) == ("new", "assigned", None)
    assert contacted["response_seconds"] == won["response_seconds"] == 7_200.0
    assert (contacted["closed_at"], won["closed_at"] is not None) == (None, True)
    assert [(each["version"], each["fields"]) for each in won["history"]][:3] == [
        (4, {"status": "won"}),
        (3, {"status": "contacted"}),
        (2, {"owner": "Lin", "status": "assigned"}),
    ]
    assert {each["by"].partition(":")[0] for each in won["history"]} == {"key", "intent"}


def test_who_has_not_seen_the_present_version_changes_nothing(world: World, seller: httpx.Client) -> None:
    world.happens(A)
    lead = opened(seller, person_id=world.person(A))
    changed(seller, lead, owner="Lin")

    changed(seller, lead, 409, owner="Bo")

    assert listed(seller)[0]["owner"] == "Lin"


def test_what_is_closed_stays_closed_and_another_may_be_opened(world: World, seller: httpx.Client) -> None:
    world.happens(A)
    lost = changed(seller, opened(seller, person_id=world.person(A)), status="lost")

    changed(seller, lost, 409, status="contacted")
    noted = changed(seller, lost, note="moved away")
    another = opened(seller, person_id=world.person(A))

    assert (noted["status"], noted["response_seconds"]) == ("lost", None)
    assert {each["id"] for each in listed(seller)} == {lost["id"], another["id"]}
    assert [each["id"] for each in listed(seller, open=True)] == [another["id"]]
    assert [each["id"] for each in listed(seller, status="lost")] == [lost["id"]]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, 422),
        ({"status": None}, 422),
        ({"status": "assigned"}, 400),
        ({"status": "gone"}, 422),
        ({"owner": ""}, 422),
    ],
)
def test_what_no_lead_can_be_is_refused(
    fields: dict[str, Any], expected: int, world: World, seller: httpx.Client
) -> None:
    world.happens(A)

    changed(seller, opened(seller, person_id=world.person(A)), expected, **fields)


def test_leads_come_in_pages_and_by_owner(world: World, seller: httpx.Client) -> None:
    for number in range(5):
        world.happens(f"user_id:u{number}")
        opened(seller, person_id=world.person(f"user_id:u{number}"), owner="Lin" if number % 2 else "Bo")

    first = seller.get("/v1/leads", params={"limit": 3}).json()
    rest = seller.get("/v1/leads", params={"limit": 3, "cursor": first["page"]["next_cursor"]}).json()

    assert len({each["id"] for each in first["data"] + rest["data"]}) == 5
    assert len(listed(seller, owner="Lin")) == 2


def test_two_leads_of_one_person_are_shown_as_the_oldest_and_part_with_him(
    engine: Engine, world: World, seller: httpx.Client
) -> None:
    for who in (A, B):
        world.happens(who)
    older, younger = crossing(engine, world, B, -2 * HOUR), crossing(engine, world, A, -HOUR)
    assert older
    assert younger
    world.decide(Kind.MUST_LINK, A, B)

    (together,) = listed(seller)
    assert (together["id"], together["also"]) == (older.id, [younger.id])
    assert together["person_id"] == world.person(A) == world.person(B)
    hidden = seller.get(f"/v1/leads/{younger.id}").json()
    assert hidden["also"] == [older.id]
    changed(seller, hidden, 409, owner="Lin")

    world.decide(Kind.CANNOT_LINK, A, B, minute=1)
    assert {each["person_id"] for each in listed(seller)} == {world.person(A), world.person(B)}


def test_what_ends_the_lead_of_one_person_ends_all_that_it_stands_for(
    engine: Engine, world: World, seller: httpx.Client
) -> None:
    for hours, who in enumerate((A, B)):
        world.happens(who)
        crossing(engine, world, who, -hours * HOUR)
    world.decide(Kind.MUST_LINK, A, B)
    (together,) = listed(seller)

    changed(seller, together, status="won")

    assert listed(seller, open=True) == []
    assert [each["status"] for each in listed(seller)] == ["won", "won"]


def test_a_rebuild_and_a_retraction_leave_leads_alone(engine: Engine, world: World, seller: httpx.Client) -> None:
    event = world.happens(A, type="form.submitted")
    opened(seller, person_id=world.person(A))
    before = listed(seller)

    with transaction(engine) as connection:
        rebuild(connection, RULES, INDEX, NOW)
    assert listed(seller) == before

    world.decide(Kind.RETRACT, event=event)
    (left,) = listed(seller)
    assert (left["id"], left["intent"]["score"]) == (before[0]["id"], 0)


def test_notes_are_hidden_and_nothing_is_changed_without_the_right_to(
    world: World, seller: httpx.Client, marketer: httpx.Client
) -> None:
    world.happens(A)
    opened(seller, person_id=world.person(A), note="mother of two")

    (lead,) = listed(marketer)

    assert lead["note"] == "***"
    assert "mother" not in marketer.get(f"/v1/leads/{lead['id']}").text
    changed(marketer, lead, 403, owner="Lin")
    assert marketer.post("/v1/leads", json={"person_id": world.person(A)}).status_code == 403


def test_those_who_open_at_once_open_one(engine: Engine, world: World, seller: httpx.Client) -> None:
    world.happens(A, type="form.submitted")

    with ThreadPoolExecutor(4) as threads:
        opened_ = list(threads.map(lambda _: crossing(engine, world, A), range(8)))

    assert [lead is not None for lead in opened_].count(True) == 1
    assert len(listed(seller)) == 1


def test_of_those_who_change_the_same_version_at_once_one_does(engine: Engine, world: World) -> None:
    world.happens(A)
    lead = crossing(engine, world, A)
    assert lead

    def take(owner: str) -> bool:
        try:
            with transaction(engine) as connection:
                leads.change(connection, lead.id, 1, {"owner": owner}, "tests", NOW)
        except Refused:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(take, ["Lin", "Bo", "Wu", "Qi"]))

    assert done.count(True) == 1


def test_the_time_of_response_is_told_in_all_and_by_owner(engine: Engine, world: World, seller: httpx.Client) -> None:
    for hours in range(1, 5):
        world.happens(f"user_id:u{hours}")
        crossing(engine, world, f"user_id:u{hours}", -hours * HOUR)
    first, second, third, _ = listed(seller)
    for lead, owner in ((first, "Lin"), (second, "Lin"), (third, "Bo")):
        changed(seller, lead, owner=owner, status="contacted")

    told = seller.get("/v1/leads/responses").json()
    early = seller.get("/v1/leads/responses", params={"to": (NOW - 3 * HOUR).isoformat()}).json()

    assert told["total"] == {
        "owner": None,
        "opened": 4,
        "answered": 3,
        "waiting": 1,
        "rate": 0.75,
        "median_seconds": 7_200.0,
        "p90_seconds": 10_800.0,
    }
    assert [(each["owner"], each["opened"], each["median_seconds"]) for each in told["owners"]] == [
        ("Lin", 2, 3_600.0),
        ("Bo", 1, 10_800.0),
    ]
    assert (early["total"]["opened"], early["total"]["rate"], early["total"]["p90_seconds"]) == (1, 0.0, None)

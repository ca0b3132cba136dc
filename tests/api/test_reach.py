"""By what ways somebody may be reached, as it is asked for, and right after every change of who somebody is."""

from typing import Any

import httpx
from sqlalchemy import Engine

from core.database import transaction
from core.directive import Kind
from stitcher.rebuild import rebuild
from tests.api.world import INDEX, NOW, RULES, World

A, B = "user_id:A", "user_id:B"
PHONE, OTHER, MAIL = "phone:+8613912345678", "phone:+8613912345679", "email:jane@example.com"
TEXTS = {"channel": "sms", "purpose": "marketing"}


def ways(client: httpx.Client, person: str, **asked: Any) -> dict[str, tuple[bool, str]]:
    answer = client.get(f"/v1/people/{person}/reach", params=asked)
    assert answer.status_code == 200, answer.text
    return {way["channel"]: (way["reachable"], way["reason"]) for way in answer.json()["ways"]}


def test_each_way_says_why_it_is_open_or_not(world: World, marketer: httpx.Client, sales: httpx.Client) -> None:
    agreed = world.happens(A, PHONE, type="consent.given", properties={**TEXTS, "evidence": "form 7", "version": "3"})
    world.happens(A, MAIL)

    assert ways(marketer, world.person(A)) == {
        "mail": (False, "no_consent"),
        "official_account": (False, "no_address"),
        "sms": (True, "consented"),
    }
    assert ways(marketer, world.person(A), purpose="service")["sms"] == (False, "no_consent")
    (line,) = sales.get(f"/v1/people/{world.person(A)}/consent").json()["data"]
    assert (line["uid"], line["given"], line["evidence"], line["text_version"]) == (agreed.uid, True, "form 7", "3")
    assert line["named"] == [PHONE, A]


def test_who_may_not_see_who_it_is_sees_the_reason_only(world: World, marketer: httpx.Client) -> None:
    world.happens(A, PHONE, type="consent.given", properties=TEXTS)

    told = marketer.get(f"/v1/people/{world.person(A)}/reach").text

    assert "consented" in told
    assert "13912345678" not in told


def test_a_phone_that_wants_no_texts_gets_none_whoever_else_agrees(world: World, marketer: httpx.Client) -> None:
    world.happens(A, PHONE, type="consent.given", properties=TEXTS)
    world.happens(A, OTHER, minute=1, type="consent.given", properties=TEXTS)
    world.happens(PHONE, minute=2, type="sms.opted_out", channel="sms")

    answer = marketer.get(f"/v1/people/{world.person(A)}/reach").json()
    (texts,) = [way for way in answer["ways"] if way["channel"] == "sms"]

    assert sorted(address["reason"] for address in texts["addresses"]) == ["consented", "opted_out"]
    assert marketer.get(f"/v1/people/{world.person(A)}").json()["reachable_via"] == ["sms"]


def test_a_merge_a_split_and_a_retraction_leave_what_a_rebuild_gives(
    engine: Engine, world: World, marketer: httpx.Client
) -> None:
    world.happens(A, PHONE, type="consent.given", properties=TEXTS)
    world.happens(B)
    refusal = world.happens(B, minute=1, type="consent.withdrawn", properties=TEXTS)

    def as_a_rebuild_gives() -> tuple[bool, str]:
        before = ways(marketer, world.person(A))
        with transaction(engine) as connection:
            rebuild(connection, RULES, INDEX, NOW)
        assert ways(marketer, world.person(A)) == before
        return before["sms"]

    assert as_a_rebuild_gives() == (True, "consented")
    world.decide(Kind.MUST_LINK, A, B)
    assert as_a_rebuild_gives() == (False, "opted_out")
    world.decide(Kind.CANNOT_LINK, A, B, minute=1)
    assert as_a_rebuild_gives() == (True, "consented")
    world.decide(Kind.MUST_LINK, A, B, minute=2)
    world.decide(Kind.RETRACT, event=refusal, minute=3)
    assert as_a_rebuild_gives() == (True, "consented")


def can_send(client: httpx.Client, **sending: Any) -> dict[str, Any]:
    answer = client.post("/v1/decisions/can-send", json={"channel": "sms", **sending})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_one_question_says_whether_to_send_and_when_next(world: World, marketer: httpx.Client) -> None:
    """Now is eight in the morning of Shanghai, and texts that advertise go once a day."""
    world.happens(A, PHONE, type="consent.given", properties=TEXTS)
    assert can_send(marketer, identifier=PHONE)["allowed"]
    assert can_send(marketer, person_id=world.person(A))["allowed"]

    recipient = {"namespace": "phone", "value": PHONE.removeprefix("phone:"), "role": "recipient"}
    for kind in ("sms.sent", "sms.delivered"):
        world.happens(recipient, minute=960, type=kind, channel="sms", properties={"message_id": "m1"})

    told = can_send(marketer, identifier=PHONE)
    assert (told["allowed"], told["reason"]) == (False, "cap_reached")
    assert told["cap"] == {"most": 1, "days": 1.0, "sent": 1}
    assert told["next_allowed_at"] == "2026-11-21T00:00:00Z"  # a day on it is midnight in Shanghai
    assert can_send(marketer, identifier=PHONE, purpose="service")["reason"] == "no_consent"


def test_whom_nobody_knows_is_not_written_to(world: World, marketer: httpx.Client) -> None:
    world.happens(A)

    assert can_send(marketer, identifier=PHONE)["reason"] == "no_address"
    assert can_send(marketer, identifier=A)["reason"] == "no_address"
    assert marketer.post("/v1/decisions/can-send", json={"identifier": A, "channel": "h5"}).status_code == 404
    assert marketer.post("/v1/decisions/can-send", json={"channel": "sms"}).status_code == 422


def test_a_decision_needs_a_key_that_may_read_of_people(anybody: httpx.Client) -> None:
    assert anybody.post("/v1/decisions/can-send", json={"identifier": A, "channel": "sms"}).status_code == 401

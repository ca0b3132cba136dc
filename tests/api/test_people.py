"""Asking who somebody is, and what is known of him."""

from typing import Any

import httpx
import pytest

from core.directive import Kind
from tests.api.world import World, index

A, B = "user_id:A", "user_id:B"
PHONE, MAIL, COOKIE = "phone:+8613912345678", "email:jane@example.com", "anonymous_id@h5:c-1"
OPENID = "wechat_openid@wx1:oXYabcdefg"


def profile(client: httpx.Client, person: str) -> dict[str, Any]:
    answer = client.get(f"/v1/people/{person}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_each_identifier_leads_to_its_person_in_the_order_asked(world: World, marketer: httpx.Client) -> None:
    world.happens(A, PHONE)
    world.happens(B)

    answer = marketer.post(
        "/v1/people/lookup", json={"identifiers": [B, "phone:139 1234 5678", "user_id:nobody-yet", "phone:null"]}
    )

    assert answer.json() == {
        "data": [
            {"identifier": B, "person_id": world.person(B)},
            {"identifier": "phone:139 1234 5678", "person_id": world.person(A)},
            {"identifier": "user_id:nobody-yet", "person_id": None},
            {"identifier": "phone:null", "person_id": None},
        ]
    }


def test_a_contested_identifier_leads_to_nobody_and_says_who_contests_it(world: World, marketer: httpx.Client) -> None:
    world.happens(A, COOKIE)
    world.happens(B, COOKIE)

    answer = marketer.post("/v1/people/lookup", json={"identifiers": [COOKIE]})

    owners = sorted([world.person(A), world.person(B)])
    assert answer.json()["data"] == [{"identifier": COOKIE, "person_id": None, "contested_by": owners}]


def test_a_presumed_identifier_is_his_and_shown_as_presumed(world: World, marketer: httpx.Client) -> None:
    world.happens(A, PHONE)
    world.opens(COOKIE, PHONE)

    answer = marketer.post("/v1/people/lookup", json={"identifiers": [COOKIE]})
    told = profile(marketer, world.person(A))

    assert answer.json()["data"] == [{"identifier": COOKIE, "person_id": world.person(A)}]
    assert told["contested"] is False
    assert {each["id"]: each["standing"] for each in told["identifiers"]} == {
        index(A): "owned",
        index(PHONE): "owned",
        index(COOKIE): "presumed",
    }


def test_a_blocked_identifier_is_nobodys(world: World, marketer: httpx.Client) -> None:
    world.happens(A, PHONE)
    world.decide(Kind.BLOCK, PHONE)

    answer = marketer.post("/v1/people/lookup", json={"identifiers": [PHONE]})
    told = profile(marketer, world.person(PHONE))

    assert answer.json()["data"] == [{"identifier": PHONE, "person_id": None, "contested_by": [world.person(A)]}]
    assert (told["contested"], [each["standing"] for each in told["identifiers"]]) == (True, ["blocked"])


@pytest.mark.parametrize("page", ["", "/timeline", "/identity"])
def test_a_person_of_whom_all_was_taken_back_is_gone(page: str, world: World, marketer: httpx.Client) -> None:
    event = world.happens(A)
    person = world.person(A)

    world.decide(Kind.RETRACT, event=event)

    answer = marketer.get(f"/v1/people/{person}{page}")
    assert (answer.status_code, answer.json()["code"]) == (410, "gone")
    asked = marketer.post("/v1/people/lookup", json={"identifiers": [A]})
    assert asked.json()["data"] == [{"identifier": A, "person_id": None}]


def test_what_is_not_written_like_an_identifier_is_pointed_at_and_not_repeated(marketer: httpx.Client) -> None:
    answer = marketer.post("/v1/people/lookup", json={"identifiers": [A, "13912345678"]})

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/identifiers/1"
    assert "13912345678" not in answer.text


def test_a_look_up_may_be_of_a_time(world: World, marketer: httpx.Client) -> None:
    world.happens(A, PHONE)
    asked = {"identifiers": [PHONE]}

    then = marketer.post("/v1/people/lookup", json={**asked, "as_of": "2026-11-19T08:00:00+08:00"})
    unclear = marketer.post("/v1/people/lookup", json={**asked, "as_of": "2026-11-19T08:00:00"})

    assert then.json() == marketer.post("/v1/people/lookup", json=asked).json()
    assert (unclear.status_code, unclear.json()["errors"][0]["pointer"]) == (422, "/as_of")


@pytest.mark.parametrize("identifiers", [[], [A] * 501])
def test_a_look_up_is_of_one_to_five_hundred_identifiers(identifiers: list[str], marketer: httpx.Client) -> None:
    assert marketer.post("/v1/people/lookup", json={"identifiers": identifiers}).status_code == 422


def test_a_profile_adds_up_what_happened_under_all_identifiers(world: World, sales: httpx.Client) -> None:
    world.happens(COOKIE, minute=1)
    world.happens(A, COOKIE, PHONE, minute=2, type="identify", properties={"name": "王小明", "city": "杭州"})
    world.happens(PHONE, minute=3, type="order.paid", order={"id": "o1", "amount": 12900}, company={"name": "Acme"})
    world.happens(A, minute=4, type="order.refunded", order={"id": "o1", "amount": 900})

    shown = profile(sales, world.person(A))

    assert shown["label"] == "王小明"
    assert shown["traits"] == {"name": "王小明", "city": "杭州"}
    assert shown["company"] == "Acme"
    assert shown["orders"] == {"paid": 1, "refunded": 1, "amounts": {"CNY": 12000}}
    assert shown["counts"] == {
        "events": 4,
        "channels": {"web": 4},
        "types": {"identify": 1, "order.paid": 1, "order.refunded": 1, "page.viewed": 1},
    }
    assert (shown["first_seen"], shown["last_seen"]) == ("2026-11-19T00:01:00Z", "2026-11-19T00:04:00Z")
    assert shown["intent"] == 2


def test_who_brought_somebody_is_whose_link_he_first_read_by(world: World, marketer: httpx.Client) -> None:
    world.happens(A, type="article.shared", article={"id": "a"}, share={"token": "s-A"})
    world.happens(B, minute=1, type="article.read", article={"id": "a"}, share={"token": "s-A"})

    shown = profile(marketer, world.person(B))

    assert shown["entered_via"] == {
        "type": "article.read",
        "channel": "web",
        "article_id": "a",
        "brought_by": world.person(A),
        "generation": 2,
        "path": [
            {"person_id": world.person(A), "label": "user_id:***", "generation": 1},
            {"person_id": world.person(B), "label": "user_id:***", "generation": 2},
        ],
    }


def test_nobody_can_be_reached_without_both_an_address_and_consent(world: World, marketer: httpx.Client) -> None:
    world.happens(A, PHONE, MAIL, OPENID)
    assert profile(marketer, world.person(A))["reachable_via"] == []

    for channel in ("sms", "mail", "official_account", "wecom"):
        world.happens(A, minute=1, type="consent.given", properties={"channel": channel})
    assert profile(marketer, world.person(A))["reachable_via"] == ["mail", "sms"]

    world.happens(OPENID, minute=2, type="official_account.followed", channel="official_account")
    world.happens(MAIL, minute=3, type="mail.unsubscribed", channel="mail")
    assert profile(marketer, world.person(A))["reachable_via"] == ["official_account", "sms"]


def test_without_the_scope_for_it_nobody_sees_who_it_is(
    world: World, marketer: httpx.Client, sales: httpx.Client
) -> None:
    world.happens(
        A,
        PHONE,
        MAIL,
        type="identify",
        properties={"name": "王小明", "note": "13912345678"},
        context={"ip": "203.0.113.7"},
    )
    person = world.person(A)
    pages = [f"/v1/people/{person}{part}" for part in ("", "/timeline", "/identity")]
    secrets = ["王小明", "13912345678", "jane", "203.0.113.7"]

    masked = "".join(marketer.get(page).text for page in pages)
    clear = "".join(sales.get(page).text for page in pages)

    assert not [secret for secret in secrets if secret in masked]
    assert not [secret for secret in secrets if secret not in clear]


def test_the_id_of_a_merged_person_leads_to_the_survivor(world: World, marketer: httpx.Client) -> None:
    world.happens(A, minute=1)
    world.happens(PHONE, minute=2)
    former = world.person(PHONE)
    world.happens(A, PHONE, minute=3)

    for part in ("", "/timeline?limit=1&type=page.viewed", "/identity"):
        answer = marketer.get(f"/v1/people/{former}{part}")

        assert answer.status_code == 308
        assert answer.headers["location"] == f"/v1/people/{world.person(A)}{part}"
        assert marketer.get(answer.headers["location"]).status_code == 200


def test_an_id_that_was_never_published_is_not_found(marketer: httpx.Client) -> None:
    assert marketer.get(f"/v1/people/{index('user_id:nobody')}").status_code == 404


def test_a_profile_that_has_not_changed_is_not_sent_again(world: World, marketer: httpx.Client) -> None:
    world.happens(A)
    page = f"/v1/people/{world.person(A)}"
    tag = marketer.get(page).headers["etag"]

    again = marketer.get(page, headers={"If-None-Match": f'"other", {tag}'})
    world.happens(A, minute=1)
    changed = marketer.get(page, headers={"If-None-Match": tag})

    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


def test_the_tag_of_a_masked_profile_is_no_tag_of_a_clear_one(
    world: World, marketer: httpx.Client, sales: httpx.Client
) -> None:
    world.happens(A)
    page = f"/v1/people/{world.person(A)}"

    answer = sales.get(page, headers={"If-None-Match": marketer.get(page).headers["etag"]})

    assert answer.status_code == 200


def test_a_device_of_nobody_has_a_page_that_says_so(world: World, marketer: httpx.Client) -> None:
    world.happens(A, COOKIE)
    world.happens(B, COOKIE)

    shown = profile(marketer, world.person(COOKIE))

    assert (shown["contested"], shown["is_anonymous"]) == (True, True)
    assert not profile(marketer, world.person(A))["contested"]

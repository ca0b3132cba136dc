"""Why these identifiers are one person."""

from typing import Any

import httpx

from core.event import Trust
from tests.api.world import World, index

A, B = "user_id:A", "user_id:B"
PHONE, MAIL, COOKIE = "phone:+8613912345678", "email:jane@example.com", "anonymous_id@h5:c-1"
OPENID = "wechat_openid@wx1:oXYabcdefg"


def identity(client: httpx.Client, person: str) -> dict[str, Any]:
    answer = client.get(f"/v1/people/{person}/identity")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def why(client: httpx.Client, world: World, one: str, other: str) -> dict[str, Any]:
    answer = client.post(f"/v1/people/{world.person(one)}/identity/why", json={"from": one, "to": other})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def path(told: dict[str, Any]) -> list[str]:
    return [told["path"][0]["from"]["id"], *(step["to"]["id"] for step in told["path"])]


def test_every_link_says_how_well_founded_it_is(world: World, marketer: httpx.Client) -> None:
    world.happens(A, PHONE, minute=1, strength="declared")
    world.happens(A, PHONE, minute=2)
    world.happens(A, COOKIE, minute=3, trust=Trust.BROWSER)

    links = {frozenset((link["one"], link["other"])): link for link in identity(marketer, world.person(A))["links"]}

    by_phone = links[frozenset((index(A), index(PHONE)))]
    by_cookie = links[frozenset((index(A), index(COOKIE)))]
    assert (by_phone["strength"], by_phone["count"], by_phone["vouched"], by_phone["used"]) == ("proven", 2, True, True)
    assert (by_phone["first_at"], by_phone["last_at"]) == ("2026-11-19T00:01:00Z", "2026-11-19T00:02:00Z")
    assert (by_cookie["strength"], by_cookie["vouched"]) == ("observed", False)


def test_a_refused_link_says_why_and_who_is_on_the_other_side(world: World, marketer: httpx.Client) -> None:
    world.happens(A, MAIL, minute=1)
    world.happens(B, MAIL, minute=2)
    world.happens(A, COOKIE, minute=3)
    world.happens(B, COOKIE, minute=4)

    told = identity(marketer, world.person(A))

    neighbours = {each["id"]: (each["standing"], each["person_id"]) for each in told["neighbours"]}
    assert neighbours == {index(MAIL): ("owned", world.person(B)), index(COOKIE): ("contested", None)}
    assert sorted(link["refused"] for link in told["links"] if not link["used"]) == ["contested", "unique"]


def test_a_cookie_that_joins_two_halves_is_shown_as_the_bridge(world: World, marketer: httpx.Client) -> None:
    """Case C4 of the identity rules."""
    world.happens(COOKIE, OPENID, minute=1)
    world.happens(COOKIE, PHONE, minute=2)

    told = identity(marketer, world.person(PHONE))

    parts = sorted([[index(OPENID)], [index(PHONE)]])
    assert told["bridges"] == [{"identifier_ids": [index(COOKIE)], "parts": parts}]
    assert told["weakest"]["link"]["strength"] == "observed"


def test_the_weakest_point_is_the_least_founded_link_that_nothing_replaces(
    world: World, marketer: httpx.Client
) -> None:
    world.happens(A, PHONE)
    world.happens(A, MAIL, strength="declared")

    weakest = identity(marketer, world.person(A))["weakest"]

    assert {weakest["link"]["one"], weakest["link"]["other"]} == {index(A), index(MAIL)}
    assert sorted(map(len, weakest["parts"])) == [1, 2]


def test_the_reason_is_the_strongest_path_with_the_events_that_say_so(world: World, marketer: httpx.Client) -> None:
    world.happens(MAIL, OPENID, strength="declared")
    first = world.happens(A, MAIL)
    second = world.happens(A, OPENID)
    again = world.happens(A, OPENID, minute=1)

    told = why(marketer, world, MAIL, OPENID)

    assert path(told) == [index(MAIL), index(A), index(OPENID)]
    assert told["strength"] == "proven"
    assert [[event["id"] for event in step["events"]] for step in told["path"]] == [[first.id], [again.id, second.id]]
    assert told["path"][0]["sources"] == ["shop"]


def test_of_equally_strong_paths_a_shortest_is_told(world: World, marketer: httpx.Client) -> None:
    world.happens(A, MAIL)
    world.happens(A, PHONE)
    world.happens(MAIL, PHONE)

    assert path(why(marketer, world, MAIL, PHONE)) == [index(MAIL), index(PHONE)]


def test_in_a_url_identifiers_are_named_by_their_ids(world: World, marketer: httpx.Client) -> None:
    world.happens(A, PHONE)
    person = world.person(A)

    answer = marketer.get(f"/v1/people/{person}/identity/why", params={"from": index(PHONE), "to": index(A)})
    written = marketer.get(f"/v1/people/{person}/identity/why", params={"from": PHONE, "to": A})

    assert path(answer.json()) == [index(PHONE), index(A)]
    assert written.status_code == 422
    assert "13912345678" not in written.text


def test_of_what_is_not_his_there_is_no_why(world: World, marketer: httpx.Client) -> None:
    world.happens(A)
    world.happens(B)
    page = f"/v1/people/{world.person(A)}/identity/why"

    assert marketer.post(page, json={"from": A, "to": B}).status_code == 404
    assert marketer.get(page, params={"from": index(A), "to": index(B)}).status_code == 404


def test_an_identifier_is_itself_without_any_link(world: World, marketer: httpx.Client) -> None:
    world.happens(A)

    told = why(marketer, world, A, A)

    assert (told["path"], told["strength"]) == ([], None)

"""Merging and splitting people by what is decided: previewed, carried out, and where there is nothing to split."""

import httpx
import pytest

from tests.api.directives.asked import COOKIE, MAIL, OPENID, PHONE, A, B, decided, parts, told
from tests.api.world import World, index


@pytest.mark.usefixtures("stitching")
def test_people_are_merged_by_two_of_their_identifiers(world: World, steward: httpx.Client) -> None:
    world.happens(A)
    world.happens(MAIL)
    body = {"identifiers": [A, MAIL], "why": "she told us"}

    shown = told(steward, "/v1/people/merge", **body)
    made = decided(steward.post("/v1/people/merge", json=body))

    assert parts(shown["after"]) == {(frozenset({A, MAIL}), 2, 0)}
    assert (made["kind"], made["why"]) == ("must_link", "she told us")
    assert world.person(A) == world.person(MAIL)


@pytest.mark.usefixtures("stitching")
def test_a_person_is_split_between_two_of_his_identifiers(world: World, steward: httpx.Client) -> None:
    """The links that hold the two together are shown: the weaker way round, not the stronger one."""
    world.happens(A, PHONE)
    world.happens(PHONE, MAIL, strength="declared")
    world.happens(A, COOKIE)
    world.happens(COOKIE, MAIL)
    page, ends = f"/v1/people/{world.person(A)}/split", {"from": A, "to": MAIL}

    shown = told(steward, page, **ends)
    made = decided(steward.post(page, json={"why": "two people", **ends}))

    assert (shown["from"]["identifier"], shown["to"]["identifier"]) == (A, MAIL)
    assert {frozenset((link["one"], link["other"])) for link in shown["cut"]} in (
        {frozenset((index(PHONE), index(MAIL))), frozenset((index(COOKIE), index(end)))} for end in (A, MAIL)
    )
    assert made["kind"] == "cannot_link"
    assert world.person(A) == world.person(PHONE) != world.person(MAIL)
    assert parts(shown["after"]) == {
        (frozenset({A, PHONE}), 3, 0),
        (frozenset({MAIL}), 1, 0),
        (frozenset({COOKIE}), 0, 0),
    }


@pytest.mark.usefixtures("stitching")
def test_a_person_is_split_at_his_weakest_point_where_nothing_else_is_said(world: World, steward: httpx.Client) -> None:
    world.happens(COOKIE, OPENID, minute=1)
    world.happens(COOKIE, PHONE, minute=2)
    page = f"/v1/people/{world.person(PHONE)}/split"

    shown = told(steward, page)
    decided(steward.post(page, json={"why": "a shared tablet"}))

    assert {shown["from"]["identifier"], shown["to"]["identifier"]} == {OPENID, PHONE}
    assert [link["strength"] for link in shown["cut"]] == ["observed"]
    assert world.person(OPENID) != world.person(PHONE)


def test_who_has_no_weakest_point_is_split_only_between_two_that_are_named(world: World, steward: httpx.Client) -> None:
    world.happens(A, COOKIE)

    answer = steward.post(f"/v1/people/{world.person(A)}/split?preview=true", json={"why": "because"})

    assert (answer.status_code, answer.json()["code"]) == (409, "refused")


def test_the_id_of_a_merged_person_leads_to_the_split_of_the_survivor(world: World, steward: httpx.Client) -> None:
    world.happens(A, minute=1)
    world.happens(MAIL, minute=2)
    old = world.person(MAIL)
    world.happens(A, MAIL, minute=3)
    body = {"from": A, "to": MAIL, "why": "because"}

    answer = steward.post(f"/v1/people/{old}/split?preview=true", json=body)

    assert answer.status_code == 308
    assert answer.headers["location"] == f"/v1/people/{world.person(A)}/split?preview=true"


def test_for_a_merge_the_preview_is_what_happens(world: World, steward: httpx.Client, stitching: None) -> None:
    """Two who both have a `user_id` are one where somebody says so, though no event could have made them one."""
    world.happens(A, PHONE)
    world.happens(B, MAIL)
    body = {"identifiers": [A, B], "why": "because"}

    shown = told(steward, "/v1/people/merge", **body)
    decided(steward.post("/v1/people/merge", json=body))

    [after] = shown["after"]
    present = steward.get(f"/v1/people/{world.person(A)}").json()
    assert (after["person_id"], after["events"]) == (present["person_id"], present["counts"]["events"])
    assert after["identifiers"] == present["identifiers"]

"""Which tags there are, and of how many people."""

import httpx

from core.event import Trust
from tests.api.world import World

A, B = "user_id:A", "user_id:B"


def test_tags_are_counted_by_kind_over_people(world: World, marketer: httpx.Client) -> None:
    world.happens(A, type="person.tagged", properties={"tag": "vip"})
    world.happens(A, minute=1, type="person.tagged", properties={"tag": "vip"})
    world.happens(B, type="person.tagged", properties={"tag": "vip"})
    world.happens(B, type="person.tagged", trust=Trust.IMPORT, properties={"tag": "old"})
    world.happens("user_id:C", type="person.tagged", properties={"tag": "vip"}, context={"bot": True})

    answer = marketer.get("/v1/tags")

    assert answer.json()["data"] == [
        {"kind": "imported", "name": "old", "people": 1},
        {"kind": "stated", "name": "vip", "people": 2},
    ]
    assert [each["name"] for each in marketer.get("/v1/tags", params={"kind": "imported"}).json()["data"]] == ["old"]


def test_tags_come_in_pages(world: World, marketer: httpx.Client) -> None:
    for number in range(5):
        world.happens(A, type="person.tagged", properties={"tag": f"t{number}"})

    found, cursor = [], None
    while True:
        page = marketer.get("/v1/tags", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        found += [each["name"] for each in page["data"]]
        cursor = page["page"]["next_cursor"]
        if cursor is None:
            break

    assert found == [f"t{number}" for number in range(5)]


def test_a_tag_is_put_on_somebody_and_taken_away_again(world: World, administrator: httpx.Client) -> None:
    world.happens(A, B)
    person = world.person(A)
    wanted = {"tag": "试用/A", "kind": "model", "score": 0.8, "expires_at": "2026-12-01T00:00:00+08:00"}

    told = administrator.post(f"/v1/people/{person}/tags", json=wanted)

    assert told.status_code == 202
    (tag,) = administrator.get(f"/v1/people/{person}").json()["tags"]
    assert (tag["name"], tag["kind"], tag["score"], tag["source"]) == ("试用/A", "model", 0.8, "admin")
    assert (tag["expires_at"], tag["event"]) == ("2026-12-01T00:00:00+08:00", told.json()["event"])

    kept = administrator.delete(f"/v1/people/{person}/tags/试用%2FA")
    gone = administrator.delete(f"/v1/people/{person}/tags/试用%2FA", params={"kind": "model"})

    assert (kept.status_code, gone.status_code) == (202, 202)
    assert administrator.get(f"/v1/people/{person}").json()["tags"] == []


def test_what_is_sent_twice_with_one_key_is_one_event(world: World, administrator: httpx.Client) -> None:
    world.happens(A)
    page, sent_with = f"/v1/people/{world.person(A)}/tags", {"Idempotency-Key": "k"}

    first = administrator.post(page, json={"tag": "vip"}, headers=sent_with)
    other = administrator.post(page, json={"tag": "old"}, headers=sent_with)

    assert administrator.post(page, json={"tag": "vip"}, headers=sent_with).json() == first.json()
    assert first.json() != other.json()
    assert administrator.post(page, json={"tag": "vip"}, headers={"Idempotency-Key": "l"}).json() != first.json()


def test_nobody_in_particular_bears_no_tag(world: World, administrator: httpx.Client) -> None:
    world.happens(A, "anonymous_id@h5:c")
    world.happens(B, "anonymous_id@h5:c")
    device = world.person("anonymous_id@h5:c")

    assert administrator.post(f"/v1/people/{device}/tags", json={"tag": "vip"}).status_code == 409


def test_what_is_by_rule_is_not_said_and_who_may_only_read_says_nothing(
    world: World, administrator: httpx.Client, marketer: httpx.Client
) -> None:
    world.happens(A)
    page = f"/v1/people/{world.person(A)}/tags"

    assert administrator.post(page, json={"tag": "vip", "kind": "rule"}).status_code == 422
    assert administrator.post(page, json={"tag": ""}).status_code == 422
    assert marketer.post(page, json={"tag": "vip"}).status_code == 403

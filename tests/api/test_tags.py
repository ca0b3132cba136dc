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

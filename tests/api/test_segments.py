"""Segments, layers and stages by HTTP: defined, tried, explained, and listed."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from core.keys import Scope
from profiles import intent, traits
from profiles.segments.judging import Rules
from profiles.segments.watching import Watch
from tests.api.client import asking
from tests.api.world import NOW, World

A, B = "user_id:A", "user_id:B"
DAY = 24 * 60.0
READERS = {"kind": "read", "at_least": 2, "within_days": 14}
BANDS = [
    {"name": "buyer", "when": {"kind": "ordered"}, "labels": {"zh": "买家"}},
    {"name": "reader", "when": {"kind": "read"}},
]


@pytest.fixture
def strategist(app: FastAPI, world: World) -> Iterator[httpx.Client]:
    """A client who may define segments."""
    with asking(app, world.key(Scope.PEOPLE_READ, Scope.SEGMENTS_WRITE)) as client:
        yield client


def look(world: World) -> None:
    Watch(world.engine, Rules(intent.shipped(), traits.shipped()), clock=lambda: NOW).drain()


def reads(world: World, who: str, *articles: str) -> None:
    for article in articles:
        world.happens(who, type="article.read", channel="h5", minute=DAY, article={"id": article})


def defined(client: httpx.Client, name: str, when: Any) -> dict[str, Any]:
    answer = client.post("/v1/segments", json={"name": name, "when": when})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_a_segment_is_defined_filled_listed_changed_and_removed(world: World, strategist: httpx.Client) -> None:
    reads(world, A, "a1", "a2")
    reads(world, B, "a1")
    new = defined(strategist, "readers", READERS)
    assert (new["when"], new["version"], new["people"], new["as_of"]) == (READERS, 1, 0, None)

    look(world)
    (listed,) = strategist.get("/v1/segments").json()
    assert (listed["people"], listed["as_of"] is not None) == (1, True)
    (member,) = strategist.get("/v1/segments/readers/people").json()["data"]
    assert (member["person_id"], member["band"]) == (world.person(A), "members")
    changed = strategist.put("/v1/segments/readers", json={"when": {"kind": "read"}, "version": 1})
    assert (changed.json()["version"], changed.json()["as_of"]) == (2, None)
    look(world)
    assert strategist.get("/v1/segments/readers").json()["people"] == 2
    assert strategist.delete("/v1/segments/readers").status_code == 204

    assert strategist.get("/v1/segments/readers").status_code == 404
    assert strategist.get("/v1/segments").json() == []


def test_members_are_paged_can_be_had_as_a_table_and_bear_a_tag(world: World, strategist: httpx.Client) -> None:
    for number in range(5):
        reads(world, f"user_id:u{number}", "a1", "a2")
    defined(strategist, "readers", READERS)
    look(world)

    first = strategist.get("/v1/segments/readers/people?limit=3").json()
    bearer = strategist.get(f"/v1/people/{first['data'][0]['person_id']}").json()
    borne = strategist.get("/v1/tags").json()["data"]
    cursor = first["page"]["next_cursor"]
    second = strategist.get(f"/v1/segments/readers/people?limit=3&cursor={cursor}").json()
    sheet = strategist.get("/v1/segments/readers/people", headers={"Accept": "text/csv"})

    assert [(tag["name"], tag["kind"], tag["event"]) for tag in bearer["tags"]] == [("readers", "rule", None)]
    assert borne == [{"kind": "rule", "name": "readers", "people": 5}]
    people = [each["person_id"] for each in (*first["data"], *second["data"])]
    assert (len(people), people, second["page"]["has_more"]) == (5, sorted(people), False)
    assert sheet.text.splitlines()[0] == "\ufeffperson_id,label,company,follower,reachable_via,band,since"
    assert len(sheet.text.splitlines()) == 6


def test_a_condition_is_tried_before_it_is_saved(world: World, strategist: httpx.Client) -> None:
    reads(world, A, "a1", "a2")
    reads(world, B, "a1")

    told = strategist.post("/v1/segments/preview", json={"when": READERS}).json()

    assert (told["people"], told["of_people"], told["some"]) == (1, 2, [world.person(A)])
    assert strategist.get("/v1/segments").json() == []


def test_why_somebody_is_in_or_is_not_is_told(world: World, strategist: httpx.Client, sales: httpx.Client) -> None:
    reads(world, A, "a1", "a2")
    world.happens(A, type="identify", properties={"city": "北京"})
    condition = {"kind": "all", "of": [READERS, {"kind": "trait", "name": "city", "value": {"is_in": ["上海"]}}]}
    defined(strategist, "readers", condition)

    masked = strategist.get(f"/v1/segments/readers/explain?person={world.person(A)}").json()
    clear = sales.get(f"/v1/segments/readers/explain?person={world.person(A)}").json()

    assert masked["is_in"] is False
    read, city = masked["verdict"]["of"]
    assert (read["holds"], read["found"], read["until"]) == (True, 2, "2026-12-04T00:00:00Z")
    assert (city["holds"], city["found"]) == (False, "***")
    assert clear["verdict"]["of"][1]["found"] == "北京"


def test_two_segments_overlap(world: World, strategist: httpx.Client) -> None:
    reads(world, A, "a1", "a2")
    reads(world, B, "a1")
    defined(strategist, "some", {"kind": "read"})
    defined(strategist, "readers", READERS)
    look(world)

    told = strategist.get("/v1/segments/some/overlap?with=readers").json()

    assert told == {"people": 2, "other_people": 1, "both": 1, "share": 0.5}


def test_what_others_refer_to_stays_and_what_refers_to_nothing_is_refused(
    world: World, strategist: httpx.Client
) -> None:
    defined(strategist, "readers", READERS)
    defined(strategist, "others", {"kind": "not", "of": {"kind": "in", "set": "readers"}})

    kept = strategist.delete("/v1/segments/readers")
    nothing = strategist.post("/v1/segments", json={"name": "new", "when": {"kind": "in", "set": "unheard_of"}})
    circular = strategist.put("/v1/segments/readers", json={"when": {"kind": "in", "set": "others"}})
    twice = strategist.post("/v1/segments", json={"name": "readers", "when": READERS})
    stale = strategist.put("/v1/segments/readers", json={"when": READERS, "version": 7})

    assert (kept.status_code, nothing.status_code, circular.status_code) == (409, 400, 400)
    assert (nothing.json()["code"], circular.json()["code"]) == ("unknown_set", "circular")
    assert (twice.status_code, stale.status_code) == (409, 409)


def test_who_may_not_define_may_ask(marketer: httpx.Client) -> None:
    assert marketer.post("/v1/segments", json={"name": "readers", "when": READERS}).status_code == 403
    assert marketer.post("/v1/segments/preview", json={"when": READERS}).status_code == 200
    assert marketer.delete("/v1/stages/relation").status_code == 403


@pytest.mark.parametrize(
    "when", [{}, {"kind": "unheard"}, {"kind": "did", "types": ["unheard.of"]}, {"kind": "read", "at": 1}]
)
def test_what_is_no_condition_is_refused_with_where_it_is_wrong(when: Any, strategist: httpx.Client) -> None:
    answer = strategist.post("/v1/segments", json={"name": "readers", "when": when})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith("/when")


def test_presets_are_taken_over_tried_with_other_thresholds_and_shown_of_a_person(
    world: World, strategist: httpx.Client
) -> None:
    reads(world, A, "a1", "a2")
    world.happens(B, type="order.paid", channel="shop", minute=DAY, order={"id": "o", "amount": 1, "currency": "CNY"})
    for preset in strategist.get("/v1/stages/presets").json():
        assert strategist.post("/v1/stages", json=preset).status_code == 201
    look(world)

    listed = {
        each["name"]: {b["name"]: b["people"] for b in each["bands"]} for each in strategist.get("/v1/stages").json()
    }
    assert listed["relation"] == {"partner": 0, "member": 0, "buyer": 1, "prospect": 1}
    assert listed["life_cycle"] == {"churn_warning": 0, "mature": 0, "new": 2, "growing": 0}
    bands = [{"name": "buyer", "when": {"kind": "any", "of": [{"kind": "ordered"}, READERS]}}]
    told = strategist.post("/v1/stages/simulate", json={"name": "relation", "kind": "stages", "bands": bands}).json()
    assert told["people"] == {"buyer": 2}
    assert {(s["before"], s["after"], s["people"]) for s in told["shifts"]} == {
        ("buyer", "buyer", 1),
        ("prospect", "buyer", 1),
    }
    places = strategist.get(f"/v1/people/{world.person(B)}/segments").json()
    assert {(each["set"], each["kind"], each["band"]) for each in places} >= {("relation", "stages", "buyer")}
    profile = strategist.get(f"/v1/people/{world.person(B)}").json()
    assert (profile["layers"]["spend"], profile["stages"]["relation"]) == ("low", "buyer")


def test_in_which_band_somebody_is_and_why_not_in_others_is_told(world: World, strategist: httpx.Client) -> None:
    reads(world, A, "a1")
    assert strategist.post("/v1/stages", json={"name": "relation", "kind": "stages", "bands": BANDS}).status_code == 201
    look(world)

    told = strategist.get(f"/v1/stages/relation/explain?person={world.person(A)}").json()
    members = strategist.get("/v1/stages/relation/people?band=reader").json()["data"]

    assert told["band"] == "reader"
    assert [(each["band"], each["verdict"]["holds"]) for each in told["verdicts"]] == [
        ("buyer", False),
        ("reader", True),
    ]
    assert [each["person_id"] for each in members] == [world.person(A)]
    assert strategist.get("/v1/stages/relation/people?band=buyer").json()["data"] == []
    assert strategist.put("/v1/stages/relation", json={"bands": BANDS[:1]}).json()["version"] == 2

"""Intent as it is asked for: with reasons, fading, and right after every change of who somebody is."""

from datetime import timedelta
from typing import Any

import httpx
from sqlalchemy import Engine

from core.database import transaction
from core.directive import Kind
from core.identifier import IdentifierId, PersonId
from profiles import intent
from profiles.scoring import Scoring
from stitcher.rebuild import rebuild
from tests.api.world import INDEX, NOW, RULES, World

A, B = "wechat_openid@wx:a", "wechat_openid@wx:b"
PHONE = "phone:+8613912345678"
ARTICLE = {"id": "a"}
LATER = timedelta(days=30)


def scores(engine: Engine, world: World, *written: str, after: timedelta = timedelta()) -> list[int]:
    """Return the scores of those to whom the identifiers *written* lead, some time after now."""
    people = [PersonId(IdentifierId(world.person(each))) for each in written]
    with engine.connect() as connection:
        found = Scoring(intent.shipped(), NOW + after).of_people(connection, {*people})
    return [found[person].score for person in people]


def asked(client: httpx.Client, person: str) -> dict[str, Any]:
    answer = client.get(f"/v1/people/{person}/intent")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_score_says_by_which_rule_and_event_it_came(world: World, marketer: httpx.Client) -> None:
    form = world.happens(A, type="form.submitted")
    world.happens(A, type="article.read", article=ARTICLE, properties={"scroll": 0.9, "dwell_ms": 90_000})

    told = asked(marketer, world.person(A))

    assert [each["rule"] for each in told["contributions"]] == ["left_his_name", "read_closely", "read"]
    assert told["score"] == round(sum(each["points"] for each in told["contributions"]))
    assert told["contributions"][0]["newest"][0]["uid"] == form.uid
    assert told["contributions"][0]["labels"]["zh"] == "留资"
    assert marketer.get(f"/v1/people/{world.person(A)}").json()["intent"] == told["score"]


def test_a_score_fades_while_nothing_happens(engine: Engine, world: World) -> None:
    world.happens(A, type="form.submitted")

    assert scores(engine, world, A) > scores(engine, world, A, after=LATER) > [0]
    assert scores(engine, world, A, after=20 * LATER) == [0]


def test_who_did_nothing_that_speaks_for_business_has_no_points(world: World, marketer: httpx.Client) -> None:
    world.happens(A, type="sms.delivered", channel="sms")

    assert asked(marketer, world.person(A)) | {"as_of": None} == {
        "person_id": world.person(A),
        "score": 0,
        "change": 0,
        "as_of": None,
        "contributions": [],
    }


def test_a_robot_wants_nothing(engine: Engine, world: World) -> None:
    world.happens(A, type="official_account.followed")
    world.happens(A, type="form.submitted", context={"bot": True})

    assert scores(engine, world, A) == [0]


def test_readers_are_found_by_what_they_want(world: World, marketer: httpx.Client) -> None:
    world.happens(A, type="article.read", article=ARTICLE)
    world.happens(B, type="article.read", article=ARTICLE, minute=1)
    world.happens(B, type="form.submitted")

    def found(**wanted: int) -> list[str]:
        answer = marketer.get("/v1/articles/a/readers", params=wanted)
        return [reader["person_id"] for reader in answer.json()["data"] if reader["intent"] >= wanted["min_intent"]]

    assert found(min_intent=0) == [world.person(A), world.person(B)]
    assert found(min_intent=10) == [world.person(B)]
    assert found(min_intent=100) == []


def test_a_merge_a_split_and_a_retraction_leave_what_a_rebuild_gives(engine: Engine, world: World) -> None:
    world.happens(A, type="form.submitted")
    world.happens(B, type="official_account.followed")
    read = world.happens(B, type="article.read", article=ARTICLE, properties={"scroll": 1, "dwell_ms": 99_000})
    asked_us = world.happens(B, PHONE, type="support.opened")
    apart = scores(engine, world, A, B)

    def as_a_rebuild_gives() -> list[int]:
        before = scores(engine, world, A, B)
        with transaction(engine) as connection:
            rebuild(connection, RULES, INDEX, NOW)
        assert scores(engine, world, A, B) == before
        return before

    world.decide(Kind.MUST_LINK, A, B)
    one, same = as_a_rebuild_gives()
    assert one == same == min(sum(apart), 100)

    world.decide(Kind.CANNOT_LINK, A, B, minute=1)
    assert as_a_rebuild_gives() == apart

    world.decide(Kind.RETRACT, event=asked_us, minute=2)
    assert as_a_rebuild_gives()[1] < apart[1]
    world.decide(Kind.RETRACT, event=read, minute=3)
    assert as_a_rebuild_gives()[1] == 0

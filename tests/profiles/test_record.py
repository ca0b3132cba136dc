"""What a batch announces: one update for everybody whom it changed, saying what, why and since when."""

from typing import Any

import pytest
from sqlalchemy import Engine

from core import outbox
from core.database import transaction
from core.identifier import IdentifierId, PersonId
from core.log.port import IDENTITY_CHANGED, PROFILE_UPDATED
from core.outbox import Announcement, Cursor
from profiles import record
from profiles.record import CAUSES_MAX, Update
from tests.api.world import NOW, World, index

A, B = "user_id:A", "user_id:B"
PHONE, KIOSK = "phone:+8613912345678", "device_id@web:kiosk"


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


def announced(world: World, topic: str = PROFILE_UPDATED) -> list[Announcement]:
    with transaction(world.engine) as connection:
        rows = outbox.read(connection, Cursor(), 1_000)
    return [each for row in rows for each in row.announcements if each.topic == topic]


def latest(world: World, who: str) -> dict[str, Any]:
    [*_, last] = [each for each in announced(world) if each.key == world.person(who)]
    return dict(last.value)


def test_whoever_is_new_is_announced_with_his_first_version(world: World) -> None:
    event = world.happens(A)

    [update] = announced(world)
    assert (update.key, update.id, update.time) == (index(A), f"{index(A)}:1", NOW)
    assert update.value == {
        "person_id": index(A),
        "version": 1,
        "reason": "event",
        "changed": ["events", "identifiers"],
        "merged_from": [],
        "cause": [event.id],
        "as_of": "2026-11-20T00:00:00.000000Z",
    }


@pytest.mark.parametrize(
    ("fields", "changed"),
    [
        ({}, ["events"]),
        ({"type": "article.read", "article": {"id": "a"}}, ["articles", "events"]),
        ({"type": "order.paid", "order": {"id": "o", "amount": 5}}, ["events", "orders"]),
        ({"type": "consent.given"}, ["consent", "events"]),
        ({"type": "identify", "properties": {"name": "Tom"}}, ["events", "traits"]),
        ({"company": {"name": "四域"}}, ["company", "events"]),
    ],
)
def test_it_is_said_what_an_event_changed(world: World, fields: dict[str, Any], changed: list[str]) -> None:
    world.happens(A)

    event = world.happens(A, minute=1, **fields)

    assert latest(world, A)["changed"] == changed
    assert latest(world, A)["cause"] == [event.id]


def test_that_he_follows_is_said_too(world: World) -> None:
    world.happens("wechat_openid@wx:o")

    world.happens("wechat_openid@wx:o", type="official_account.followed", minute=1)

    assert latest(world, "wechat_openid@wx:o")["changed"] == ["events", "following"]


def test_a_merge_is_announced_by_the_survivor_with_whom_he_was_merged_from(world: World) -> None:
    world.happens(PHONE, minute=1)
    world.happens(A, minute=2)

    login = world.happens(PHONE, A, minute=3)

    update = latest(world, PHONE)
    assert (update["reason"], update["merged_from"], update["cause"]) == ("merge", [index(A)], [login.id])
    assert update["version"] == 2
    [change] = [each.value for each in announced(world, IDENTITY_CHANGED) if each.value["type"] == "person.merged"]
    assert (change["person_id"], change["from"], change["cause"]) == (index(PHONE), [index(A)], [login.id])


def test_a_split_is_announced_to_him_who_lost_somebody(world: World) -> None:
    cookie, other = "anonymous_id@h5:c", "phone:+8613912345679"
    world.happens(cookie, "wechat_openid@wx:o", minute=0)
    world.happens(cookie, PHONE, minute=1)
    former = world.person(PHONE)

    world.happens(cookie, other, minute=2)

    splits = [each.value for each in announced(world, IDENTITY_CHANGED) if each.value["type"] == "person.split"]
    assert [each["person_id"] for each in splits] == [former]
    assert splits[0]["into"]
    [update] = [each.value for each in announced(world) if each.key == former and each.value["reason"] == "split"]
    assert update["version"] > 1


def test_in_a_batch_everybody_is_announced_once(world: World) -> None:
    world.take([world.event(A, minute=n) for n in range(5)] + [world.event(B)])

    assert sorted(each.key for each in announced(world)) == sorted([index(A), index(B)])


def test_no_more_causes_are_named_than_anybody_reads(world: World) -> None:
    events = [world.event(A, PHONE, minute=n) for n in range(CAUSES_MAX + 20)]

    world.take(events)

    assert latest(world, A)["cause"] == [event.id for event in events[:CAUSES_MAX]]
    assert all(len(each.value["cause"]) <= CAUSES_MAX for each in announced(world, IDENTITY_CHANGED))


def test_an_event_of_nobody_changes_nobody(world: World) -> None:
    world.happens("phone:null", type="article.read", article={"id": "a"})

    assert announced(world) == []


def test_what_is_taken_again_is_not_announced_again(world: World) -> None:
    """Case A5."""
    event = world.happens(A)

    world.take([event])

    assert len(announced(world)) == 1


def test_versions_of_a_person_only_rise(world: World) -> None:
    for minute in range(3):
        world.happens(A, PHONE, minute=minute)

    versions = [each.value["version"] for each in announced(world) if each.key == world.person(A)]
    assert versions == sorted(set(versions))


def test_a_merge_counts_for_more_than_a_split_and_a_split_for_more_than_an_event() -> None:
    merged = Update(merged_from=(PersonId(IdentifierId("x")),), split=True)

    assert [each.reason for each in (merged, Update(split=True), Update())] == ["merge", "split", "event"]


def test_announcements_come_in_the_order_of_people() -> None:
    people = [PersonId(IdentifierId(name)) for name in ("b", "a", "c")]

    made = record.announcements({person: Update() for person in people}, dict.fromkeys(people, 1), NOW)

    assert [each.key for each in made] == ["a", "b", "c"]

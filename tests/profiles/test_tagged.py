"""Counting tags in SQL is counting them of each person."""

from collections import Counter
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import Engine

from core.database import transaction
from core.directive import Kind as Directive
from core.event import Event, Trust
from core.identifier import PersonId
from profiles import tagged, tags, timeline
from profiles.scoring import signal
from profiles.tags import Kind
from stitcher.rebuild import rebuild
from tests.api.world import INDEX, NOW, RULES, World

NAMES = ["vip", "试用", "", "x" * 129, 7, None]
ENDS = [None, "soon", NOW.isoformat(), (NOW + timedelta(days=1)).isoformat(), "2026-13-40T00:00:00Z", 7]


def counted(world: World, kind: Kind | None = None) -> dict[tuple[str, str], int]:
    with transaction(world.engine) as connection:
        return {(each.kind.value, each.name): each.people for each in tagged.counts(connection, kind, NOW)}


def one_by_one(world: World) -> dict[tuple[str, str], int]:
    people = [PersonId(each) for each in world.people()]
    with transaction(world.engine) as connection:
        told = timeline.of_types(connection, people, [tags.TYPE], None, 10_000)
    borne = [tag for own in told.values() for tag in tags.tags([signal(each) for each in own], NOW)]
    return dict(Counter((tag.kind.value, tag.name) for tag in borne))


def tag_by_chance(chance: Random, world: World, who: str) -> Event:
    said: dict[str, Any] = {
        "tag": chance.choice(NAMES[:3] if chance.random() < 0.9 else NAMES),
        "kind": chance.choice(["model", "stated", "rule", 7, None]),
        "removed": chance.choice([True, False, "true", None]),
        "expires_at": chance.choice(ENDS),
    }
    kept = {name: value for name, value in said.items() if value is not None}
    trust, minute = chance.choice([Trust.SERVER, Trust.IMPORT]), chance.randrange(5)
    return world.happens(who, type="person.tagged", trust=trust, minute=minute, properties=kept)


@pytest.mark.parametrize("seed", range(3))
def test_counting_at_once_is_counting_one_by_one_and_what_a_rebuild_gives(engine: Engine, seed: int) -> None:
    world, chance = World(engine), Random(seed)
    names = [f"user_id:u{n}" for n in range(5)] + [f"phone:+861390000000{n}" for n in range(5)]
    happened = [tag_by_chance(chance, world, chance.choice(names)) for _ in range(60)]
    for minute in range(12):
        one, other = chance.sample(names, 2)
        match chance.randrange(4):
            case 0 | 1:
                world.happens(one, other)
            case 2:
                world.decide(Directive.CANNOT_LINK, one, other, minute=minute)
            case _:
                world.decide(Directive.RETRACT, event=happened.pop(), minute=minute)

    before = counted(world)

    assert before == one_by_one(world)
    assert sum(before.values()) > 5
    assert counted(world, Kind.MODEL) == {named: number for named, number in before.items() if named[0] == "model"}
    with transaction(engine) as connection:
        rebuild(connection, RULES, INDEX, NOW)
    assert counted(world) == before

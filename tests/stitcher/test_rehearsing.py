"""A rehearsal says what stitching would do, and leaves nothing."""

from collections.abc import Mapping

import pytest
from sqlalchemy import Engine, text

from core.database import metadata, transaction
from core.event import Event, EventUid
from stitcher.rehearsing import Rehearsal, rehearse
from tests.api.world import INDEX, NOW, RULES, World

PHONE, MAIL, A, B = "phone:+8613912345678", "email:j@example.com", "user_id:A", "user_id:B"


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


def rehearsed(world: World, *events: Event) -> Rehearsal:
    return rehearse(world.engine, {event.uid: event for event in events}, RULES, INDEX, NOW)


def rows(engine: Engine) -> Mapping[str, int]:
    with transaction(engine) as connection:
        return {name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in metadata.tables}


def test_whom_nobody_knows_would_be_created(world: World) -> None:
    assert rehearsed(world, world.event(PHONE, MAIL), world.event(A)) == Rehearsal(2, 0, 2, 0, 0)


def test_whom_an_event_stands_under_would_be_touched_and_who_is_one_merged(world: World) -> None:
    world.happens(PHONE)
    world.happens(MAIL)
    world.happens(B)

    assert rehearsed(world, world.event(PHONE, MAIL), world.event(B)) == Rehearsal(2, 0, 0, 3, 1)


def test_what_is_recorded_already_is_known(world: World) -> None:
    known = world.happens(PHONE)

    assert rehearsed(world, known) == Rehearsal(1, 1, 0, 1, 0)


def test_nothing_of_it_stays(world: World) -> None:
    world.happens(PHONE)
    before = rows(world.engine)

    rehearsed(world, world.event(PHONE, MAIL), world.event(A))

    assert rows(world.engine) == before


def test_nothing_to_rehearse_is_nothing(world: World) -> None:
    empty: dict[EventUid, Event] = {}

    assert rehearse(world.engine, empty, RULES, INDEX, NOW) == Rehearsal(0, 0, 0, 0, 0)

"""What is kept in an event and links nothing: what its channel does not carry, and what the rules do not know."""

import pytest
from sqlalchemy import Engine

from core.database import transaction
from core.errors import NotFound
from core.identifier import parse as identifier
from profiles import people
from tests.api.world import INDEX, World

ONE, OTHER = "phone:+8613912345678", "phone:+8613912345679"
CARD = "loyalty_card:L7"  # of a namespace that no rules know
HINT = {"namespace": "user_id", "value": "u", "role": "hint"}


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


@pytest.mark.parametrize("shared", [CARD, HINT], ids=str)
def test_what_two_people_share_that_links_nothing_leaves_them_two(world: World, shared: object) -> None:
    world.happens(ONE, shared)
    world.happens(OTHER, shared)

    assert world.person(ONE) != world.person(OTHER)


@pytest.mark.parametrize(("alone", "text"), [(CARD, CARD), (HINT, "user_id:u")], ids=str)
def test_nobody_stands_under_what_links_nothing(world: World, alone: object, text: str) -> None:
    world.happens(alone)

    with transaction(world.engine) as connection, pytest.raises(NotFound):
        people.survivor(connection, INDEX(identifier(text)))

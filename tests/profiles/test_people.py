"""One hop from any id ever published to who bears it now."""

from uuid import uuid4

import pytest
from sqlalchemy import Engine

from core.database import transaction
from core.errors import NotFound
from core.identifier import IdentifierId, PersonId
from profiles import people
from profiles.people import Member, Person, Standing
from tests.api.world import NOW, World, index

A, B, C = "user_id:A", "user_id:B", "user_id:C"
PHONE, MAIL, KIOSK = "phone:+8613912345678", "email:tom@example.com", "device_id@web:kiosk"


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


def members(world: World, person: str) -> list[Member]:
    with transaction(world.engine) as connection:
        return people.of_person(connection, PersonId(IdentifierId(person)))


def texts(found: list[Member]) -> list[str]:
    return [member.identifier.text for member in found]


def everybody(world: World) -> list[Person]:
    with transaction(world.engine) as connection:
        return [*people.everybody(connection)]


def version(world: World, person: str) -> int:
    with transaction(world.engine) as connection:
        return people.version(connection, PersonId(IdentifierId(person)))[0]


def test_an_id_leads_to_the_survivor_after_any_number_of_merges(world: World) -> None:
    """Case H1."""
    for minute, one in enumerate([PHONE, MAIL, A]):
        world.happens(one, minute=minute)
    published = {index(one) for one in (PHONE, MAIL, A)}

    world.happens(MAIL, A, minute=5)
    world.happens(PHONE, MAIL, minute=6)

    with transaction(world.engine) as connection:
        assert {people.survivor(connection, each) for each in published} == {index(PHONE)}


def test_an_id_leads_to_somebody_alive_after_a_split_too(world: World) -> None:
    """Case C5: the third event takes the first two apart again."""
    cookie, other = "anonymous_id@h5:c", "phone:+8613912345679"
    world.happens(cookie, "wechat_openid@wx:o")
    world.happens(cookie, PHONE, minute=1)
    together = world.person(PHONE)
    assert together == world.person("wechat_openid@wx:o")

    world.happens(cookie, other, minute=2)

    assert len({world.person(each) for each in (cookie, PHONE, other, "wechat_openid@wx:o")}) == 4
    with transaction(world.engine) as connection:
        assert members(world, people.survivor(connection, together))


def test_an_id_that_was_never_published_leads_nowhere(world: World) -> None:
    with transaction(world.engine) as connection, pytest.raises(NotFound):
        people.survivor(connection, str(uuid4()))
    with transaction(world.engine) as connection, pytest.raises(NotFound):
        people.version(connection, PersonId(index(A)))


def test_a_person_bears_the_id_of_his_first_identifier(world: World) -> None:
    world.happens(PHONE, minute=5)
    world.happens(PHONE, A, minute=9)

    assert world.person(A) == index(PHONE)
    assert texts(members(world, index(PHONE))) == [PHONE, A]


def test_who_is_heard_of_first_later_gives_the_id_and_the_former_still_leads_there(world: World) -> None:
    world.happens(PHONE, minute=5)
    world.happens(PHONE, A, minute=9)

    world.happens(A, minute=1)

    assert world.person(PHONE) == world.person(A) == index(A)
    assert texts(members(world, index(A))) == [A, PHONE]


def test_what_several_own_is_nobodys_and_everybody_has_his_own_without_it(world: World) -> None:
    """Case C1."""
    world.happens(A, KIOSK, minute=1)
    world.happens(B, KIOSK, minute=2)

    [kiosk] = members(world, index(KIOSK))
    assert (kiosk.standing, kiosk.person_id) == (Standing.CONTESTED, index(KIOSK))
    assert texts(members(world, index(A))) == [A]
    assert {KIOSK} & {each.text for person in everybody(world) for each in person.identifiers} == set()


def test_everybody_is_each_person_once_with_what_is_known_of_him(world: World) -> None:
    first = world.happens(PHONE, minute=1)
    world.happens(PHONE, A, minute=2)
    world.happens(B, minute=3)
    world.happens(B, minute=4)

    found = everybody(world)

    assert [person.id for person in found] == sorted([index(PHONE), index(B)])
    [tom] = [person for person in found if person.id == index(PHONE)]
    assert [each.text for each in tom.identifiers] == [PHONE, A]
    assert (tom.canonical.text, tom.first_seen, tom.events) == (PHONE, first.occurred_at, 2)
    assert sum(person.events for person in found) == 4


def test_many_people_are_read_at_once(world: World) -> None:
    world.happens(A, PHONE)
    world.happens(B)
    world.happens(C)

    with transaction(world.engine) as connection:
        found = people.of_people(connection, [PersonId(index(A)), PersonId(index(B))])
        assert people.of_people(connection, []) == people.members(connection, []) == []

    assert sorted(texts(found)) == [PHONE, A, B]


def test_a_version_rises_with_every_change_and_with_nothing_else(world: World) -> None:
    world.happens(A)
    assert version(world, index(A)) == 1

    again = world.happens(A, minute=1)
    assert version(world, index(A)) == 2

    world.take([again])
    world.happens(B)
    assert version(world, index(A)) == 2


def test_the_version_of_one_who_was_merged_away_stays(world: World) -> None:
    world.happens(PHONE, minute=1)
    world.happens(A, minute=2)
    before = version(world, index(A))

    world.happens(PHONE, A, minute=3)

    assert version(world, index(A)) == before
    assert version(world, index(PHONE)) == 2


def test_versions_are_raised_for_many_and_the_born_get_their_first(world: World) -> None:
    one, other = PersonId(index(A)), PersonId(index(B))

    with transaction(world.engine) as connection:
        first = people.raise_versions(connection, [one], [one], NOW)
        second = people.raise_versions(connection, [one, other], [other], NOW)

    assert (first, second) == ({one: 1}, {one: 2, other: 1})


def test_a_member_is_read_as_it_was_written(world: World) -> None:
    """Closures and witnesses too, which are the stitcher's memory."""
    world.happens(A, KIOSK, minute=1)
    world.happens(B, KIOSK, minute=2)
    ids = [index(each) for each in (A, B, KIOSK)]
    with transaction(world.engine) as connection:
        before = people.members(connection, ids)
        people.update(connection, before)
        after = people.members(connection, ids)
        witnessed = people.witnessed_by(connection, [index(A), index(B)])

    def by_id(found: list[Member]) -> list[Member]:
        return sorted(found, key=lambda member: member.id)

    assert len(before) == 3
    assert by_id(before) == by_id(after)
    assert KIOSK in texts(witnessed)

"""What a person should look at, and when it is done with."""

from dataclasses import replace

from sqlalchemy import Engine

from stitcher import reviewing
from stitcher.reviewing import Review
from tests.stitcher import database
from tests.stitcher.histories import SHIPPED
from tests.stitcher.test_cases import decided_of, event_of, events_of, id_of


def listed(engine: Engine) -> list[Review]:
    with engine.connect() as connection:
        return reviewing.waiting(connection, None, 100)


PUBLIC = {"who": "p:1 m:x", "trust": "browser", "strength": "declared"}


def test_a_link_of_the_public_between_two_known_people_is_offered_until_somebody_decides(engine: Engine) -> None:
    case = {"name": "review", "events": ["p:1", "m:x", PUBLIC], "decided": ["cannot_link p:1 m:x"]}
    database.take(engine, events_of(case))
    (offered,) = listed(engine)

    for directive in decided_of(case):
        database.decide(engine, directive)

    assert offered.kind == "vouching"
    assert offered.other is not None
    assert {offered.one[0], offered.other[0]} == {id_of("p:1"), id_of("m:x")}
    assert listed(engine) == []


def test_a_union_that_would_be_too_large_is_offered(engine: Engine) -> None:
    few = replace(SHIPPED, person_identifiers_max=3)
    events = [event_of(str(number), {"who": who}, number) for number, who in enumerate(["A p:1", "m:j p:2", "p:1 p:2"])]

    database.take(engine, events, few)

    assert [review.kind for review in listed(engine)] == ["size"]


def test_who_grows_fast_is_offered_and_who_grows_slowly_is_not(engine: Engine) -> None:
    few = replace(SHIPPED, growth_identifiers_max=5)
    fast = [event_of(f"f{number}", {"who": f"A c{number}", "minute": number * 10}, 0) for number in range(5)]
    slow = [event_of(f"s{number}", {"who": f"B c{number + 10}", "minute": number * 30}, 0) for number in range(5)]

    for event in fast + slow:
        database.take(engine, [event], few)

    (grown,) = listed(engine)
    assert grown.kind == "growth"
    assert grown.identifiers == 6
    with engine.connect() as connection:
        assert reviewing.waiting(connection, grown.place, 100) == []

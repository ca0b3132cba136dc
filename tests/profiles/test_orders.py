"""Purchases out of PostgreSQL: whose they are now, when and for how much, whatever was merged, split or taken back."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any

import pytest
from sqlalchemy import Engine, text

from core.database import transaction
from core.directive import Kind
from core.errors import InvalidEvent
from core.event import Event, Trust
from profiles import orders
from profiles.purchases import LeftOut, Purchases, number_of
from profiles.repurchase import repurchase
from profiles.rfm import rfm
from profiles.worth import worth
from stitcher import rebuild
from tests.api.world import INDEX, NOW, RULES, World

A, B, C = "user_id:A", "user_id:B", "anonymous_id@h5:c"
DAY = 24 * 60.0  # in minutes
TODAY = number_of((NOW - timedelta(microseconds=1)).date())  # the world's day, in UTC


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


def paid(
    world: World, who: object, order: str, amount: int, days_ago: float = 0.0, type: str = "order.paid", **fields: Any
) -> Event:
    currency = fields.pop("currency", "CNY")
    bought = {"id": order, "amount": amount, "currency": currency}
    return world.happens(who, type=type, channel="shop", order=bought, minute=-days_ago * DAY, **fields)


def bought(world: World, currency: str = "CNY", as_of: datetime = NOW) -> Purchases:
    with transaction(world.engine) as connection:
        return orders.purchases(connection, currency, as_of)


def told(of: Purchases) -> Mapping[str, list[tuple[int, int]]]:
    """Days ago and amount of each purchase, by person."""
    rows = zip(of.person, of.day, of.amount, strict=True)
    found: dict[str, list[tuple[int, int]]] = {}
    for person, day, amount in rows:
        found.setdefault(of.person_id(int(person)), []).append((of.today - int(day), int(amount)))
    return found


def rebuilt(world: World) -> None:
    with transaction(world.engine) as connection:
        rebuild.rebuild(connection, RULES, INDEX, NOW)


def test_what_is_paid_on_one_day_is_one_purchase(world: World) -> None:
    paid(world, A, "o1", 1_000, days_ago=3.1)
    paid(world, A, "o2", 500, days_ago=3.0, type="mini_program.paid")
    paid(world, A, "o3", 70, days_ago=1, type="live.ordered")
    paid(world, B, "o4", 9)

    assert told(bought(world)) == {world.person(A): [(4, 1_000), (3, 500), (1, 70)], world.person(B): [(0, 9)]}
    assert bought(world).today == TODAY


def test_a_day_ends_where_the_zone_of_the_question_has_it(world: World) -> None:
    world.happens(A, type="order.paid", minute=15 * 60, order={"id": "o1", "amount": 1})
    world.happens(A, type="order.paid", minute=17 * 60, order={"id": "o2", "amount": 2})

    here = bought(world, as_of=NOW.astimezone(timezone(timedelta(hours=8))))

    assert told(bought(world)) == {world.person(A): [(0, 3)]}
    assert told(here) == {world.person(A): [(1, 1), (0, 2)]}


def test_two_people_who_prove_to_be_one_bought_what_both_did(world: World) -> None:
    paid(world, A, "o1", 100, days_ago=5)
    paid(world, C, "o2", 10, days_ago=5)
    paid(world, C, "o3", 1, days_ago=2)
    assert told(bought(world)) == {world.person(A): [(5, 100)], world.person(C): [(5, 10), (2, 1)]}

    world.happens(A, C)

    assert told(bought(world)) == {world.person(A): [(5, 110), (2, 1)]}


def test_what_is_split_is_bought_by_each_for_himself(world: World) -> None:
    paid(world, A, "o1", 100, days_ago=5)
    paid(world, "phone:+8613900000001", "o2", 10, days_ago=2)
    world.happens(A, "phone:+8613900000001")
    assert len(told(bought(world))) == 1

    world.decide(Kind.CANNOT_LINK, A, "phone:+8613900000001")

    assert sorted(told(bought(world)).values()) == [[(2, 10)], [(5, 100)]]


def test_what_is_retracted_was_not_bought(world: World) -> None:
    wrong = paid(world, A, "o1", 100, days_ago=5)
    paid(world, A, "o2", 10, days_ago=2)

    world.decide(Kind.RETRACT, event=wrong)

    assert told(bought(world)) == {world.person(A): [(2, 10)]}


def test_what_is_paid_back_lessens_its_own_purchase_and_in_full_undoes_it(world: World) -> None:
    paid(world, A, "o1", 100, days_ago=5)
    paid(world, A, "o2", 80, days_ago=3)
    paid(world, A, "o1", 30, days_ago=2, type="order.refunded")
    paid(world, A, "o2", 80, days_ago=1, type="order.refunded")
    paid(world, B, "o3", 80, days_ago=1, type="order.refunded")

    assert told(bought(world)) == {world.person(A): [(5, 70)]}
    assert told(bought(world, as_of=NOW - timedelta(days=3.5))) == {world.person(A): [(2, 100), (0, 80)]}


def test_what_costs_nothing_is_bought_nevertheless(world: World) -> None:
    paid(world, A, "o1", 0)

    assert told(bought(world)) == {world.person(A): [(0, 0)]}


def test_currencies_are_not_added_up(world: World) -> None:
    paid(world, A, "o1", 100)
    paid(world, A, "o2", 7, currency="USD")

    assert told(bought(world)) == {world.person(A): [(0, 100)]}
    assert told(bought(world, "USD")) == {world.person(A): [(0, 7)]}
    assert told(bought(world, "EUR")) == {}


def test_robots_and_payments_of_nobody_are_counted_apart(world: World) -> None:
    paid(world, A, "o1", 100)
    paid(world, B, "o2", 50, properties={"bot": True})
    paid(world, "user_id:null", "o3", 10)

    found = bought(world)

    assert told(found) == {world.person(A): [(0, 100)]}
    assert found.left_out == LeftOut(robots=1, nobody=1)


def test_an_import_of_former_years_was_bought_then_and_what_a_browser_says_of_them_was_not(world: World) -> None:
    for who, trust in ((A, Trust.IMPORT), (B, Trust.BROWSER)):
        paid(world, who, f"o-{who}", 5, days_ago=3_000, trust=trust)

    found = told(bought(world))

    assert found[world.person(A)] == [(3_000, 5)]
    assert found[world.person(B)][0][0] < 402


def test_more_purchases_than_can_be_looked_at_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "PURCHASES_MAX", 1)
    paid(world, A, "o1", 1)
    assert len(bought(world).day) == 1

    paid(world, B, "o2", 1)

    with pytest.raises(InvalidEvent):
        bought(world)


@pytest.mark.parametrize("seed", range(4))
def test_every_figure_is_what_a_rebuild_gives(world: World, seed: int) -> None:
    """After merges, splits, refunds and retractions in any order, and what each event says about who is who taken back again."""
    chance = Random(seed)
    names = [f"user_id:u{n}" for n in range(6)] + [f"phone:+861390000000{n}" for n in range(6)]
    happened: list[Event] = []
    for number in range(60):
        who, other = chance.sample(names, 2)
        match chance.random():
            case p if p < 0.6:
                happened.append(paid(world, who, f"o{number}", chance.randint(1, 999), chance.uniform(0, 300)))
            case p if p < 0.7 and happened:
                same = chance.choice(happened)
                assert same.order
                paid(world, same.identifiers[0].identifier.text, same.order.id, 300, type="order.refunded")
            case p if p < 0.85:
                world.happens(who, other)
            case p if p < 0.92:
                world.decide(Kind.CANNOT_LINK, who, other, minute=number)
            case _ if happened:
                world.decide(Kind.RETRACT, event=happened.pop(chance.randrange(len(happened))), minute=number)
    before = bought(world)
    figures = rfm(before), repurchase(before), worth(before, 10.0)

    rebuilt(world)

    after = bought(world)
    assert told(after) == told(before)
    assert (rfm(after), repurchase(after), worth(after, 10.0)) == figures
    assert len(before.day) > 5


def test_what_is_read_is_what_a_second_look_at_the_events_gives(world: World) -> None:
    """The sums by person and currency are those of the summaries, which add up every payment and refund."""
    chance = Random(11)
    for number in range(40):
        paid(world, f"user_id:u{chance.randrange(5)}", f"o{number}", chance.randint(1, 999), chance.uniform(0, 300))

    with transaction(world.engine) as connection:
        rows = connection.execute(
            text(
                "SELECT person_id::text, sum(CAST(body #>> '{counts,amount/CNY}' AS bigint))::int FROM summary"
                " JOIN identifier ON identifier.id = identifier_id GROUP BY 1"
            )
        )
        summed = {row[0]: row[1] for row in rows}

    assert {person: sum(amount for _, amount in own) for person, own in told(bought(world)).items()} == summed
    assert datetime.fromtimestamp(bought(world).today * 86_400, UTC).date() == (NOW - timedelta(seconds=1)).date()

"""Metrics out of PostgreSQL: whose deeds they are now, and that all figures are what a rebuild gives."""

from datetime import date, timedelta, timezone
from random import Random
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine

from core.database import transaction
from core.directive import Kind
from core.errors import InvalidEvent
from core.event import TYPES, Event
from profiles.metrics import credit, reading
from profiles.metrics.credit import Question, paths
from profiles.metrics.deeds import DAY, DONE_BY, Told, instant
from profiles.metrics.funnel import funnel
from profiles.metrics.rates import rates
from profiles.metrics.reading import Step
from profiles.metrics.retention import Period, retention
from profiles.metrics.sources import sources
from profiles.metrics.unfollows import unfollows
from profiles.metrics.waiting import waits
from profiles.summary import PAID
from profiles.values import Value
from stitcher import rebuild
from tests.api.world import INDEX, NOW, RULES, World

A, B = "user_id:A", "user_id:B"
SINCE = NOW - timedelta(days=30)
MINUTES = 24 * 60.0
HAPPENS = ["article.read", "article.read", "article.shared", "article.pushed", "order.paid", "order.refunded"]
HAPPENS += ["support.opened", "support.answered", "mini_program.opened", "official_account.unfollowed", "page.viewed"]
CHANNELS = {"order": "shop", "mini_program": "mini_program", "support": "support", "article": "official_account"}


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


def read(world: World, *types: str, **more: Any) -> Told:
    with transaction(world.engine) as connection:
        return reading.told(connection, types or TYPES, SINCE, NOW + timedelta(minutes=5), **more)


def test_two_people_who_prove_to_be_one_did_what_both_did_until_they_are_split(world: World) -> None:
    world.happens(A)
    world.happens("phone:+8613900000001")
    assert len(read(world).deeds.people) == 2

    world.happens(A, "phone:+8613900000001")
    assert (len(read(world).deeds.people), len(read(world).deeds)) == (1, 3)

    world.decide(Kind.CANNOT_LINK, A, "phone:+8613900000001")
    assert len(read(world).deeds.people) == 2


def test_what_is_retracted_was_not_done(world: World) -> None:
    wrong = world.happens(A)
    world.happens(A)

    world.decide(Kind.RETRACT, event=wrong)

    assert len(read(world).deeds) == 1


def test_a_message_stands_under_whom_it_was_delivered_to(world: World) -> None:
    to = {"namespace": "phone", "value": "+8613900000001", "role": "recipient"}
    world.happens(to, type="sms.delivered", channel="sms")

    assert read(world).deeds.people == [world.person("phone:+8613900000001")]


def test_robots_and_nobody_are_told_apart(world: World) -> None:
    world.happens(A)
    world.happens(B, properties={"bot": True})
    world.happens("user_id:null")

    found = read(world)

    assert (len(found.deeds), len(found.robots), len(found.nobodys)) == (1, 1, 1)


def test_words_are_told_whatever_stands_in_them(world: World) -> None:
    for name in ('a,"b"', "two\nlines", "NULL", "NA", "ß 中"):
        world.happens(A, type="article.read", article={"id": name})
    world.happens(A)

    articles = read(world, words=["article"]).deeds.words["article"]

    assert sorted(map(articles.name, articles.code.tolist()), key=str) == sorted(
        ['a,"b"', "two\nlines", "NULL", "NA", "ß 中", None], key=str
    )


def test_a_step_is_an_event_of_its_types_under_its_conditions(world: World) -> None:
    for dwell in (1, 9):
        world.happens(A, type="article.read", article={"id": "a"}, properties={"dwell": dwell})
    world.happens(A, type="form.submitted")
    wanted = [
        Step(
            frozenset({"article.read"}), {"properties.dwell": Value(min=5), "article.id": Value(is_in=frozenset({"a"}))}
        ),
        Step(frozenset({"form.submitted", "article.read"})),
    ]

    with transaction(world.engine) as connection:
        found = reading.steps(connection, wanted, SINCE, NOW)

    assert sorted(found.deeds.numbers["steps"].tolist()) == [2, 2, 3]


def test_a_day_ends_where_the_zone_of_the_question_has_it(world: World) -> None:
    world.happens(A, minute=15 * 60)
    world.happens(A, minute=17 * 60)

    with transaction(world.engine) as connection:
        here = reading.days(connection, DONE_BY, DONE_BY, SINCE.date(), NOW).deeds
        east = NOW.astimezone(timezone(timedelta(hours=8)))
        there = reading.days(connection, DONE_BY, DONE_BY, SINCE.date(), east).deeds

    assert here.numbers["events"].tolist() == [2]
    assert there.numbers["events"].tolist() == [1, 1]
    assert np.diff(there.numbers["day"]).tolist() == [1]


def test_all_days_before_those_asked_about_are_one(world: World) -> None:
    for days in (200, 100, 50, 3):
        world.happens(A, minute=-days * MINUTES)

    with transaction(world.engine) as connection:
        found = reading.days(connection, DONE_BY, DONE_BY, SINCE.date(), NOW).deeds.numbers

    first = (SINCE.date() - date(1970, 1, 1)).days
    assert (found["day"].tolist()[0], found["events"].tolist()) == (first - 1, [3, 1])


def test_more_events_than_can_be_looked_at_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "DEEDS_MAX", 1)
    world.happens(A)
    assert len(read(world).deeds) == 1

    world.happens(A)

    with pytest.raises(InvalidEvent):
        read(world)


def figures(world: World) -> dict[str, Any]:
    """All there is to ask."""
    since, until = instant(SINCE), instant(NOW)
    asked = Question(frozenset(PAID), "CNY", "channel", since, until, 7 * DAY)
    wanted = [Step(frozenset({"article.read"})), Step(frozenset(PAID))]
    with transaction(world.engine) as connection:
        every = reading.told(connection, TYPES, SINCE, NOW, words=reading.WORDS, numbers=["amount"])
        days = reading.days(connection, DONE_BY, DONE_BY, SINCE.date(), NOW)
        return {
            "rates": rates(every, every.deeds.of_types(PAID), "article"),
            "unfollows": unfollows(every, every.deeds, until, 2 * DAY),
            "funnel": funnel(reading.steps(connection, wanted, SINCE, NOW).deeds, 2, until, 7 * DAY),
            "retention": retention(days.deeds, Period.WEEK, since // DAY, until // DAY, until // DAY, 4),
            "credit": credit.credit(paths(every.deeds, asked)),
            "waits": waits(every.deeds.of_types({"support.opened", "support.answered"}), until),
            "sources": sources(sorted(reading.entrances(connection, SINCE, NOW))),
            "spreads": reading.spreads(connection, SINCE, NOW, None),
            "people": every.deeds.people,
            "left out": (every.left_out, reading.left_out(connection, SINCE, NOW)),
        }


def some_event(world: World, chance: Random, names: list[str], number: int) -> Event:
    type_ = chance.choice(HAPPENS)
    fields: dict[str, Any] = {}
    if type_.startswith("article."):
        token = f"t{chance.randrange(4)}"
        fields["article"] = {"id": f"a{chance.randrange(2)}"}
        fields["share"] = {"token": token} if type_ != "article.shared" else {"token": token, "parent_token": "t0"}
    if type_.startswith("order."):
        fields["order"] = {"id": f"o{number // 2}", "amount": chance.randint(1, 999)}
    if chance.random() < 0.1:
        fields["properties"] = {"bot": True}
    channel = CHANNELS.get(type_.partition(".")[0], "official_account")
    return world.happens(
        chance.choice(names), type=type_, channel=channel, minute=-chance.uniform(0, 25) * MINUTES, **fields
    )


@pytest.mark.parametrize("seed", range(4))
def test_every_figure_is_what_a_rebuild_gives(world: World, seed: int) -> None:
    """After merges, splits and retractions in any order."""
    chance = Random(seed)
    names = [f"user_id:u{n}" for n in range(5)] + [f"phone:+861390000000{n}" for n in range(5)]
    happened: list[Event] = []
    for number in range(90):
        who, other = chance.sample(names, 2)
        match chance.random():
            case p if p < 0.75:
                happened.append(some_event(world, chance, names, number))
            case p if p < 0.87:
                world.happens(who, other)
            case p if p < 0.93:
                world.decide(Kind.CANNOT_LINK, who, other, minute=number)
            case _ if happened:
                world.decide(Kind.RETRACT, event=happened.pop(chance.randrange(len(happened))), minute=number)
    before = figures(world)

    with transaction(world.engine) as connection:
        rebuild.rebuild(connection, RULES, INDEX, NOW)

    assert figures(world) == before
    assert all(before.values())

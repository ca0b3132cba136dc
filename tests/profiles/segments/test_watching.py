"""The watch: whoever should be in a segment is, and everybody who enters or leaves is announced."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import Engine

from core import outbox
from core.database import transaction
from core.directive import Kind
from core.log.port import INTENT_ALERT, SEGMENT_MEMBERSHIP, STAGE_CHANGED
from core.outbox import Announcement, Cursor
from profiles import intent, orders, traits
from profiles.segments import defining, everybody, measuring, rulesets, store
from profiles.segments.conditions import Condition
from profiles.segments.judging import Rules
from profiles.segments.rulesets import Band, RuleSet, segment
from profiles.segments.watching import Watch
from stitcher import rebuild
from tests.api.world import INDEX, NOW, RULES, World
from tests.profiles.segments.conditions import CONDITION
from tests.profiles.segments.history import happens

JUDGED_BY = Rules(intent.shipped(), traits.shipped())
A, B, C, D = "user_id:A", "user_id:B", "user_id:C", "user_id:D"
DAY = 24 * 60.0
READERS = {"kind": "read", "at_least": 2, "within_days": 14}
SPREADERS = {"kind": "brought", "at_least": 2}


class Watched:
    """A world, and the watch over it, by a clock of its own."""

    def __init__(self, engine: Engine, thresholds: Iterable[int] = ()) -> None:
        self.world = World(engine)
        self.now = NOW
        self._watch = Watch(engine, JUDGED_BY, [*thresholds], clock=lambda: self.now)
        self._cursor = Cursor()

    def define(self, name: str, **condition: Any) -> None:
        with transaction(self.world.engine) as connection:
            defining.add(connection, segment(name, when(**condition), {}), "tests", self.now)

    def stages(self, name: str, bands: Mapping[str, dict[str, Any]]) -> None:
        made = tuple(Band(name=band, when=when(**condition), labels={}) for band, condition in bands.items())
        with transaction(self.world.engine) as connection:
            defining.add(
                connection, RuleSet(name=name, kind=rulesets.Kind.STAGES, bands=made, labels={}), "tests", self.now
            )

    def look(self) -> list[Announcement]:
        """Look, and return what is announced of memberships since the last time."""
        self._watch.drain()
        with transaction(self.world.engine) as connection:
            rows = outbox.read(connection, self._cursor, 100_000)
        self._cursor = rows[-1].cursor if rows else self._cursor
        topics = (SEGMENT_MEMBERSHIP, STAGE_CHANGED, INTENT_ALERT)
        return [each for row in rows for each in row.announcements if each.topic in topics]

    def members(self, name: str) -> Mapping[str, str]:
        with transaction(self.world.engine) as connection:
            return {each.person: each.band for each in store.members(connection, name, None, None, 100_000)}

    def expected(self, name: str) -> Mapping[str, str]:
        with transaction(self.world.engine) as connection:
            sets = store.standing_sets(connection)
            conditions = rulesets.conditions(sets[name], sets)
            by = measuring.measure(connection, conditions, JUDGED_BY, self.now)
            told = everybody.standings(connection, sets[name], conditions, by)
        return {person: band for person, (band, _) in told.items() if band is not None}


@pytest.fixture
def watched(engine: Engine) -> Watched:
    return Watched(engine)


def when(**fields: Any) -> Condition:
    return CONDITION.validate_python(fields)


def reads(world: World, who: str, article: str, days_ago: float = 0, **share: Any) -> Any:
    named = {"article": {"id": article}, "share": share} if share else {"article": {"id": article}}
    return world.happens(who, type="article.read", channel="h5", minute=(1 - days_ago) * DAY, **named)


def shares(world: World, who: str, article: str, token: str, days_ago: float = 0) -> Any:
    fields = {"article": {"id": article}, "share": {"token": token}}
    return world.happens(who, type="article.shared", channel="h5", minute=(1 - days_ago) * DAY, **fields)


def told(announced: Iterable[Announcement]) -> list[tuple[object, ...]]:
    return [(each.key, each.value["segment"], each.value["change"], each.value["reason"]) for each in announced]


def test_who_meets_a_new_definition_enters_and_so_does_who_comes_to_meet_it(watched: Watched) -> None:
    for article in ("a1", "a2"):
        reads(watched.world, A, article, days_ago=3)
    watched.define("readers", **READERS)
    a = watched.world.person(A)
    assert told(watched.look()) == [(a, "readers", "entered", "definition")]

    reads(watched.world, B, "a1")
    reads(watched.world, B, "a3")

    b = watched.world.person(B)
    assert told(watched.look()) == [(b, "readers", "entered", "change")]
    assert watched.members("readers") == {a: "members", b: "members"}
    assert watched.look() == []


def test_who_does_nothing_leaves_when_the_window_has_passed(watched: Watched) -> None:
    reads(watched.world, A, "a1", days_ago=13)
    reads(watched.world, A, "a2", days_ago=3)
    watched.define("readers", **READERS)
    watched.look()

    watched.now = NOW + timedelta(hours=23)
    assert watched.look() == []
    watched.now = NOW + timedelta(hours=25)

    assert told(watched.look()) == [(watched.world.person(A), "readers", "left", "time")]
    assert watched.members("readers") == {}


def test_a_reader_lets_the_one_enter_whose_link_he_came_by_and_leave_when_he_proves_to_be_another_reader(
    watched: Watched,
) -> None:
    watched.define("spreaders", **SPREADERS)
    shares(watched.world, A, "a1", "s", days_ago=5)
    reads(watched.world, B, "a1", 4, token="s")
    assert watched.look() == []

    reads(watched.world, C, "a1", 3, token="s")
    a = watched.world.person(A)
    assert told(watched.look()) == [(a, "spreaders", "entered", "change")]
    watched.world.happens(B, "phone:+8613900000001")
    watched.world.happens("anonymous_id@h5:c", "phone:+8613900000001")
    watched.world.decide(Kind.MUST_LINK, B, C)

    assert told(watched.look()) == [(a, "spreaders", "left", "change")]


def test_a_read_that_is_taken_back_was_not_brought(watched: Watched) -> None:
    watched.define("spreaders", **SPREADERS)
    shares(watched.world, A, "a1", "s", days_ago=5)
    reads(watched.world, B, "a1", 4, token="s")
    wrong = reads(watched.world, C, "a1", 3, token="s")
    watched.look()

    watched.world.decide(Kind.RETRACT, event=wrong)

    assert [each[2] for each in told(watched.look())] == ["left"]


def test_two_who_prove_to_be_one_are_in_it_once(watched: Watched) -> None:
    watched.define("readers", **READERS)
    for who in (A, "phone:+8613900000001"):
        reads(watched.world, who, "a1")
        reads(watched.world, who, "a2")
    watched.look()
    before = set(watched.members("readers"))

    watched.world.happens(A, "phone:+8613900000001")

    (left,) = told(watched.look())
    assert left[0] in before
    assert left[1:] == ("readers", "left", "change")
    assert set(watched.members("readers")) == {watched.world.person(A)}


def test_stages_are_gone_through_and_each_step_is_told(watched: Watched) -> None:
    buyer = {"kind": "ordered"}
    watched.stages("relation", {"buyer": buyer, "reader": {"kind": "read"}, "other": {"kind": "all", "of": []}})
    watched.world.happens(A)
    watched.look()

    reads(watched.world, A, "a1")
    (step,) = watched.look()
    watched.world.happens(A, type="order.paid", channel="shop", order={"id": "o", "amount": 1, "currency": "CNY"})
    (other,) = watched.look()

    assert (step.topic, step.value["from"], step.value["to"]) == (STAGE_CHANGED, "other", "reader")
    assert (other.value["from"], other.value["to"], other.value["kind"]) == ("reader", "buyer", "stages")


def test_intent_that_reaches_a_threshold_is_an_alert_and_so_is_its_fading(engine: Engine) -> None:
    watched = Watched(engine, thresholds=[50])
    watched.look()
    watched.world.happens(A, type="form.submitted", minute=DAY)
    assert watched.look() == []

    watched.world.happens(A, type="support.opened", minute=DAY)
    (up,) = watched.look()
    watched.now = NOW + timedelta(days=14)
    (down,) = watched.look()

    assert (up.topic, up.key, up.value["direction"], up.value["threshold"]) == (
        INTENT_ALERT,
        watched.world.person(A),
        "up",
        50,
    )
    assert up.value["score"] == 60
    assert [each["rule"] for each in up.value["contributions"]] == ["left_his_name", "asked"]
    assert (down.value["direction"], down.value["score"] < 50) == ("down", True)


def test_what_is_defined_by_another_follows_it(watched: Watched) -> None:
    watched.define("readers", **READERS)
    watched.define("others", kind="not", of={"kind": "in", "set": "readers"})
    for article in ("a1", "a2"):
        reads(watched.world, A, article)
    watched.look()
    assert watched.members("others") == {}

    with transaction(watched.world.engine) as connection:
        stricter = segment("readers", when(**{**READERS, "at_least": 3}), {})
        defining.change(connection, stricter, None, "tests", watched.now)

    assert sorted(each[1:3] for each in told(watched.look())) == [("others", "entered"), ("readers", "left")]
    assert set(watched.members("others")) == {watched.world.person(A)}


def test_what_is_removed_is_left_by_everybody(watched: Watched) -> None:
    watched.define("readers", **READERS)
    for article in ("a1", "a2"):
        reads(watched.world, A, article)
    watched.look()

    with transaction(watched.world.engine) as connection:
        defining.remove(connection, "readers", [rulesets.Kind.SEGMENT], "tests", watched.now)

    assert [each[2:] for each in told(watched.look())] == [("left", "definition")]
    with transaction(watched.world.engine) as connection:
        assert store.all_sets(connection) == {}


def test_other_rules_of_intent_are_asked_of_everybody_again(engine: Engine) -> None:
    watched = Watched(engine)
    watched.define("warm", kind="intent", at_least=30)
    watched.world.happens(A, type="support.opened", minute=DAY)
    watched.look()
    assert watched.members("warm") == {}

    rules = {**JUDGED_BY.intent, "asked": replace(JUDGED_BY.intent["asked"], points=40.0)}
    Watch(engine, replace(JUDGED_BY, intent=rules), clock=lambda: NOW).drain()

    assert set(watched.members("warm")) == {watched.world.person(A)}


def test_a_segment_that_cannot_be_asked_stops_no_other(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    for article in ("a1", "a2"):
        reads(watched.world, A, article)
    watched.world.happens(A, type="order.paid", channel="shop", order={"id": "o", "amount": 1, "currency": "CNY"})
    watched.world.happens(B, type="order.paid", channel="shop", order={"id": "p", "amount": 1, "currency": "CNY"})
    watched.define("best", kind="rfm", monetary={"min": 5})
    watched.define("readers", **READERS)

    monkeypatch.setattr(orders, "PURCHASES_MAX", 1)
    watched.look()

    assert set(watched.members("readers")) == {watched.world.person(A)}
    with transaction(watched.world.engine) as connection:
        assert not store.all_sets(connection)["best"].is_live


SETS: Mapping[str, dict[str, Any]] = {
    "readers": READERS,
    "spreaders": SPREADERS,
    "new": {"kind": "seen", "when": "first", "max_days_ago": 30},
    "warm": {"kind": "intent", "at_least": 12},
    "silent": {"kind": "did", "within_days": 20, "at_most": 0},
    "buyers": {"kind": "ordered", "amount_min": 60, "within_days": 60},
    "best": {"kind": "rfm", "monetary": {"min": 4}},
    "by_text": {"kind": "reach", "channel": "sms"},
    "both": {
        "kind": "all",
        "of": [{"kind": "in", "set": "readers"}, {"kind": "not", "of": {"kind": "in", "set": "new"}}],
    },
}


@pytest.mark.parametrize("seed", range(4))
def test_memberships_are_what_a_look_at_everybody_gives(watched: Watched, seed: int) -> None:
    """Whatever happens in whatever order, merges, splits, retractions and time, looked at now and then; a rebuild changes
    nothing; and a subscriber who keeps only what he is told ends with the same."""
    chance = Random(seed)
    kept: dict[str, set[str]] = {name: set() for name in SETS}
    for name, condition in SETS.items():
        watched.define(name, **condition)
    for step in range(12):
        happens(watched.world, seed * 100 + step, 12)
        watched.now += timedelta(days=chance.choice([0, 0, 1, 10]))
        for each in watched.look():
            name, person = each.value["segment"], each.key
            assert (person in kept[name]) == (each.value["change"] == "left")
            (kept[name].add if each.value["change"] == "entered" else kept[name].remove)(person)

        assert {name: set(watched.members(name)) for name in SETS} == {
            name: set(watched.expected(name)) for name in SETS
        }
    with transaction(watched.world.engine) as connection:
        rebuild.rebuild(connection, RULES, INDEX, watched.now)

    assert {name: set(watched.members(name)) for name in SETS} == {name: set(watched.expected(name)) for name in SETS}
    assert {name: set(watched.members(name)) for name in SETS} == kept
    assert sum(map(len, kept.values())) > len(SETS)

"""The laws of the stitcher as it runs: batch by batch against PostgreSQL, with the pure function as the model."""

from random import Random
from unittest.mock import patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from core.directive import Directive
from core.event import Event, Mention
from stitcher import large
from stitcher.rules import Rules
from tests.stitcher import database, histories
from tests.stitcher.histories import BRIDGELESS, SHIPPED, TIGHT

RULES = st.sampled_from([SHIPPED, TIGHT, BRIDGELESS])
# One database serves all examples of a law; each begins by emptying it.
one_database = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def batches(history: list[Event], random: Random) -> list[list[Event]]:
    """Cut *history* anywhere."""
    cuts = sorted(random.sample(range(len(history) + 1), k=random.randint(0, min(4, len(history)))))
    return [part for a, b in zip([0, *cuts], [*cuts, len(history)], strict=True) if (part := history[a:b])]


@one_database
@given(histories.histories(max_size=14), RULES, st.randoms(use_true_random=False))
def test_batch_by_batch_comes_to_the_same_as_all_at_once(
    engine: Engine, history: list[Event], by: Rules, random: Random
) -> None:
    """Looking only at what a batch touches, in any order, with duplicates, gives what looking at everything gives."""
    database.empty(engine)
    shuffled = history + random.sample(history, k=len(history) // 3)
    random.shuffle(shuffled)

    for batch in batches(shuffled, random):
        database.take(engine, batch, by)

    with engine.connect() as connection:
        assert database.state(connection) == histories.state(history, by)


def mixed(history: list[Event], decided: list[Directive], random: Random) -> list[list[Event] | Directive]:
    """Batches of *history*, some of it twice, and between them what is *decided*, in any order."""
    shuffled = history + random.sample(history, k=len(history) // 3)
    random.shuffle(shuffled)
    steps: list[list[Event] | Directive] = [*batches(shuffled, random)]
    for directive in decided:
        steps.insert(random.randint(0, len(steps)), directive)
    return steps


def carry_out(engine: Engine, steps: list[list[Event] | Directive], by: Rules) -> None:
    """Take the steps one by one, as the workers do."""
    for step in steps:
        if isinstance(step, Directive):
            database.decide(engine, step, by)
        else:
            database.take(engine, step, by)


@one_database
@given(histories.histories(), histories.directives(), RULES, st.randoms(use_true_random=False))
def test_whenever_something_is_decided_it_is_as_if_it_had_always_been(
    engine: Engine, history: list[Event], decided: list[Directive], by: Rules, random: Random
) -> None:
    """Laws 4 and 8: directives before, between and after the events come to the same, and so does a replay of all from zero.

    The same people, and the same profiles: every row but those that tell how it came to be so.
    """
    database.empty(engine)
    carry_out(engine, mixed(history, decided, random), by)
    with engine.connect() as connection:
        found, state = database.contents(connection), database.state(connection)

    assert state == histories.state(history, by, decided)
    database.empty(engine)
    carry_out(engine, [*decided, history], by)
    with engine.connect() as connection:
        replayed = database.contents(connection)
    assert {name: rows for name, rows in found.items() if rows != replayed[name]} == {
        name: rows for name, rows in replayed.items() if rows != found[name]
    }


@st.composite
def growing(draw: st.DrawFn) -> list[Event]:
    """A history of people who only grow, into which now and then something falls that does not fit."""
    calm = [
        ("user_id", "", "A"),
        ("email", "", "j@example.com"),
        *(("wechat_openid", f"wx{i}", "o1") for i in range(5)),
    ]
    named = st.lists(st.sampled_from(calm + histories.WEAK), min_size=2, max_size=3, unique=True)
    said = draw(st.lists(st.tuples(named, st.integers(0, 6)), min_size=3, max_size=12))
    history = [
        histories.event(f"g{i}", [Mention(n, v, s) for n, s, v in who], minute=minute)
        for i, (who, minute) in enumerate(said)
    ]
    return history + draw(st.one_of(st.just([]), st.just([]), histories.histories(max_size=3)))


@one_database
@given(st.one_of(growing(), growing(), histories.histories(max_size=14)), RULES, st.randoms(use_true_random=False))
def test_who_only_grows_comes_to_the_same_by_a_summary(
    engine: Engine, history: list[Event], by: Rules, random: Random
) -> None:
    """A person of whom only a summary is looked at becomes whom looking at everything makes of him."""
    database.empty(engine)

    with patch.object(large, "LARGE_FROM", 1):
        for event in random.sample(history, k=len(history)):
            database.take(engine, [event], by)

    with engine.connect() as connection:
        assert database.state(connection) == histories.state(history, by)
        assert _links(connection) == _links_of(history, by)


def _links(connection: Connection) -> set[tuple[object, ...]]:
    return set(connection.execute(text("SELECT one::text, other::text, first_at, last_at, count FROM link")).all())


def _links_of(history: list[Event], by: Rules) -> set[tuple[object, ...]]:
    evidence, _ = histories.resolved(history, by)
    return {(*ends, link.first_at, link.basis.last_at, link.count) for ends, link in evidence.links.items()}


@one_database
@given(histories.histories(), st.randoms(use_true_random=False))
def test_every_id_ever_announced_leads_to_a_living_person(engine: Engine, history: list[Event], random: Random) -> None:
    """One hop from any published id ends at somebody who bears his own id."""
    database.empty(engine)

    for batch in batches(history, random):
        database.take(engine, batch)

    with engine.connect() as connection:
        lost = connection.execute(
            text(
                "SELECT count(*) FROM person AS published LEFT JOIN identifier AS it ON it.id = published.id"
                " LEFT JOIN identifier AS canonical ON canonical.id = it.person_id"
                " WHERE canonical.person_id IS DISTINCT FROM canonical.id OR canonical.id IS NULL"
            )
        ).scalar_one()
    assert lost == 0


@one_database
@given(histories.histories(), st.randoms(use_true_random=False))
def test_every_event_is_one_touchpoint_of_one_living_person(
    engine: Engine, history: list[Event], random: Random
) -> None:
    """Nothing accepted is lost or doubled, and counters add up to the events."""
    database.empty(engine)

    for batch in batches(history + history, random):
        database.take(engine, batch)

    with engine.connect() as connection:
        touchpoints = connection.execute(text("SELECT count(*) FROM touchpoint")).scalar_one()
        owned = connection.execute(
            text("SELECT count(*) FROM touchpoint JOIN identifier ON identifier.id = touchpoint.anchor")
        ).scalar_one()
        counted = connection.execute(text("SELECT coalesce(sum(events), 0) FROM summary")).scalar_one()
    assert touchpoints == len(history)
    assert (
        owned
        == counted
        == sum(
            1
            for e in history
            if any(
                m.role != "hint" and m.namespace != "loyalty" and m.role in ("subject", "context", "recipient")
                for m in e.identifiers
            )
        )
    )


@one_database
@given(histories.histories(), st.randoms(use_true_random=False))
def test_what_is_taken_again_changes_and_announces_nothing(
    engine: Engine, history: list[Event], random: Random
) -> None:
    """Case A5, for everything."""
    database.empty(engine)
    database.take(engine, history)
    with engine.connect() as connection:
        before = database.state(connection)
        announced = connection.execute(text("SELECT count(*) FROM outbox")).scalar_one()

    for batch in batches(history, random):
        database.take(engine, batch)

    with engine.connect() as connection:
        assert database.state(connection) == before
        assert connection.execute(text("SELECT count(*) FROM outbox")).scalar_one() == announced

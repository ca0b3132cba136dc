"""Robots as the stitcher takes them: nobody's, counted, the same whatever came first, and judged again when the rules change."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from core.database import transaction
from core.directive import Directive, EventName, Kind
from core.errors import Contended
from core.event import Article, Event, Mention, Role, Trust
from stitcher import directives, rebuild, robot_evidence
from stitcher.examination import Report, check
from stitcher.previewing import preview
from stitcher.rules import Rules
from stitcher.stitch import stitch
from tests.stitcher import database
from tests.stitcher.histories import DAY, DECIDED, INDEX, SHIPPED, taking_back
from tests.stitcher.test_store_laws import batches, carry_out, mixed, one_database

LAX = replace(SHIPPED, robots=replace(SHIPPED.robots, lists=False, after_sending_seconds=0, burst_seconds=0))
STRICT = replace(SHIPPED, robots=replace(SHIPPED.robots, after_sending_seconds=30, burst_links=2, burst_seconds=20))
RULES = st.sampled_from([SHIPPED, LAX, STRICT])

PHONES = [Mention("phone", f"+861391234567{n}", "", Role.RECIPIENT) for n in range(2)]
COOKIES = [Mention("anonymous_id", f"c{n}", "h5", Role.CONTEXT) for n in range(2)]
USERS = [Mention("user_id", name) for name in "AB"]
CURL = "curl/8.5.0"


def event(
    id: str, type: str, *who: Mention, seconds: float = 0, ip: str | None = None, agent: str = "", **fields: Any
) -> Event:
    at = DAY + timedelta(seconds=seconds)
    context = {**({"ip": ip} if ip else {}), **({"user_agent": agent} if agent else {})}
    source = fields.pop("source", "laws")
    return Event(id, type, "mail", source, Trust.SERVER, at, DECIDED, who, context=context, **fields)


def click(id: str, *who: Mention, token: str = "t1", seconds: float = 60, trap: bool = False, **fields: Any) -> Event:
    hint = Mention("link_token", token, "mail", Role.HINT)
    properties = {"message_id": "m", **({"honeypot": True} if trap else {})}
    return event(id, "mail.clicked", hint, PHONES[0], *who, seconds=seconds, properties=properties, **fields)


def delivered(id: str, seconds: float = 0) -> Event:
    return event(id, "mail.delivered", PHONES[0], seconds=seconds, properties={"message_id": "m"})


def verdicts(engine: Engine) -> Mapping[str, tuple[str, ...]]:
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT body ->> 'id', verdict, reasons FROM touchpoint WHERE verdict IS NOT NULL")
        )
        return {row[0]: (row[1], *row[2]) for row in rows}


def checked(engine: Engine, by: Rules = SHIPPED) -> Report:
    with engine.connect() as connection:
        return check(connection, by, INDEX)


def rebuilt(engine: Engine, by: Rules = SHIPPED) -> None:
    with transaction(engine) as connection:
        rebuild.rebuild(connection, by, INDEX, DAY)


def contents(engine: Engine) -> Mapping[str, Sequence[Any]]:
    with engine.connect() as connection:
        return database.contents(connection)


def count(connection: Connection, table: str) -> int:
    return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def test_what_a_robot_did_links_nothing_presumes_nothing_and_is_nobodys(engine: Engine) -> None:
    """Case F9, and the opening of a link that it had been delivered with."""
    database.take(engine, [event("known", "identify", USERS[0], replace(PHONES[0], role=Role.SUBJECT))])
    with engine.connect() as connection:
        before = {table: count(connection, table) for table in ("identifier", "link", "opening", "outbox", "person")}

    database.take(engine, [click("robot", COOKIES[0], USERS[1], agent=CURL)])

    with engine.connect() as connection:
        after = {table: count(connection, table) for table in before}
        anchors = connection.execute(text("SELECT anchor FROM touchpoint WHERE body ->> 'id' = 'robot'")).scalars()
        assert anchors.all() == [None]
    assert after == before
    assert verdicts(engine) == {"robot": ("bot", "agent")}


@pytest.mark.parametrize("order", ["first", "last", "together"])
def test_who_touches_the_trap_takes_his_other_clicks_with_him_whenever_they_come(engine: Engine, order: str) -> None:
    trap = click("trap", trap=True, token="hidden", seconds=90, ip="203.0.113.1")
    scanned = click("scanned", COOKIES[0], ip="203.0.113.77")
    read = click("read", COOKIES[1], ip="198.51.100.1", seconds=9_000)
    steps = {"first": [[trap], [scanned, read]], "last": [[scanned, read], [trap]], "together": [[read, scanned, trap]]}

    for batch in steps[order]:
        database.take(engine, batch)

    assert verdicts(engine) == {"trap": ("bot", "honeypot"), "scanned": ("bot", "scanner")}
    assert [row[3] for row in contents(engine)["identifier"] if row[1] == "anonymous_id"] == ["c1"]
    assert checked(engine).differences == {}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_click_right_after_the_delivery_is_suspected(engine: Engine, order: tuple[int, int]) -> None:
    history = [delivered("sent"), click("click", COOKIES[0], seconds=1.5)]

    for at in order:
        database.take(engine, [history[at]])

    assert verdicts(engine) == {"click": ("suspected", "too_soon")}


def test_three_links_within_two_seconds_are_a_machines(engine: Engine) -> None:
    for number in range(3):
        database.take(engine, [click(f"c{number}", COOKIES[0], token=f"t{number}", seconds=60 + number / 2)])

    assert verdicts(engine) == {f"c{number}": ("bot", "burst") for number in range(3)}


def test_a_trap_that_is_taken_back_convicts_nobody(engine: Engine) -> None:
    directive = Directive(Kind.RETRACT, "laws", "our own test", DECIDED, event=EventName("laws", "trap"))
    database.take(engine, [click("trap", trap=True, ip="203.0.113.1"), click("c", COOKIES[0], ip="203.0.113.2")])
    before = contents(engine)

    database.decide(engine, directive)
    assert verdicts(engine) == {}
    database.decide(engine, taking_back(directive, 1))

    after = contents(engine)
    assert verdicts(engine)["c"] == ("bot", "scanner")
    assert after["touchpoint"] == before["touchpoint"]
    assert after["robot_evidence"] == before["robot_evidence"]


def test_reads_are_counted_as_a_robots_once_they_are_known_to_be(engine: Engine) -> None:
    database.take(engine, [event("read", "article.read", COOKIES[0], agent=CURL, article=Article("a"))], LAX)
    assert contents(engine)["article"] == []

    rebuilt(engine)
    with engine.connect() as connection:
        assert database.contents(connection)["article"] == [("a", 0, 1)]
    rebuilt(engine, LAX)

    assert contents(engine)["article"] == []
    assert len(contents(engine)["article_touch"]) == 1


def test_a_preview_of_rules_counts_verdicts_and_a_check_names_what_is_otherwise(engine: Engine) -> None:
    database.take(engine, [event("read", "article.read", COOKIES[0], agent=CURL)], LAX)

    with engine.connect() as connection:
        told = preview(connection, SHIPPED, INDEX)

    assert (told.before.verdicts, told.after.verdicts) == ({"human": 1}, {"bot": 1})
    assert checked(engine).differences["touchpoint"] == 1
    assert checked(engine, LAX).differences == {}


def test_two_workers_who_add_to_one_message_meet(engine: Engine) -> None:
    """The second waits for the first, and then tries again; without that neither would know of the other's event."""
    read, trap = click("c", COOKIES[0], ip="203.0.113.2"), click("trap", trap=True, ip="203.0.113.1")

    with transaction(engine) as one:
        stitch(one, {read.uid: read}, SHIPPED, INDEX, DAY)
        with pytest.raises(Contended):
            _take_impatiently(engine, trap)
    database.take(engine, [trap])

    assert verdicts(engine)["c"] == ("bot", "scanner")


def _take_impatiently(engine: Engine, event: Event) -> None:
    with transaction(engine) as connection:
        connection.execute(text("SET LOCAL lock_timeout = '200ms'"))
        stitch(connection, {event.uid: event}, SHIPPED, INDEX, DAY)


def test_what_appears_between_looking_and_locking_is_tried_again(engine: Engine) -> None:
    trap = click("trap", trap=True, ip="203.0.113.1")
    database.take(engine, [click("c", COOKIES[0], ip="203.0.113.2")])

    with patch.object(robot_evidence, "concerned", return_value=set()), pytest.raises(Contended):
        database.take(engine, [trap])
    database.take(engine, [trap])

    assert verdicts(engine)["c"] == ("bot", "scanner")


def test_of_a_message_of_which_too_much_is_said_the_rest_is_judged_and_is_no_sign(engine: Engine) -> None:
    with patch.object(robot_evidence, "SIGNS_MAX", 2):
        database.take(engine, [click("trap", trap=True, ip="203.0.113.1"), delivered("sent", -99)])
        database.take(engine, [click("c", COOKIES[0], ip="203.0.113.2")])

    assert verdicts(engine)["c"] == ("bot", "scanner")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT max(place) FROM robot_evidence")).scalar_one() == 1


def test_a_rebuild_mends_what_is_known_of_messages_and_touches_no_more(engine: Engine) -> None:
    database.take(engine, [click("trap", trap=True, ip="203.0.113.1"), click("c", COOKIES[0], ip="203.0.113.2")])
    right = contents(engine)
    with transaction(engine) as connection:
        connection.execute(text("UPDATE robot_evidence SET said = 2 WHERE said = 3 AND link IS NOT NULL"))
        connection.execute(text("UPDATE touchpoint SET verdict = NULL, reasons = NULL"))

    rebuilt(engine)

    assert contents(engine) == right
    with engine.connect() as connection:
        before = connection.execute(text("SELECT xmin::text, ctid::text FROM robot_evidence")).all()
    rebuilt(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT xmin::text, ctid::text FROM robot_evidence")).all() == before


# Laws


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Mails to one person, opened and clicked at nearly the same time from few networks, among what makes people."""
    history: list[Event] = []
    for number in range(draw(st.integers(1, 9))):
        who = draw(st.lists(st.sampled_from(COOKIES + USERS), max_size=2, unique=True))
        seconds = draw(st.sampled_from([0, 0.5, 1, 10, 25]))
        agent = draw(st.sampled_from(["", "", CURL]))
        id, source = f"e{number}", draw(st.sampled_from(["laws", "import"]))
        match draw(st.integers(0, 5)):
            case 0:
                history.append(delivered(id, seconds))
            case 1:
                article = Article(draw(st.sampled_from("ab")))
                read = event(id, "article.read", *who, seconds=seconds, agent=agent, article=article, source=source)
                history.append(read)
            case _:
                ip = draw(st.sampled_from(["203.0.113.1", "203.0.113.9", "198.51.100.1", None]))
                token, trap = draw(st.sampled_from(["t1", "t2", "t3"])), draw(st.integers(0, 3)) == 0
                history.append(
                    click(id, *who, token=token, seconds=seconds, trap=trap, ip=ip, agent=agent, source=source)
                )
    return history


@st.composite
def decisions(draw: st.DrawFn) -> list[Directive]:
    """Retractions of events and of sources, some of them taken back."""
    decided = []
    for minute in range(draw(st.integers(0, 2))):
        name = EventName(draw(st.sampled_from(["laws", "import"])), f"e{draw(st.integers(0, 8))}")
        whole = draw(st.integers(0, 3)) == 0
        about: dict[str, Any] = {"source": name.source} if whole else {"event": name}
        former = Directive(Kind.RETRACT, "laws", "because", DECIDED + timedelta(minutes=minute), **about)
        decided += [former, taking_back(former, 9)] if draw(st.booleans()) else [former]
    return decided


few = settings(one_database, max_examples=40)


@few
@given(histories(), decisions(), RULES, st.randoms(use_true_random=False))
def test_whatever_comes_first_the_same_are_robots(
    engine: Engine, history: list[Event], decided: list[Directive], by: Rules, random: Random
) -> None:
    """The same verdicts, people and profiles, in any order and any batches, with duplicates, and what is decided in between."""
    database.empty(engine)
    carry_out(engine, mixed(history, decided, random), by)
    found = contents(engine)

    assert checked(engine, by).differences == {}
    database.empty(engine)
    carry_out(engine, [*decided, history], by)
    assert found == contents(engine)


@few
@given(histories(), decisions(), RULES, RULES, st.randoms(use_true_random=False))
def test_other_rules_judge_what_is_recorded_as_if_they_had_always_been_in_force(
    engine: Engine, history: list[Event], decided: list[Directive], before: Rules, after: Rules, random: Random
) -> None:
    """Everything made again under other rules is what comes of taking everything under them from the beginning."""
    database.empty(engine)
    carry_out(engine, [*decided, *batches(history, random)], before)
    rebuilt(engine, after)
    found = contents(engine)

    database.empty(engine)
    carry_out(engine, [*decided, history], after)
    assert found == contents(engine)


@few
@given(histories(), RULES)
def test_every_event_is_one_touchpoint_and_no_robot_has_a_person(
    engine: Engine, history: list[Event], by: Rules
) -> None:
    """Always countable, never an identity."""
    database.empty(engine)

    database.take(engine, history, by)

    with engine.connect() as connection:
        rows = connection.execute(text("SELECT anchor, others, beside, verdict, reasons FROM touchpoint")).all()
    assert len(rows) == len(history)
    assert all((row.verdict is None) == (row.reasons is None) for row in rows)
    assert {(row.anchor, tuple(row.others), row.beside) for row in rows if row.verdict} <= {(None, (), None)}


def test_the_lock_that_others_wait_for_is_taken_only_where_recorded_events_are_concerned(engine: Engine) -> None:
    with patch.object(directives, "lock_exclusively") as alone:
        database.take(engine, [delivered("sent", -99), click("c", COOKIES[0], ip="203.0.113.2")])
        database.take(engine, [click("later", COOKIES[0], ip="203.0.113.2", seconds=99)])

    alone.assert_not_called()

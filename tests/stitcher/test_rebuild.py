"""People and profiles made again: after stitching nothing is different, what is planted is found and mended, and on it goes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from core.database import transaction
from core.directive import Directive
from core.event import Event, Trust
from profiles import official
from profiles.official import OfficialCounts
from stitcher import rebuild
from stitcher.examination import Report, check
from stitcher.rules import Rules
from tests.stitcher import database, histories
from tests.stitcher.histories import BRIDGELESS, DAY, INDEX, SHIPPED, TIGHT
from tests.stitcher.test_cases import event_of
from tests.stitcher.test_store_laws import batches, carry_out, mixed, one_database

RULES = st.sampled_from([SHIPPED, TIGHT, BRIDGELESS])

# Rules by which events are read otherwise: other anchors, other links, identifiers that name nobody any more or do so at last.
_NAMESPACES = SHIPPED.namespaces
OTHERWISE = {
    "a mailbox that is no better than a cookie": {"email": replace(_NAMESPACES["email"], kind="weak")},
    "a device that is as good as a login": {"device_id": replace(_NAMESPACES["device_id"], kind="strong", rank=1)},
    "phones before all else": {"phone": replace(_NAMESPACES["phone"], rank=1)},
    "a kind of identifier that was not known": {"loyalty": replace(_NAMESPACES["phone"], rank=6)},
    "a kind of identifier that only hints": {"wechat_openid": replace(_NAMESPACES["wechat_openid"], kind="hint")},
}
READ_OTHERWISE = st.sampled_from(
    [
        *(replace(SHIPPED, namespaces={**_NAMESPACES, **changed}) for changed in OTHERWISE.values()),
        replace(SHIPPED, namespaces={name: each for name, each in _NAMESPACES.items() if name != "user_id"}),
        replace(SHIPPED, trust=dict.fromkeys(Trust, SHIPPED.trust[Trust.BROWSER])),
    ]
)


def checked(engine: Engine, by: Rules = SHIPPED) -> Report:
    with engine.connect() as connection:
        return check(connection, by, INDEX)


def rebuilt(engine: Engine, by: Rules = SHIPPED) -> Report:
    with transaction(engine) as connection:
        return rebuild.rebuild(connection, by, INDEX, DAY)


def contents(engine: Engine) -> Mapping[str, Sequence[Any]]:
    """Every row of every table, with where in the table it is and by which transaction it was written."""
    with engine.connect() as connection:
        return {
            table: connection.execute(
                text(f"SELECT xmin::text, ctid::text, it::text FROM {table} AS it ORDER BY 2")
            ).all()
            for table in database.TABLES.split(", ")
        }


@one_database
@given(histories.histories(max_size=14), histories.directives(), RULES, st.randoms(use_true_random=False))
def test_after_stitching_nothing_is_different(
    engine: Engine, history: list[Event], decided: list[Directive], by: Rules, random: Random
) -> None:
    """What came batch by batch, with directives in between, is what a check makes of the events; a rebuild writes nothing."""
    database.empty(engine)
    carry_out(engine, mixed(history, decided, random), by)

    report = checked(engine, by)
    before = contents(engine)
    rebuilt(engine, by)

    assert report.differences == {}
    assert report.events == len(history)
    assert {
        name: rows for name, rows in contents(engine).items() if rows != before[name] and name not in MAY_DIFFER
    } == {}


# Where two neighbourhoods were taken for one, which costs time and is no fault, they may be named anew. An article keeps what
# a void event once said of it; a rebuild does not.
MAY_DIFFER = ("identifier", "article")

PLANTED = {
    "a person's id": "UPDATE identifier SET person_id = gen_random_uuid() WHERE namespace = 'phone'",
    "a standing": "UPDATE identifier SET standing = 1 WHERE namespace = 'phone'",
    "a first time": "UPDATE identifier SET first_at = first_at - interval '1 day' WHERE namespace = 'user_id'",
    "whom nobody reported": "UPDATE identifier SET vouched = NOT vouched WHERE namespace = 'email'",
    "a lost identifier": "DELETE FROM identifier WHERE namespace = 'email'",
    "a lost link": "DELETE FROM link WHERE weight = 3",
    "a link too much": "INSERT INTO link SELECT i.id, j.id, 3, now(), now(), 1, 3, now(), NULL FROM identifier i, identifier j"
    " WHERE i.namespace = 'email' AND j.namespace = 'anonymous_id' AND i.id < j.id"
    " UNION SELECT j.id, i.id, 3, now(), now(), 1, 3, now(), NULL FROM identifier i, identifier j"
    " WHERE i.namespace = 'email' AND j.namespace = 'anonymous_id' AND j.id < i.id",
    "a count": "UPDATE link SET count = count + 1",
    "a refusal": "UPDATE link SET refused = 'limit' WHERE weight = 3",
    "a lost opening": "DELETE FROM opening",
    "a summary": "UPDATE summary SET events = events + 1",
    "a lost summary": "DELETE FROM summary",
    "an anchor": "UPDATE touchpoint SET anchor = (SELECT id FROM identifier WHERE namespace = 'email' LIMIT 1), others = '{}'",
    "a void event": "UPDATE touchpoint SET void = true, anchor = NULL, others = '{}' WHERE type = 'article.read'",
}


@pytest.mark.parametrize("planted", PLANTED)
def test_what_is_planted_is_found_and_mended(engine: Engine, planted: str) -> None:
    history = [
        event_of(str(number), fields, number)
        for number, fields in enumerate(
            [
                {"who": "A p:1"},
                {"who": "B p:1"},
                {"who": "m:j"},
                {"who": "c1 p:1", "type": "article.read", "article": "a", "token": "s1"},
                {"who": "c9 t:1=hint m:j=recipient", "type": "sms.clicked"},
            ]
        )
    ]
    database.take(engine, history)
    with engine.connect() as connection:
        right = database.contents(connection)
    with transaction(engine) as connection:
        connection.execute(text(PLANTED[planted]))

    found = checked(engine)
    rebuilt(engine)

    assert found.differences != {}
    with engine.connect() as connection:
        assert database.contents(connection) == right
    assert checked(engine).differences == {}


@one_database
@given(histories.histories(), histories.histories(), RULES, RULES, st.randoms(use_true_random=False))
def test_stitching_goes_on_after_a_rebuild_by_other_rules(
    engine: Engine, history: list[Event], more: list[Event], former: Rules, by: Rules, random: Random
) -> None:
    """A batch by the former rules, a rebuild by other ones and a batch by those: all at once by the latter."""
    database.empty(engine)
    late = [replace(event, id=f"late-{event.id}") for event in more]
    for batch in batches(history, random):
        database.take(engine, batch, former)

    rebuilt(engine, by)

    with engine.connect() as connection:
        assert database.state(connection) == histories.state(history, by)
    assert checked(engine, by).differences == {}
    for batch in batches(late, random):
        database.take(engine, batch, by)
    with engine.connect() as connection:
        assert database.state(connection) == histories.state(history + late, by)
    assert checked(engine, by).differences == {}


@one_database
@given(histories.histories(), histories.histories(max_size=5), READ_OTHERWISE, st.randoms(use_true_random=False))
def test_rules_by_which_events_are_read_otherwise_move_touchpoints_too(
    engine: Engine, history: list[Event], more: list[Event], by: Rules, random: Random
) -> None:
    """To other rules and back: either time all is as if those rules had always been in force, and every id leads somewhere."""
    database.empty(engine)
    late = [replace(event, id=f"late-{event.id}") for event in more]
    for batch in batches(history, random):
        database.take(engine, batch)

    rebuilt(engine, by)

    with engine.connect() as connection:
        assert database.state(connection) == histories.state(history, by)
    assert checked(engine, by).differences == {}
    database.take(engine, late, by)
    with engine.connect() as connection:
        assert database.state(connection) == histories.state(history + late, by)
    rebuilt(engine)
    with engine.connect() as connection:
        assert database.state(connection) == histories.state(history + late)
    assert checked(engine).differences == {}


def test_what_a_platform_counts_is_no_event_and_stays(engine: Engine) -> None:
    counts = OfficialCounts(10, DAY, "the console")
    with transaction(engine) as connection:
        official.record(connection, "a", counts, DAY)

    rebuilt(engine)

    with transaction(engine) as connection:
        assert official.of_article(connection, "a") == counts

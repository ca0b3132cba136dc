"""Every accepted event stands on exactly one timeline, and reading page by page meets each once."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from core.database import transaction
from core.errors import Contended
from core.event import Event, EventUid
from core.identifier import IdentifierId
from profiles import timeline
from profiles.timeline import Entry, Filter, Span, Together
from profiles.touchpoint import Touchpoint
from tests.api.world import NOW, World, index

one_database = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
DAY = NOW - timedelta(days=1)
EVERY = Filter()
ANCHORS = [index(f"user_id:{name}") for name in "ABC"]


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


def touchpoint(event: Event, anchor: IdentifierId | None, *others: IdentifierId) -> Touchpoint:
    return Touchpoint(event, event.uid, anchor, others)


def record(world: World, *touchpoints: Touchpoint) -> None:
    with transaction(world.engine) as connection:
        timeline.record(connection, touchpoints)


def pages(world: World, size: int, wanted: Filter = EVERY, anchors: Sequence[IdentifierId] = ANCHORS) -> list[Entry]:
    found: list[Entry] = []
    after: tuple[datetime, str] | None = None
    with transaction(world.engine) as connection:
        while page := timeline.entries(connection, [Span(i) for i in anchors], wanted, after, size):
            assert len(page) <= size
            found += page
            after = page[-1].occurred_at, page[-1].uid
    return found


standing = st.lists(
    st.tuples(st.sampled_from(ANCHORS), st.integers(0, 3), st.sampled_from(["sms", "web"])), max_size=12
)


@one_database
@given(standing, st.integers(1, 4), st.randoms(use_true_random=False))
def test_page_by_page_every_entry_is_met_once_and_the_newest_first(
    world: World, standing: list[tuple[IdentifierId, int, str]], size: int, random: Random
) -> None:
    """However many happened at the same moment."""
    with transaction(world.engine) as connection:
        connection.execute(text("DELETE FROM touchpoint"))
    all_of_them = [touchpoint(world.event(minute=at, channel=channel), anchor) for anchor, at, channel in standing]
    record(world, *random.sample(all_of_them, len(all_of_them)))

    found = pages(world, size)

    order = sorted(all_of_them, key=lambda t: (t.event.occurred_at, t.uid), reverse=True)
    assert [(entry.uid, entry.anchor, entry.occurred_at) for entry in found] == [
        (t.uid, t.anchor, t.event.occurred_at) for t in order
    ]
    assert pages(world, size, Filter(channel="sms")) == [e for e in found if e.body["channel"] == "sms"]
    since, until = DAY + timedelta(minutes=1), DAY + timedelta(minutes=3)
    assert pages(world, size, Filter(since=since, until=until)) == [e for e in found if since <= e.occurred_at < until]
    assert pages(world, size, anchors=ANCHORS[:1]) == [e for e in found if e.anchor == ANCHORS[0]]


def test_an_entry_has_the_event_as_it_stands_in_the_log(world: World) -> None:
    event = world.event("user_id:A", properties={"quote": '"it\'s" \\ \t\n {} \N{GRINNING FACE}', "none": None})

    record(world, touchpoint(event, ANCHORS[0]))

    [entry] = pages(world, 1)
    assert entry.body["properties"] == event.properties
    assert (entry.body["id"], entry.body["source"]) == (event.id, "shop")


def test_entries_that_stand_elsewhere_can_be_asked_for_and_others_left_out(world: World) -> None:
    own, elsewhere, unwanted = (touchpoint(world.event(minute=n), anchor) for n, anchor in enumerate(ANCHORS))
    record(world, own, elsewhere, unwanted)

    with transaction(world.engine) as connection:
        found = timeline.entries(
            connection,
            [Span(ANCHORS[0]), Span(ANCHORS[2])],
            Filter(),
            None,
            9,
            also=[elsewhere.uid],
            without=[unwanted.uid],
        )
        cut = timeline.entries(connection, [Span(ANCHORS[0])], Filter(channel="sms"), None, 9, also=[elsewhere.uid])

    assert [entry.uid for entry in found] == [elsewhere.uid, own.uid]
    assert cut == []


def test_an_event_that_is_recorded_is_known_to_be(world: World) -> None:
    known, unknown = world.event(), world.event()
    record(world, touchpoint(known, None))

    with transaction(world.engine) as connection:
        assert timeline.taken(connection, [known.uid, unknown.uid]) == {known.uid}
        assert timeline.taken(connection, []) == set()


def test_recording_twice_at_once_is_contention(world: World) -> None:
    event = world.event()
    record(world, touchpoint(event, None))

    with pytest.raises(Contended):
        record(world, touchpoint(event, None))


def test_an_event_of_nobody_stands_on_no_timeline(world: World) -> None:
    event = world.happens("phone:null")

    assert pages(world, 9) == []
    with transaction(world.engine) as connection:
        assert timeline.taken(connection, [event.uid]) == {event.uid}


def test_events_that_name_both_are_found_from_either_end(world: World) -> None:
    a, b, c = ANCHORS
    early, late, other = (world.event(minute=n) for n in range(3))
    record(world, touchpoint(early, a, b), touchpoint(late, b, a, c), touchpoint(other, a, c))

    with transaction(world.engine) as connection:
        both = Together(a, b, early.occurred_at, late.occurred_at)
        found = timeline.naming_both(connection, [both, Together(b, c, NOW, NOW)], 9)
        newest = timeline.naming_both(connection, [both], 1)

    assert [entry.uid for entry in newest[a, b]] == [late.uid]
    assert [entry.uid for entry in found[a, b]] == [late.uid, early.uid]
    assert found[b, c] == []


def test_of_each_device_the_newest_moments_are_found(world: World) -> None:
    events = [world.event(minute=n) for n in range(4)]
    record(world, *(touchpoint(event, ANCHORS[n % 2]) for n, event in enumerate(events)))

    with transaction(world.engine) as connection:
        moments = timeline.newest(connection, ANCHORS, 1)

    found: dict[IdentifierId, EventUid] = {moment.device: moment.uid for moment in moments}
    assert found == {ANCHORS[0]: events[2].uid, ANCHORS[1]: events[3].uid}

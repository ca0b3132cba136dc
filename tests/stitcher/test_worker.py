"""The stitcher's loop on real PostgreSQL: nothing lost, nothing twice, nothing announced that is not so."""

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, cast
from unittest.mock import patch

import pytest
from sqlalchemy import Connection, Engine, text

from core import metrics, outbox
from core.database import connect, transaction
from core.errors import Contended, Unavailable
from core.event import Event, encode
from core.identifier import PersonId
from core.log.port import (
    EVENTS,
    IDENTITY_CHANGED,
    PROFILE_UPDATED,
    QUARANTINE,
    Consumer,
    Position,
    Positions,
    Record,
    Stored,
)
from core.log.postgres import PostgresLog
from core.outbox import Cursor
from profiles.touchpoint import Touchpoint
from stitcher import graph, store
from stitcher.stitch import stitch
from stitcher.worker import GROUP, Stitcher, Taken
from tests.stitcher import database, histories
from tests.stitcher.histories import DAY, INDEX, SHIPPED
from tests.stitcher.test_cases import event_of, id_of, texts

PATIENCE_SECONDS = 20.0


def said(*lines: str) -> list[Event]:
    """Events that name what each of *lines* does, a minute apart."""
    return [event_of(str(number), {"who": who}, number) for number, who in enumerate(lines, 1)]


@pytest.fixture
def log(engine: Engine) -> PostgresLog:
    return PostgresLog(engine, 2)


@pytest.fixture
def stitcher(engine: Engine) -> Stitcher:
    return stitcher_on(engine)


def stitcher_on(engine: Engine) -> Stitcher:
    return Stitcher(engine, SHIPPED, INDEX, lambda: DAY)


def append(log: PostgresLog, events: Sequence[Event]) -> None:
    log.append(EVENTS, [Record(event.id, encode(event)) for event in events])


def stored(*values: bytes) -> list[Stored]:
    return [Stored(EVENTS, 0, Position(place), Record("key", value)) for place, value in enumerate(values)]


@contextmanager
def running(stitcher: Stitcher, consumer: Consumer, batch_events_max: int = 1_000) -> Iterator[threading.Event]:
    """Run *stitcher* beside the test until it is left."""
    stop = threading.Event()
    thread = threading.Thread(target=stitcher.run, args=(consumer, stop, batch_events_max))
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


def wait_until_taken(log: PostgresLog, *, seconds: float = PATIENCE_SECONDS) -> None:
    ended = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if log.committed(EVENTS, GROUP) == log.ends(EVENTS):
            return
        ended.wait(0.02)
    raise AssertionError(f"not taken in {seconds} s: {log.committed(EVENTS, GROUP)} of {log.ends(EVENTS)}")


def announcements(engine: Engine, topic: str) -> list[Mapping[str, Any]]:
    with engine.connect() as connection:
        rows = outbox.read(connection, Cursor(), 10_000)
    return [a.value for row in rows for a in row.announcements if a.topic == topic]


def contents(connection: Connection) -> Mapping[str, Sequence[Any]]:
    """All that the stitcher writes, but for the outbox's own numbers."""
    tables = [table for table in database.TABLES.split(", ") if table != "outbox"]
    found = {name: connection.execute(text(f"SELECT t::text FROM {name} t ORDER BY 1")).all() for name in tables}
    return found | {"outbox": connection.execute(text("SELECT messages::text FROM outbox ORDER BY id")).all()}


# Nothing lost, nothing twice


def test_what_is_in_the_log_becomes_people_and_the_position_follows(
    engine: Engine, log: PostgresLog, stitcher: Stitcher
) -> None:
    history = said("c1", "c1 m:j", "c2", "c2 m:j")
    append(log, history)

    with log.consumer(EVENTS, GROUP) as consumer, running(stitcher, consumer):
        wait_until_taken(log)

    with engine.connect() as connection:
        assert database.state(connection) == histories.state(history)


class Dying:
    """A consumer whose process ends just before it stores its position."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)

    def commit(self, positions: Positions) -> None:
        raise KeyboardInterrupt


def test_who_dies_between_database_and_log_is_read_again_and_nothing_changes(
    engine: Engine, log: PostgresLog, stitcher: Stitcher
) -> None:
    """Fault F25: the database committed first, so what is delivered again is found there."""
    history = said("c1", "c1 m:j", "c2", "c2 m:j", "A p:1")
    append(log, history)
    with log.consumer(EVENTS, GROUP) as consumer, suppress(KeyboardInterrupt):
        stitcher.run(cast(Consumer, Dying(consumer)), threading.Event())
    assert set(log.committed(EVENTS, GROUP).values()) == {0}
    with engine.connect() as connection:
        before = contents(connection)
    assert before["touchpoint"]

    with log.consumer(EVENTS, GROUP) as consumer, running(stitcher, consumer):
        wait_until_taken(log)

    with engine.connect() as connection:
        after = contents(connection)
        assert database.state(connection) == histories.state(history)
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != after[name] and len(before["touchpoint"]) == len(history)] == []


def test_who_dies_before_the_database_commits_has_changed_nothing(engine: Engine, stitcher: Stitcher) -> None:
    """Fault F24."""
    history = said("c1", "c1 m:j")
    with engine.connect() as connection:
        before = contents(connection)

    with patch("core.outbox.enqueue", side_effect=KeyboardInterrupt), suppress(KeyboardInterrupt):
        stitcher.take(stored(*map(encode, history)))

    with engine.connect() as connection:
        assert contents(connection) == before


def test_the_same_event_twice_in_one_batch_counts_once(engine: Engine, stitcher: Stitcher) -> None:
    (event,) = said("c1 A")

    taken = stitcher.take(stored(encode(event), encode(event)))

    assert taken.applied == 1
    with engine.connect() as connection:
        assert connection.execute(text("SELECT sum(events), (SELECT sum(count) FROM link) FROM summary")).one() == (
            1,
            1,
        )


def test_what_comes_again_in_another_batch_is_a_duplicate(stitcher: Stitcher) -> None:
    first, second, third = said("c1 A", "c2 A", "c3 A")
    stitcher.take(stored(encode(first), encode(second)))

    assert stitcher.take(stored(encode(second), encode(third))) == Taken(applied=1, duplicates=1)


def test_a_batch_without_anything_usable_is_taken(engine: Engine, log: PostgresLog, stitcher: Stitcher) -> None:
    append(log, said("", ""))

    with log.consumer(EVENTS, GROUP) as consumer, running(stitcher, consumer):
        wait_until_taken(log)

    assert announcements(engine, PROFILE_UPDATED) == announcements(engine, IDENTITY_CHANGED) == []
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM touchpoint")).scalar_one() == 2


def test_batches_of_one_come_to_the_same(engine: Engine, log: PostgresLog, stitcher: Stitcher) -> None:
    history = said("c1 o:x/wx1", "c1 p:1", "c1 p:2", "A p:1")
    append(log, history)

    with log.consumer(EVENTS, GROUP) as consumer, running(stitcher, consumer, batch_events_max=1):
        wait_until_taken(log)

    with engine.connect() as connection:
        assert database.state(connection) == histories.state(history)


# Quarantine


@pytest.mark.parametrize(
    "value", [b"", b"no JSON", b"\xff\xfe", b"[]", b"null", b'{"id": "1"}', b'{"id": 7, "type": []}'], ids=repr
)
def test_what_cannot_be_read_is_kept_whole_with_its_reason_and_the_rest_is_taken(
    engine: Engine, stitcher: Stitcher, value: bytes
) -> None:
    before, after = said("c1 A", "c2 A")

    taken = stitcher.take(stored(encode(before), value, encode(after)))

    assert taken == Taken(applied=2, quarantined=1)
    with engine.connect() as connection:
        row = connection.execute(
            text("SELECT topic, partition, position, key, value, at, code, detail FROM quarantine")
        )
        *kept, code, detail = row.one()
        assert database.state(connection) == histories.state([before, after])
    assert kept == [EVENTS, 0, 1, "key", value, DAY]
    assert code
    assert detail


def test_what_was_quarantined_and_is_read_again_is_kept_once(engine: Engine, stitcher: Stitcher) -> None:
    for _ in range(2):
        stitcher.take(stored(b"no JSON"))

    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM quarantine")).scalar_one() == 1


def test_what_a_collector_refused_is_kept_whole_and_once(engine: Engine, log: PostgresLog, stitcher: Stitcher) -> None:
    headers = {"source": "wechat:main", "code": "invalid_xml", "detail": "this is not XML"}
    log.append(QUARANTINE, [Record("wechat:main", b"<xml>\x00\xff", headers)])

    for group in ("first", "second"):
        with log.consumer(QUARANTINE, group) as consumer:
            while batch := consumer.read(10, timeout_seconds=0.1):
                stitcher.take_refusals(batch)

    with engine.connect() as connection:
        kept = connection.execute(text("SELECT topic, code, detail, key, value, at FROM quarantine")).one()
    assert tuple(kept) == (
        QUARANTINE,
        "invalid_xml",
        "wechat:main: this is not XML",
        "wechat:main",
        b"<xml>\x00\xff",
        DAY,
    )


@pytest.mark.parametrize("field", ["page.viewed", "web", "A", "2"], ids=["type", "channel", "value", "id"])
def test_what_the_database_cannot_hold_is_kept_back_alone(engine: Engine, stitcher: Stitcher, field: str) -> None:
    """U+0000 cannot come in by our own doors; but others may write to the topic too."""
    good = said("c1 A", "c2 A", "c3 A")
    bad = encode(good[1]).replace(f'"{field}"'.encode(), f'"{field}\\u0000"'.encode())
    assert bad != encode(good[1])

    taken = stitcher.take(stored(encode(good[0]), bad, encode(good[2])))

    assert taken == Taken(applied=2, quarantined=1)
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT position, value FROM quarantine")).one()
        assert database.state(connection) == histories.state([good[0], good[2]])
    assert kept == (1, bad)


# Others in the way


def test_a_contended_batch_is_taken_again(engine: Engine, stitcher: Stitcher) -> None:
    history = said("c1 A", "c2 A")
    load, failures = store.load, [Contended("somebody moved"), Contended("somebody moved")]

    def contended(*arguments: Any, **named: Any) -> store.Region:
        if failures:
            raise failures.pop()
        return load(*arguments, **named)

    with patch("stitcher.store.load", contended):
        taken = stitcher.take(stored(*map(encode, history)))

    assert taken == Taken(applied=2)
    with engine.connect() as connection:
        assert database.state(connection) == histories.state(history)


def test_a_batch_that_stays_contended_is_never_quarantined_and_its_position_stays(
    engine: Engine, log: PostgresLog, stitcher: Stitcher
) -> None:
    """Fault F40: whoever holds the rows, the events wait for him."""
    append(log, said("c1 A"))
    retried = metrics.BATCHES_RETRIED.labels("Contended")
    before = retried._value.get()

    with log.consumer(EVENTS, GROUP) as consumer, patch("stitcher.worker.ATTEMPTS_MAX", 1):
        with patch("stitcher.store.load", side_effect=Contended("held")), running(stitcher, consumer):
            for _ in range(400):
                if retried._value.get() > before:
                    break
                threading.Event().wait(0.05)
        assert retried._value.get() > before
        assert set(log.committed(EVENTS, GROUP).values()) == {0}
        with running(stitcher, consumer):
            wait_until_taken(log)

    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM quarantine")).scalar_one() == 0
        assert connection.execute(text("SELECT count(*) FROM touchpoint")).scalar_one() == 1


def test_an_outage_is_waited_out_and_nothing_is_quarantined(
    engine: Engine, database_url: str, log: PostgresLog
) -> None:
    """Fault F36: every session is ended again and again while the stitcher works."""
    history = said(*(f"c{number} p:{number % 9 + 1}" for number in range(1, 61)))
    own = connect(database_url)
    away = 4
    with (
        PostgresLog(own, 2).consumer(EVENTS, GROUP) as consumer,
        running(stitcher_on(own), consumer, batch_events_max=5),
    ):
        for part in range(away):
            append(log, history[part::away])
            with transaction(engine) as connection:
                connection.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
                )
            threading.Event().wait(0.2)
        wait_until_taken(log)
    own.dispose()

    with engine.connect() as connection:
        assert database.state(connection) == histories.state(history)
        assert connection.execute(text("SELECT count(*) FROM quarantine")).scalar_one() == 0
        assert connection.execute(text("SELECT sum(events) FROM summary")).scalar_one() == len(history)


def test_a_log_that_cannot_be_reached_does_not_end_the_loop(stitcher: Stitcher) -> None:
    stop, reads = threading.Event(), 0

    class Away:
        def read(self, records_max: int, timeout_seconds: float) -> Sequence[Stored]:
            nonlocal reads
            reads += 1
            if reads == 2:
                stop.set()
            raise Unavailable("the log is away")

        def rewind(self) -> None:
            raise Unavailable("the log is away")

    stitcher.run(cast(Consumer, Away()), stop)

    assert reads == 2


def test_a_batch_under_way_is_finished_when_it_is_told_to_stop(
    engine: Engine, log: PostgresLog, stitcher: Stitcher
) -> None:
    append(log, said("c1 A", "c2 A"))
    began, stop = threading.Event(), threading.Event()

    def slowly(*arguments: Any) -> list[Touchpoint]:
        began.set()
        assert stop.wait(PATIENCE_SECONDS)
        return stitch(*arguments)

    with log.consumer(EVENTS, GROUP) as consumer, patch("stitcher.worker.stitch", slowly):
        thread = threading.Thread(target=stitcher.run, args=(consumer, stop))
        thread.start()
        assert began.wait(PATIENCE_SECONDS)
        stop.set()
        thread.join(PATIENCE_SECONDS)

    assert not thread.is_alive()
    with engine.connect() as connection:
        taken = connection.execute(text("SELECT count(*) FROM touchpoint")).scalar_one()
    assert taken == sum(log.committed(EVENTS, GROUP).values()) > 0


# What is announced


def test_versions_of_a_person_rise_by_one_from_one(engine: Engine) -> None:
    history = said("c1 o:x/wx1", "c1 p:1", "c1 p:2", "A p:1", "A p:2", "o:x/wx1 B", "B m:j", "m:j", "A m:k")
    for event in history:
        database.take(engine, [event])

    versions: dict[str, list[int]] = defaultdict(list)
    for value in announcements(engine, PROFILE_UPDATED):
        versions[value["person_id"]].append(value["version"])
    assert len(versions) > 2
    for found in versions.values():
        assert found == list(range(1, len(found) + 1))
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT id::text, version FROM person")).all()
    assert {row.id: row.version for row in kept} == {person: found[-1] for person, found in versions.items()}


def test_a_merge_names_who_was_merged_why_and_by_which_event(engine: Engine) -> None:
    for event in said("c1", "c1 m:j", "c2", "c2 m:j"):
        database.take(engine, [event])

    last = announcements(engine, PROFILE_UPDATED)[-1]

    assert last == {
        "person_id": id_of("c1"),
        "version": 3,
        "reason": "merge",
        "changed": ["events", "identifiers"],
        "merged_from": [id_of("c2")],
        "cause": ["4"],
        "as_of": last["as_of"],
    }
    assert datetime.fromisoformat(last["as_of"]) == DAY
    (merged,) = of_kind(engine, "person.merged")
    assert merged["person_id"] == id_of("c1")
    assert merged["version"] == 3
    assert merged["from"] == [id_of("c2")]
    assert merged["cause"] == ["4"]


def test_a_split_names_the_parts_and_the_event_that_parted_them(engine: Engine) -> None:
    for event in said("A p:1", "p:1 m:x", "B p:1"):
        database.take(engine, [event])

    (split,) = of_kind(engine, "person.split")
    whole = id_of("A")

    assert split["person_id"] == whole
    assert split["cause"] == ["3"]
    updates = [value for value in announcements(engine, PROFILE_UPDATED) if value["cause"] == ["3"]]
    assert {whole, *split["into"]} <= {value["person_id"] for value in updates}
    assert {v["reason"] for v in updates if v["person_id"] in {whole, *split["into"]}} == {"split"}


def test_who_only_changes_his_id_is_merged_into_himself_and_not_split(engine: Engine) -> None:
    """An older event makes another of his identifiers the first: the old id leads to the new one, and that is all."""
    late, early = event_of("late", {"who": "c1 A"}, 10), event_of("early", {"who": "c1"}, 5)
    database.take(engine, [late])
    database.take(engine, [early])

    (merged,) = of_kind(engine, "person.merged")

    assert (merged["person_id"], merged["from"]) == (id_of("c1"), [id_of("A")])
    assert of_kind(engine, "person.split") == []
    assert [value["person_id"] for value in announcements(engine, PROFILE_UPDATED)] == [id_of("A"), id_of("c1")]


def test_an_identifier_that_changes_hands_is_announced_as_moved(engine: Engine) -> None:
    for event in said("A", "B", "A p:1", "B p:1"):
        database.take(engine, [event])

    (moved,) = of_kind(engine, "identifier.moved")

    assert moved["person_id"] == id_of("B")
    assert moved["identifiers"] == [id_of("p:1")]
    assert moved["cause"] == ["4"]


def test_an_identifier_that_nobody_can_own_is_announced_once(engine: Engine) -> None:
    for event in said("A c1", "B c1", "C c1", "A c1"):
        database.take(engine, [event])

    (contested,) = of_kind(engine, "identifier.contested")

    assert contested["identifiers"] == [id_of("c1")]
    assert contested["cause"] == ["2"]


def test_everything_announced_names_an_event_that_caused_it(engine: Engine) -> None:
    """Also where the cause is an event about somebody else."""
    for event in said("c1 o:1/wx1", "c1 p:1", "c2 p:1", "c2 o:2/wx1", "A p:1", "p:1 B", "c1 c2"):
        database.take(engine, [event])

    silent = [value for topic in (PROFILE_UPDATED, IDENTITY_CHANGED) for value in announcements(engine, topic)]

    assert [value for value in silent if not value["cause"]] == []


def test_nobody_is_announced_of_whom_nothing_changed(engine: Engine) -> None:
    database.take(engine, said("A p:1", "B p:2", "C p:3"))
    heard = len(announcements(engine, PROFILE_UPDATED))
    assert heard == 3

    database.take(engine, [event_of("more", {"who": "B"}, 9)])

    (last,) = announcements(engine, PROFILE_UPDATED)[heard:]
    assert last["person_id"] == id_of("B")
    assert last["changed"] == ["events"]
    assert last["reason"] == "event"


def test_an_update_says_what_changed_never_nothing(engine: Engine) -> None:
    for event in [event_of("1", {"who": "c1 A"}, 9), *said("c1", "B c1", "B p:1", "A p:1")]:
        database.take(engine, [event])

    assert [value for value in announcements(engine, PROFILE_UPDATED) if not value["changed"]] == []


def test_a_batch_announces_each_person_once(engine: Engine) -> None:
    database.take(engine, said("c1", "c1 m:j", "c2", "c2 m:j", "A m:j"))

    (update,) = announcements(engine, PROFILE_UPDATED)

    assert update["version"] == 1
    assert update["cause"] == ["1", "2", "3", "4", "5"]
    assert update["merged_from"] == []


def test_nothing_is_announced_when_nothing_is_taken(engine: Engine) -> None:
    history = said("A c1", "B c1", "c1 p:1")
    database.take(engine, history)
    heard = [announcements(engine, topic) for topic in (PROFILE_UPDATED, IDENTITY_CHANGED)]

    database.take(engine, history)

    assert [announcements(engine, topic) for topic in (PROFILE_UPDATED, IDENTITY_CHANGED)] == heard


def test_announcements_have_ids_that_tell_them_apart(engine: Engine) -> None:
    for event in said("c1 o:x/wx1", "c1 p:1", "c1 p:2", "A p:1", "A p:2", "c1 c2", "c2 B"):
        database.take(engine, [event])

    with engine.connect() as connection:
        rows = outbox.read(connection, Cursor(), 1_000)
    ids = [(a.topic, a.id) for row in rows for a in row.announcements]
    assert len(set(ids)) == len(ids)
    assert all(a.key == a.value["person_id"] for row in rows for a in row.announcements)


def test_following_the_announcements_leads_to_the_people_there_are(engine: Engine) -> None:
    """Whoever moves his rows on `merged_from` and listens for what is created knows everybody, and no one else."""
    history = said(
        *("c1", "c1 m:j", "c2", "c2 m:j", "A m:j", "o:x/wx1", "c2 o:x/wx1", "p:1", "p:1 B", "c2 p:1", "m:j B", "A p:2")
    )
    alive: set[PersonId] = set()
    for event in [*history, event_of("early", {"who": "p:2"}, -5)]:
        database.take(engine, [event])
    for value in announcements(engine, IDENTITY_CHANGED):
        match value["type"]:
            case "person.created":
                alive.add(value["person_id"])
            case "person.merged":
                alive = alive - set(value["from"]) | {value["person_id"]}
            case "person.split":
                alive |= {value["person_id"], *value["into"]}

    with engine.connect() as connection:
        state = database.state(connection)
    nobodys = {INDEX_OF[written] for written in state.contested | state.generic}
    assert alive - nobodys == {person for person, _ in state.people}


def of_kind(engine: Engine, kind: str) -> list[Mapping[str, Any]]:
    return [value for value in announcements(engine, IDENTITY_CHANGED) if value["type"] == kind]


INDEX_OF = {written: id_of(short) for short in ("c1", "c2", "p:1", "p:2", "m:j") for written in texts([short])}


# What it costs


def test_the_two_hundredth_user_of_a_kiosk_costs_what_the_second_did(engine: Engine) -> None:
    """Case C2: a contested device draws nobody into what has to be looked at."""
    looked_at = []
    for number in range(1, 201):
        event = event_of(str(number), {"who": f"U{number} d:k"}, number)
        _, evidence = graph.read({event.uid: event}, SHIPPED, INDEX)
        with transaction(engine) as connection:
            region = store.load(connection, evidence, INDEX)
        looked_at.append(len(region.members) + len(region.evidence.links))
        database.take(engine, [event])

    assert max(looked_at[3:]) <= looked_at[2]


def test_an_event_late_by_a_year_is_taken_like_any_other(engine: Engine) -> None:
    early = event_of("early", {"who": "c1 A", "minute": -int(timedelta(days=365).total_seconds() // 60)}, 1)

    assert database.take(engine, [early]) == 1

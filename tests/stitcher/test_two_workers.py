"""Several stitchers at once on one database: what they come to is what one comes to."""

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import timedelta
from random import Random
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Engine, text

from core import outbox
from core.database import connect, transaction
from core.directive import Directive, EventName, Kind
from core.directive import encode as directive_bytes
from core.errors import Contended
from core.event import Event, encode
from core.identifier import IdentifierId
from core.log.kafka import KafkaLog
from core.log.port import DIRECTIVES, EVENTS, IDENTITY_CHANGED, PROFILE_UPDATED, Log, Position, Record, Stored
from core.log.postgres import PostgresLog
from core.outbox import Cursor
from profiles import people
from stitcher import links
from stitcher.worker import GROUP, Stitcher
from tests.stitcher import database, histories
from tests.stitcher.histories import DAY, INDEX, SHIPPED
from tests.stitcher.test_cases import event_of, id_of

WORKERS = 4
PARTITIONS = 4
PATIENCE_SECONDS = 60.0

Open = Callable[[Engine], Log]


def storm(seed: int, size: int) -> list[Event]:
    """Events about few people that link, bridge, contest and part them again and again, from trusted sources and others."""
    random = Random(seed)
    strong = [
        *("A", "B", "C", "D", "E"),
        *(f"o:{number}/wx{account}" for number in range(4) for account in (1, 2)),
        *(f"u:{number}" for number in range(4)),
        *(f"p:{number}" for number in range(8)),
        *(f"m:{letter}" for letter in "abcdef"),
    ]
    weak = [*(f"c{number}" for number in range(24)), "d:1", "d:2"]
    history = []
    for number in range(size):
        tokens = random.sample(strong, k=random.randint(0, 2))
        tokens += random.sample(weak, k=random.randint(0 if tokens else 1, 2))
        fields = {
            "who": " ".join(tokens),
            "minute": random.randint(0, 30),
            "strength": random.choice(["observed", "declared", "proven", "platform"]),
            "trust": random.choice(["server", "server", "browser"]),
        }
        if random.random() < 0.3:
            fields |= {
                "type": random.choice(["article.read", "article.shared"]),
                "article": "a",
                "token": f"s{number % 9}",
            }
        history.append(event_of(str(number), fields, number))
    return history


def by_one_worker(
    engine: Engine, history: Sequence[Event], decided: Sequence[Directive] = ()
) -> Mapping[str, Sequence[Any]]:
    database.empty(engine)
    database.take(engine, history)
    for directive in decided:
        database.decide(engine, directive)
    with engine.connect() as connection:
        return database.contents(connection)


def stored(events: Sequence[Event]) -> list[Stored]:
    return [Stored(EVENTS, 0, Position(0), Record(event.id, encode(event))) for event in events]


def take_all(url: str, history: Sequence[Event], seed: int) -> None:
    """Take all of *history*, shuffled, some of it twice, in batches of any size, on connections of one's own."""
    random = Random(seed)
    engine = connect(url)
    stitcher = Stitcher(engine, SHIPPED, INDEX, lambda: DAY)
    waiting = [*random.sample(history, k=len(history)), *random.sample(history, k=len(history) // 3)]
    while waiting:
        size = random.randint(1, 25)
        batch, waiting = waiting[:size], waiting[size:]
        stitcher.take(stored(batch))
    engine.dispose()


@pytest.mark.parametrize("seed", [1, 2])
def test_a_merge_storm_comes_to_what_one_worker_comes_to(engine: Engine, database_url: str, seed: int) -> None:
    """Fault F38: all take all, overlapping, in different orders, so nearly every batch is in somebody's way."""
    history = storm(seed, 160)
    expected = by_one_worker(engine, history)
    database.empty(engine)

    with ThreadPoolExecutor(WORKERS) as pool:
        for taking in [pool.submit(take_all, database_url, history, worker) for worker in range(WORKERS)]:
            taking.result()

    with engine.connect() as connection:
        found = database.contents(connection)
        assert database.state(connection) == histories.state(history)
        assert [name for name in expected if found[name] != expected[name]] == []
    the_announcements_are_whole_and_in_order(engine)


def decided_about(history: Sequence[Event], seed: int) -> list[Directive]:
    """Directives of every kind about what *history* is made of, some of which take back others."""
    random = Random(seed)
    named = sorted({mention.identifier for event in history for mention in event.identifiers})
    decided: list[Directive] = []
    for number in range(24):
        at = DAY + timedelta(days=2, minutes=number)
        kind = random.choice(list(Kind))
        fields: dict[str, Any] = {"identifiers": tuple(random.sample(named, k=1 if kind is Kind.BLOCK else 2))}
        if kind is Kind.RETRACT:
            events = {"event": EventName("cases", random.choice(history).id)}
            former = {"directive": decided[-1].id} if decided else events
            fields = random.choice([fields, events, events, former])
        decided.append(Directive(kind, "storm", "because", at, **fields))
    return decided


def decide_all(url: str, decided: Sequence[Directive]) -> None:
    """Carry all of *decided* out, while others stitch, as the worker does: again where somebody was in the way."""
    engine = connect(url)
    stitcher = Stitcher(engine, SHIPPED, INDEX, lambda: DAY)
    for directive in decided:
        stitcher.take_directives([Stored(DIRECTIVES, 0, Position(0), Record("directives", directive_bytes(directive)))])
    engine.dispose()


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_decided_amid_the_storm_holds(engine: Engine, database_url: str, seed: int) -> None:
    """Law 8, with directives: whatever was stitched before, meanwhile and after heeds them, and nothing is doubled or lost."""
    history = storm(seed, 120)
    decided = decided_about(history, seed)
    expected = by_one_worker(engine, history, decided)
    database.empty(engine)

    with ThreadPoolExecutor(WORKERS) as pool:
        working = [pool.submit(take_all, database_url, history, worker) for worker in range(WORKERS - 1)]
        working.append(pool.submit(decide_all, database_url, decided))
        for each in working:
            each.result()

    with engine.connect() as connection:
        found = database.contents(connection)
        assert database.state(connection) == histories.state(history, SHIPPED, decided)
        assert [name for name in expected if found[name] != expected[name]] == []
    the_announcements_are_whole_and_in_order(engine)


def test_whom_another_worker_links_to_what_is_being_opened_is_not_overlooked(engine: Engine) -> None:
    """c1 stood apart, until one worker finds that both phones are one person's; while he looks whom c1 saw, it sees somebody."""
    history = [
        event_of(str(number), {"who": who}, number) for number, who in enumerate(["c1 p:1", "c1 p:2", "p:1 p:2"])
    ]
    meanwhile = event_of("3", {"who": "c1 m:j"}, 3)
    database.take(engine, history[:2])
    seen_by = links.seen_by

    def overtaken(connection: Connection, ids: Collection[IdentifierId]) -> set[IdentifierId]:
        seen = seen_by(connection, ids)
        if ids:
            database.take(engine, [meanwhile])
        return seen

    with patch.object(links, "seen_by", overtaken), pytest.raises(Contended):
        database.take(engine, history[2:])
    database.take(engine, history[2:])

    with engine.connect() as connection:
        assert database.state(connection) == histories.state([*history, meanwhile])


def test_the_same_new_person_at_the_same_moment_is_made_once(engine: Engine, database_url: str) -> None:
    """Every worker begins with identifiers that nobody knows yet."""
    history = [event_of(str(number), {"who": f"c{number} p:1"}, number) for number in range(WORKERS * 8)]

    def take(worker: int) -> None:
        own = connect(database_url)
        for event in history[worker::WORKERS]:
            Stitcher(own, SHIPPED, INDEX, lambda: DAY).take(stored([event]))
        own.dispose()

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(take, range(WORKERS)))

    with engine.connect() as connection:
        assert database.state(connection) == histories.state(history)
    the_announcements_are_whole_and_in_order(engine)


def test_versions_rise_in_the_order_in_which_readers_see_them(engine: Engine, database_url: str) -> None:
    """Also where a batch began first, waited for a lock, and was overtaken by a merge of one whom it is about too.

    Otherwise a reader who drops a version that is not above the last drops the merge.
    """
    one, other, last = sorted(("c1", "c2", "c3"), key=id_of)
    database.take(engine, [event_of("1", {"who": f"{one}"}, 1), event_of("2", {"who": f"{other}"}, 2)])
    database.take(engine, [event_of("3", {"who": f"{last} A"}, 3), event_of("4", {"who": "m:j"}, 4)])
    about_all = [event_of(f"all/{who}", {"who": who}, 5) for who in (one, other, "A")]
    merge = event_of("merge", {"who": "A m:j"}, 6)

    with ThreadPoolExecutor(1) as pool:
        with transaction(engine) as connection:
            people.lock(connection, [id_of(other)])
            waiting = pool.submit(take_in_the_end, engine, about_all)
            wait_until(lambda: is_somebody_waiting(engine))
            database.take(engine, [merge])
        waiting.result()

    the_announcements_are_whole_and_in_order(engine)


def take_in_the_end(engine: Engine, batch: list[Event]) -> None:
    """Take *batch* as the worker does: again when another transaction was in the way."""
    with suppress(Contended):
        database.take(engine, batch)
        return
    database.take(engine, batch)


def is_somebody_waiting(engine: Engine) -> bool:
    with engine.connect() as connection:
        return bool(connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one())


def the_announcements_are_whole_and_in_order(engine: Engine) -> None:
    """Of each person every version once, in its order: whoever drops what is not above the last then drops nothing."""
    with engine.connect() as connection:
        rows = outbox.read(connection, Cursor(), 100_000)
    said = [announcement for row in rows for announcement in row.announcements]
    versions: dict[str, list[int]] = defaultdict(list)
    for announcement in said:
        if announcement.topic == PROFILE_UPDATED:
            versions[announcement.key].append(announcement.value["version"])
    missing = {person: found for person, found in versions.items() if sorted(found) != [*range(1, len(found) + 1)]}
    disordered = {person: found for person, found in versions.items() if found != sorted(found)}
    assert missing == {}
    assert disordered == {}
    ids = [(a.topic, a.id) for a in said if a.topic in (PROFILE_UPDATED, IDENTITY_CHANGED)]
    assert len(set(ids)) == len(ids)


# By the log


@pytest.fixture(params=["postgres", pytest.param("kafka", marks=pytest.mark.kafka)])
def open_log(request: pytest.FixtureRequest) -> Iterator[Open]:
    """Open the log as a process of its own would."""
    with ExitStack() as stack:

        def opened(engine: Engine) -> Log:
            if request.param == "kafka":
                log: Log = KafkaLog(request.getfixturevalue("kafka_servers"), PARTITIONS, session_seconds=6)
            else:
                log = PostgresLog(engine, PARTITIONS)
            stack.callback(log.close)
            return log

        yield opened


def test_two_consumers_of_one_group_share_the_work(engine: Engine, database_url: str, open_log: Open) -> None:
    """The second comes while the first is at it, and the first leaves before the end."""
    history = storm(3, 240)
    expected = by_one_worker(engine, history)
    database.empty(engine)
    log, topic = open_log(engine), f"{EVENTS}.{uuid4()}"
    stops = [threading.Event(), threading.Event()]

    with ThreadPoolExecutor(2) as pool:
        append(log, topic, history[:120])
        first = pool.submit(run, database_url, open_log, topic, stops[0])
        wait_until(lambda: taken(engine) > 0)
        second = pool.submit(run, database_url, open_log, topic, stops[1])
        append(log, topic, history[120:])
        wait_until(lambda: log.members(topic, GROUP) == PARTITIONS)
        stops[0].set()
        first.result()
        append(log, topic, history[::3])
        wait_until(lambda: log.committed(topic, GROUP) == log.ends(topic))
        stops[1].set()
        second.result()

    with engine.connect() as connection:
        found = database.contents(connection)
        assert [name for name in expected if found[name] != expected[name]] == []
    the_announcements_are_whole_and_in_order(engine)


def append(log: Log, topic: str, events: Sequence[Event]) -> None:
    log.append(topic, [Record(event.id, encode(event)) for event in events])


def run(url: str, open_log: Open, topic: str, stop: threading.Event) -> None:
    engine = connect(url)
    stitcher = Stitcher(engine, SHIPPED, INDEX, lambda: DAY)
    with open_log(engine).consumer(topic, GROUP) as consumer:
        stitcher.run(consumer, stop, batch_events_max=10)
    engine.dispose()


def taken(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM touchpoint")).scalar_one())


def wait_until(condition: Callable[[], bool]) -> None:
    tick = threading.Event()
    for _ in range(int(PATIENCE_SECONDS / 0.05)):
        if condition():
            return
        tick.wait(0.05)
    raise AssertionError("it did not come to be in time")

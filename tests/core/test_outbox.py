"""The outbox and its relay: every committed change is announced, no other, and each key's in order."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from random import Random
from threading import Barrier, Event
from time import monotonic, sleep
from typing import Any

import orjson
import pytest
from sqlalchemy import Engine, func, select

from core import outbox
from core.database import transaction
from core.errors import Unavailable
from core.log.port import Position, Record, Stored
from core.log.postgres import PostgresLog
from core.outbox import Announcement, Cursor, enqueue
from core.relay import Relay

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TOPIC = "siyu.profile.updated.v1"


def test_what_is_enqueued_is_read_as_it_was(engine: Engine) -> None:
    announcements = [announcement(number, key="k") for number in range(3)]
    write(engine, *announcements)

    with transaction(engine) as connection:
        (row,) = outbox.read(connection, Cursor(), 10)

    assert row.announcements == announcements


def test_a_transaction_is_one_row_and_nothing_is_none(engine: Engine) -> None:
    with transaction(engine) as connection:
        enqueue(connection, [])
    write(engine, *[announcement(number) for number in range(10)])

    assert [len(row.announcements) for row in rows_of(engine)] == [10]


def test_a_large_transaction_is_cut_into_rows_in_order(engine: Engine) -> None:
    announcements = [announcement(number) for number in range(2 * outbox.ROW_ANNOUNCEMENTS_MAX + 1)]
    write(engine, *announcements)

    rows = rows_of(engine)

    assert [len(row.announcements) for row in rows] == [outbox.ROW_ANNOUNCEMENTS_MAX, outbox.ROW_ANNOUNCEMENTS_MAX, 1]
    assert [each for row in rows for each in row.announcements] == announcements


def test_a_rollback_announces_nothing(engine: Engine) -> None:
    with engine.connect() as connection:
        enqueue(connection, [announcement(1)])
        connection.rollback()

    assert rows_of(engine) == []


def test_a_row_waits_for_older_transactions(engine: Engine) -> None:
    with engine.connect() as slow, slow.begin():
        enqueue(slow, [announcement(1)])
        with transaction(engine) as fast:
            enqueue(fast, [announcement(2)])
        assert rows_of(engine) == []

    until(lambda: is_readable(engine))
    assert [each.id for row in rows_of(engine) for each in row.announcements] == ["1", "2"]


def test_no_row_is_skipped_whatever_order_writers_commit_in(engine: Engine) -> None:
    """A cursor that only moves on sees every row of four writers whose transactions take differently long."""
    writers, turns = 4, 40
    done = Event()

    def write(writer: int) -> None:
        random = Random(writer)
        for turn in range(turns):
            with transaction(engine) as connection:
                enqueue(connection, [announcement(f"{writer}/{turn}")])
                sleep(random.choice([0, 0, 0.002, 0.02]))

    def follow() -> list[str]:
        seen, cursor = [], Cursor()
        while True:
            last = done.is_set()
            with transaction(engine) as connection:
                rows = outbox.read(connection, cursor, 5)
            if rows:
                cursor = rows[-1].cursor
                seen += [each.id for row in rows for each in row.announcements]
            elif last:
                return seen

    with ThreadPoolExecutor(writers + 1) as pool:
        following = pool.submit(follow)
        for writing in [pool.submit(write, writer) for writer in range(writers)]:
            writing.result()
        done.set()
        seen = following.result()

    assert Counter(seen) == Counter(f"{writer}/{turn}" for writer in range(writers) for turn in range(turns))


def test_a_reader_of_the_latest_hears_what_comes_after(engine: Engine) -> None:
    write(engine, announcement("before"))
    with transaction(engine) as connection:
        cursor = outbox.latest(connection)
    write(engine, announcement("after"))

    with transaction(engine) as connection:
        rows = outbox.read(connection, cursor, 10)

    assert [each.id for row in rows for each in row.announcements] == ["after"]


def test_what_is_read_at_once_is_bounded(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "READ_BYTES_MAX", 25_000)
    noise = Random(0).randbytes(5_000).hex()
    for number in range(5):
        write(engine, announcement(number, value={"noise": noise}))

    with transaction(engine) as connection:
        assert len(outbox.read(connection, Cursor(), 1)) == 1
        assert 1 <= len(outbox.read(connection, Cursor(), 100)) < 5


def test_an_announcement_is_relayed_as_a_cloud_event(engine: Engine) -> None:
    write(engine, announcement("id-1", key="person", value={"name": "小雨"}))
    log = PostgresLog(engine, 2)

    assert Relay(engine, log).drain() == 1

    (stored,) = relayed(log)
    assert stored.record == Record(
        "person",
        '{"name":"小雨"}'.encode(),
        {
            "ce_id": "id-1",
            "ce_source": "/siyu",
            "ce_type": "profile.updated",
            "ce_specversion": "1.0",
            "ce_time": "2026-11-21T12:00:00+00:00",
            "ce_subject": "person",
            "content-type": "application/json",
        },
    )


def test_a_relay_goes_on_where_the_last_one_stopped(engine: Engine) -> None:
    log = PostgresLog(engine, 2)
    write(engine, announcement(1))
    Relay(engine, log).drain()
    write(engine, announcement(2))

    assert Relay(engine, log).drain() == 1
    assert Relay(engine, log).drain() == 0

    assert sorted(each.record.headers["ce_id"] for each in relayed(log)) == ["1", "2"]


def test_a_relay_that_dies_before_it_stores_its_position_repeats_and_loses_nothing(engine: Engine) -> None:
    announcements = [announcement(number, key=str(number % 3)) for number in range(30)]
    for each in announcements:
        write(engine, each)
    log = Dying(engine, 2)

    with pytest.raises(Unavailable):
        Relay(engine, log).drain()
    Relay(engine, log).drain()

    found = Counter(each.record.headers["ce_id"] for each in relayed(log))
    assert found == {str(number): 2 for number in range(30)}


def test_each_key_keeps_its_order(engine: Engine) -> None:
    """Writers of one key follow each other, as a person's lock makes them; the log has them in that order."""
    log = PostgresLog(engine, 4)
    turns = Barrier(3)

    def write_on(key: str) -> None:
        random = Random(key)
        turns.wait()
        for version in range(30):
            with transaction(engine) as connection:
                enqueue(connection, [announcement(f"{key}/{version}", key=key, value={"version": version})])
                sleep(random.choice([0, 0.003]))

    with running(Relay(engine, log)), ThreadPoolExecutor(3) as pool:
        list(pool.map(write_on, ["a", "b", "c"]))
        until(lambda: sum(log.ends(TOPIC).values()) == 90)

    versions: dict[str, list[int]] = defaultdict(list)
    for each in relayed(log):
        versions[each.record.key].append(orjson.loads(each.record.value)["version"])
    assert versions == {key: list(range(30)) for key in "abc"}


def test_one_relay_works_at_a_time_and_another_takes_over(engine: Engine) -> None:
    log = PostgresLog(engine, 2)
    write(engine, announcement(0))
    with running(Relay(engine, log)):
        until(lambda: sum(log.ends(TOPIC).values()) == 1)
        assert Relay(engine, log).drain() == 0
        with running(Relay(engine, log)):
            write(engine, announcement(1))
            until(lambda: sum(log.ends(TOPIC).values()) == 2)

    write(engine, announcement(2))

    assert Relay(engine, log).drain() == 1
    assert len(relayed(log)) == 3


def test_a_running_relay_hears_of_news_at_once(engine: Engine) -> None:
    log = PostgresLog(engine, 2)
    with running(Relay(engine, log)):
        write(engine, announcement(0))
        until(lambda: sum(log.ends(TOPIC).values()) == 1)

        began = monotonic()
        write(engine, announcement(1))
        until(lambda: sum(log.ends(TOPIC).values()) == 2)
        took_seconds = monotonic() - began

    assert took_seconds < 0.4


def test_a_running_relay_waits_an_outage_out(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.relay.RETRY_SECONDS", 0.05)
    log = Dying(engine, 2)
    write(engine, announcement(0))

    with running(Relay(engine, log)):
        until(lambda: sum(log.ends(TOPIC).values()) == 2)


def test_trimming_takes_what_every_sink_has_passed_and_is_old(engine: Engine) -> None:
    log = PostgresLog(engine, 2)
    relay = Relay(engine, log)
    later = Relay(engine, log, clock=lambda: datetime.now(UTC) + timedelta(days=8))
    write(engine, announcement(1))
    assert later.trim() == 0, "nobody has read it"
    relay.drain()
    write(engine, announcement(2))

    assert relay.trim() == 0, "it is young"
    assert later.trim() == 1, "the second one waits for the log"

    (row,) = rows_of(engine)
    with transaction(engine) as connection:
        assert Cursor() < outbox.trimmed(connection) < row.cursor


def test_trimming_waits_for_the_slowest_sink(engine: Engine) -> None:
    for number in range(3):
        write(engine, announcement(number))
    first, second, third = (row.cursor for row in rows_of(engine))
    with transaction(engine) as connection:
        outbox.store_position(connection, "fast", third)
        outbox.store_position(connection, "slow", first)

        assert outbox.trim(connection, datetime.now(UTC) + timedelta(days=1)) == 1

    assert [row.cursor for row in rows_of(engine)] == [second, third]


def test_the_time_of_an_announcement_is_aware() -> None:
    with pytest.raises(ValueError, match="not aware"):
        announcement(1, time=datetime(2026, 1, 1))  # noqa: DTZ001 - the naive time is what is tested


class Dying(PostgresLog):
    """A log that stores the first append and then dies before it can say so."""

    is_alive = True

    def append(self, topic: str, records: Sequence[Record]) -> Sequence[tuple[int, Position]]:
        placed = super().append(topic, records)
        if self.is_alive:
            self.is_alive = False
            raise Unavailable("died after it stored")
        return placed


class running:  # noqa: N801 - reads as a sentence
    """Run a relay in a thread while the block lasts."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._stop = Event()
        self._pool = ThreadPoolExecutor(1)

    def __enter__(self) -> None:
        self._run = self._pool.submit(self._relay.run, self._stop)

    def __exit__(self, *reason: object) -> None:
        self._stop.set()
        self._run.result(10)
        self._pool.shutdown()


def announcement(number: object, key: str = "key", **given: Any) -> Announcement:
    fields: dict[str, Any] = {"type": "profile.updated", "time": NOW, "value": {"n": str(number)}, **given}
    return Announcement(topic=TOPIC, key=key, id=str(number), **fields)


def write(engine: Engine, *announcements: Announcement) -> None:
    """Announce in one transaction, and wait until the server's own, autovacuum's say, no longer hide it."""
    with transaction(engine) as connection:
        enqueue(connection, announcements)
    until(lambda: is_readable(engine))


def is_readable(engine: Engine) -> bool:
    with transaction(engine) as connection:
        newest = connection.scalar(select(func.max(outbox.outbox.c.xid)))
        return bool(newest < outbox.latest(connection).xid)


def rows_of(engine: Engine) -> Sequence[outbox.Row]:
    with transaction(engine) as connection:
        return outbox.read(connection, Cursor(), 1_000)


def relayed(log: PostgresLog) -> Sequence[Stored]:
    wanted = sum(log.ends(TOPIC).values())
    stored: list[Stored] = []
    with log.consumer(TOPIC, "test") as consumer:
        while len(stored) < wanted:
            stored += consumer.read(100, 1)
    return stored


def until(condition: Any) -> None:
    deadline = monotonic() + 20
    while not condition():
        assert monotonic() < deadline, "it never came about"
        sleep(0.01)

"""What is PostgreSQL's alone: sessions that end, and batches that are too many to fetch at once."""

from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from core.database import transaction
from core.errors import Unavailable
from core.log import postgres
from core.log.partition import partition_of
from core.log.port import Position, Record, Stored
from core.log.postgres import PostgresLog

TOPIC = "test"


def test_a_consumer_whose_session_was_ended_begins_anew(engine: Engine) -> None:
    log = PostgresLog(engine, 2)
    log.append(TOPIC, [Record(str(uuid4()), b"%d" % number) for number in range(20)])
    with log.consumer(TOPIC, "group") as consumer:
        seen = consumer.read(100, 5)
        end_other_sessions(engine)
        with pytest.raises(Unavailable):
            consumer.commit({each.partition: Position(each.position + 1) for each in seen})
        assert log.members(TOPIC, "group") == 0

        again = consumer.read(100, 5)

        assert again == seen
        assert log.members(TOPIC, "group") == 2


def test_a_commit_after_the_session_ended_stores_nothing(engine: Engine) -> None:
    log = PostgresLog(engine, 2)
    log.append(TOPIC, [Record("key", b"")])
    with log.consumer(TOPIC, "group") as consumer:
        (seen,) = consumer.read(100, 5)
        end_other_sessions(engine)
        with pytest.raises(Unavailable):
            consumer.read(1, 0)

        consumer.commit({seen.partition: Position(1)})

    assert set(log.committed(TOPIC, "group").values()) == {0}


def test_a_fetch_is_bounded_in_bytes_and_starves_no_partition(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "READ_BYTES_MAX", 5_000)
    log = PostgresLog(engine, 2)
    busy, quiet = keys_of_two_partitions()
    for number in range(50):
        log.append(TOPIC, [Record(busy, b"%2000d" % number)])
    log.append(TOPIC, [Record(quiet, b"news")])

    with log.consumer(TOPIC, "group") as consumer:
        first = consumer.read(100, 5)
        assert any(each.record.value == b"news" for each in first)
        assert len(first) < 10

        rest: list[Stored] = []
        while fresh := consumer.read(100, 0.1):
            rest += fresh

    values = [int(each.record.value) for each in [*first, *rest] if each.record.key == busy]
    assert values == list(range(50))


def test_consumers_beyond_the_partitions_wait_their_turn(engine: Engine) -> None:
    log = PostgresLog(engine, 1)
    log.append(TOPIC, [Record("key", b"")])
    with log.consumer(TOPIC, "group") as first:
        assert len(first.read(1, 5)) == 1
        with log.consumer(TOPIC, "group") as second:
            assert second.read(1, 0.2) == []
            first.close()

            assert len(second.read(1, 5)) == 1


def end_other_sessions(engine: Engine) -> None:
    with transaction(engine) as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )


def keys_of_two_partitions() -> tuple[str, str]:
    keys = [str(uuid4()) for _ in range(100)]
    first = next(key for key in keys if partition_of(key, 2) == 0)
    return first, next(key for key in keys if partition_of(key, 2) == 1)

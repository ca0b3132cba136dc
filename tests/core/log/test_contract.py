"""The contract of the log (`core/log/port.py`), held by every adapter."""

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from time import monotonic
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from core.database import connect
from core.errors import Unavailable
from core.log.kafka import KafkaLog
from core.log.partition import partition_of
from core.log.port import Log, Position, Record, Stored
from core.log.postgres import PostgresLog
from tests.core.log.reading import (
    another_process,
    commit,
    feed_until,
    halves,
    positions,
    read,
    settle,
    some_records,
    values_by_key,
)

PARTITIONS = 4

Open = Callable[[], Log]


@pytest.fixture(params=["postgres", pytest.param("kafka", marks=pytest.mark.kafka)])
def address(request: pytest.FixtureRequest) -> Sequence[str]:
    """The adapter's name, and where its log is."""
    if request.param == "kafka":
        return ["kafka", *request.getfixturevalue("kafka_servers")]
    return ["postgres", request.getfixturevalue("database_url")]


@pytest.fixture
def open_log(address: Sequence[str]) -> Iterator[Open]:
    """Open one log more on the same records, as another process would."""
    logs: list[Log] = []
    engines: list[Engine] = []

    def opened() -> Log:
        if address[0] == "kafka":
            logs.append(KafkaLog(address[1:], PARTITIONS, session_seconds=6))
        else:
            engines.append(connect(address[1]))
            logs.append(PostgresLog(engines[-1], PARTITIONS))
        return logs[-1]

    yield opened
    for log in logs:
        log.close()
    for engine in engines:
        engine.dispose()


@pytest.fixture
def log(open_log: Open) -> Log:
    return open_log()


@pytest.fixture
def topic() -> str:
    return f"test.{uuid4()}"


@pytest.fixture
def group() -> str:
    return f"test.{uuid4()}"


def test_an_acknowledged_record_is_there_when_the_log_is_opened_again(open_log: Open, topic: str, group: str) -> None:
    record = Record(str(uuid4()), "值".encode(), {"ce_id": "1", "ce_subject": "名"})

    ((partition, position),) = open_log().append(topic, [record])

    with open_log().consumer(topic, group) as consumer:
        assert read(consumer, 1) == [Stored(topic, partition, position, record)]


def test_records_of_one_key_stand_in_one_partition_in_their_order(log: Log, topic: str, group: str) -> None:
    keys = [str(uuid4()) for _ in range(20)]
    records = [Record(key, str(turn).encode()) for turn in range(10) for key in keys]

    placed = [place for part in halves(records) for place in log.append(topic, part)]

    with log.consumer(topic, group) as consumer:
        stored = read(consumer, len(records))
    assert len({each.partition for each in stored}) > 1
    assert all(each.partition == partition_of(each.record.key, PARTITIONS) for each in stored)
    assert values_by_key(stored) == {key: [str(turn).encode() for turn in range(10)] for key in keys}
    assert sorted(placed) == sorted((each.partition, each.position) for each in stored)


def test_positions_have_no_gap_whatever_writers_do_at_the_same_time(log: Log, topic: str, group: str) -> None:
    def write(writer: int) -> list[tuple[int, Position, bytes]]:
        written = []
        for turn in range(25):
            records = [Record(str(uuid4()), f"{writer}/{turn}/{n}".encode()) for n in range(7)]
            places = log.append(topic, records)
            written += [(*place, each.value) for place, each in zip(places, records, strict=True)]
        return written

    with ThreadPoolExecutor(6) as pool:
        written = [each for part in pool.map(write, range(6)) for each in part]

    with log.consumer(topic, group) as consumer:
        stored = read(consumer, len(written))
    assert {(each.partition, each.position, each.record.value) for each in stored} == set(written)
    assert positions(stored) == {at: list(range(end)) for at, end in log.ends(topic).items() if end}


def test_a_reader_at_the_end_misses_nothing_while_writers_race(log: Log, topic: str, group: str) -> None:
    def write(writer: int) -> None:
        for turn in range(20):
            log.append(topic, [Record(str(uuid4()), f"{writer}/{turn}/{n}".encode()) for n in range(3)])

    with log.consumer(topic, group) as consumer, ThreadPoolExecutor(5) as pool:
        writers = [pool.submit(write, writer) for writer in range(5)]
        stored = read(consumer, 5 * 20 * 3)
        for writer in writers:
            writer.result()

    assert len({each.record.value for each in stored}) == 300
    assert all(found == list(range(len(found))) for found in positions(stored).values())


def test_two_consumers_never_share_a_partition_and_read_everything_together(log: Log, topic: str, group: str) -> None:
    stop = Event()
    shares: list[set[int]] = [set(), set()]

    def follow(number: int) -> list[Stored]:
        stored: list[Stored] = []
        with log.consumer(topic, group) as consumer:
            while not stop.is_set():
                fresh = consumer.read(10, 0.2)
                shares[number] = {each.partition for each in fresh} or shares[number]
                commit(consumer, fresh)
                stored += fresh
        return stored

    with ThreadPoolExecutor(2) as pool:
        following = [pool.submit(follow, number) for number in range(2)]
        try:
            settle(lambda: log.members(topic, group) == PARTITIONS)
            appended = feed_until(log, topic, lambda: all(shares) and not shares[0] & shares[1])
            settle(lambda: log.committed(topic, group) == log.ends(topic))
        finally:
            stop.set()
        parts = [each.result() for each in following]

    read_values = Counter(each.record.value for part in parts for each in part)
    assert set(read_values) == set(appended)
    # What was read and not committed when a partition changed hands is read by both, and nothing else is.
    assert sum(read_values.values()) - len(read_values) <= 10 * PARTITIONS


def test_another_consumer_takes_over_when_one_closes(log: Log, topic: str, group: str) -> None:
    records = some_records(40)
    log.append(topic, records)
    with log.consumer(topic, group) as first:
        early = read(first, 10)
        commit(first, early)

    with log.consumer(topic, group) as second:
        late = read(second, len(records) - len(early))

    assert sorted(each.record.value for each in [*early, *late]) == sorted(each.value for each in records)


def test_another_consumer_takes_over_when_one_is_killed(
    log: Log, topic: str, group: str, address: Sequence[str]
) -> None:
    records = some_records(40)
    log.append(topic, records)
    with another_process(address, topic, group) as other:
        assert other.stdout is not None
        committed = int(other.stdout.readline())

        os.kill(other.pid, signal.SIGKILL)

        with log.consumer(topic, group) as consumer:
            late = read(consumer, len(records) - committed)
    done, ends = log.committed(topic, group), log.ends(topic)
    assert positions(late) == {at: list(range(done[at], ends[at])) for at in ends if done[at] < ends[at]}


def test_what_was_not_committed_is_read_again(log: Log, topic: str, group: str) -> None:
    log.append(topic, some_records(20))
    with log.consumer(topic, group) as consumer:
        seen = read(consumer, 20)
        commit(consumer, [each for each in seen if each.partition == seen[0].partition])

    with log.consumer(topic, group) as consumer:
        again = read(consumer, sum(each.partition != seen[0].partition for each in seen))
        assert consumer.read(10, 0.5) == []

    assert positions(again) == positions([each for each in seen if each.partition != seen[0].partition])


def test_a_consumer_rewinds_to_what_is_committed(log: Log, topic: str, group: str) -> None:
    log.append(topic, some_records(20))
    with log.consumer(topic, group) as consumer:
        seen = read(consumer, 20, records_max=7)
        first = [each for each in seen if each.position == 0]
        commit(consumer, first)

        consumer.rewind()

        again = read(consumer, 20 - len(first), records_max=3)
        assert consumer.read(10, 0.2) == []
    assert positions(again) == positions([each for each in seen if each.position > 0])


def test_a_consumer_begins_in_the_midst_of_what_was_appended_together(log: Log, topic: str, group: str) -> None:
    key = str(uuid4())
    log.append(topic, [Record(key, str(n).encode()) for n in range(10)])
    with log.consumer(topic, group) as consumer:
        (third,) = [each for each in read(consumer, 10) if each.position == 3]
        consumer.commit({third.partition: Position(3)})

    with log.consumer(topic, group) as consumer:
        assert [each.position for each in read(consumer, 7)] == list(range(3, 10))


def test_groups_read_without_regard_to_each_other(log: Log, topic: str, group: str) -> None:
    log.append(topic, some_records(10))

    with log.consumer(topic, group) as one, log.consumer(topic, f"{group}.other") as other:
        of_one, of_other = read(one, 10), read(other, 10)
        commit(one, of_one)

    everything = {at: list(range(end)) for at, end in log.ends(topic).items() if end}
    assert positions(of_one) == positions(of_other) == everything
    assert log.committed(topic, group) == log.ends(topic)
    assert set(log.committed(topic, f"{group}.other").values()) == {0}


def test_a_commit_for_a_partition_that_is_not_held_leaves_it_alone(log: Log, topic: str, group: str) -> None:
    log.append(topic, some_records(10))

    with log.consumer(topic, group) as consumer:
        consumer.commit(dict.fromkeys(range(PARTITIONS), Position(1)))

    assert set(log.committed(topic, group).values()) == {0}


def test_large_records_are_records(log: Log, topic: str, group: str) -> None:
    records = [Record(str(uuid4()), os.urandom(200_000)) for _ in range(20)]

    log.append(topic, records)

    with log.consumer(topic, group) as consumer:
        stored = read(consumer, 20, records_max=100)
    assert {each.record.value for each in stored} == {each.value for each in records}


def test_appending_nothing_stores_nothing(log: Log, topic: str) -> None:
    assert log.append(topic, []) == []

    assert log.ends(topic) == dict.fromkeys(range(PARTITIONS), 0)


def test_a_read_waits_no_longer_than_it_may(log: Log, topic: str, group: str) -> None:
    with log.consumer(topic, group) as consumer:
        settle(lambda: not consumer.read(1, 0.1) and log.members(topic, group) == PARTITIONS)

        for timeout_seconds in (0.0, 0.3, 1.0):
            began = monotonic()
            assert consumer.read(10, timeout_seconds) == []
            assert timeout_seconds - 0.01 <= monotonic() - began < timeout_seconds + 0.5


def test_a_waiting_read_returns_when_something_is_appended(log: Log, topic: str, group: str) -> None:
    with log.consumer(topic, group) as consumer, ThreadPoolExecutor(1) as pool:
        settle(lambda: not consumer.read(1, 0.1) and log.members(topic, group) == PARTITIONS)
        reading = pool.submit(consumer.read, 10, 20.0)

        began = monotonic()
        log.append(topic, [Record(str(uuid4()), b"news")])

        assert len(reading.result()) == 1
        assert monotonic() - began < 2


def test_a_topic_keeps_the_partitions_that_it_began_with(
    log: Log, open_log: Open, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.append(topic, some_records(10))
    monkeypatch.setattr(sys.modules[__name__], "PARTITIONS", PARTITIONS + 3)

    assert open_log().ends(topic) == log.ends(topic)


def test_members_counts_the_partitions_that_are_read(log: Log, topic: str, group: str) -> None:
    assert log.members(topic, group) == 0

    with log.consumer(topic, group) as consumer:
        consumer.read(1, 1.0)
        settle(lambda: not consumer.read(1, 0.1) and log.members(topic, group) == PARTITIONS)

    settle(lambda: log.members(topic, group) == 0)


def test_a_log_that_can_be_reached_says_so(log: Log) -> None:
    log.check()


@pytest.mark.parametrize("dead", ["postgres", "kafka"])
def test_a_log_that_cannot_be_reached_says_so(dead: str) -> None:
    engine = connect("postgresql://nobody@127.0.0.1:9/nothing")
    log: Log = PostgresLog(engine, PARTITIONS) if dead == "postgres" else KafkaLog(["127.0.0.1:9"], PARTITIONS)

    with pytest.raises(Unavailable):
        log.check()
    with pytest.raises(Unavailable):
        log.append("topic", some_records(1))
    log.close()
    engine.dispose()

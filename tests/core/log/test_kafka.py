"""What is Kafka's alone: brokers that hang, and writers that are not ours."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from time import monotonic
from uuid import uuid4

import pytest

from core.errors import Unavailable
from core.log.kafka import KafkaLog
from core.log.port import Record

pytestmark = pytest.mark.kafka


def test_appends_go_on_after_a_broker_that_hung(kafka_of_our_own: tuple[str, int]) -> None:
    """What was not acknowledged may be stored; it is not reported as stored, and later appends are not lost with it."""
    server, pid = kafka_of_our_own
    log = KafkaLog([server], 1, delivery_seconds=2)
    log.append("test", [Record("key", b"before")])
    os.kill(pid, signal.SIGSTOP)
    try:
        began = monotonic()
        with pytest.raises(Unavailable):
            log.append("test", [Record("key", b"meanwhile")])
        assert monotonic() - began < 5
    finally:
        os.kill(pid, signal.SIGCONT)

    log.append("test", [Record("key", b"after")])

    with log.consumer("test", "group") as consumer:
        values: list[bytes] = []
        while b"after" not in values:
            values += [each.record.value for each in consumer.read(10, 1)]
    assert set(values) - {b"meanwhile"} == {b"before", b"after"}
    log.close()


def test_a_consumer_of_a_young_topic_is_given_its_partitions(kafka_servers: list[str]) -> None:
    """Also on a busy machine, where a member can join its group before it knows what there is to be given."""
    stop = Event()

    def keep_busy() -> None:
        while not stop.is_set():
            sum(range(10_000))

    log = KafkaLog(kafka_servers, 4)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(keep_busy)
        try:
            for topic in [f"test.{uuid4()}" for _ in range(10)]:
                log.append(topic, [Record("key", b"")])
                with log.consumer(topic, topic) as consumer:
                    assert len(consumer.read(10, 10)) == 1
        finally:
            stop.set()
    log.close()


def test_a_record_that_is_no_text_does_not_stop_its_reader(kafka_servers: list[str]) -> None:
    log = KafkaLog(kafka_servers, 1)
    topic, group = f"test.{uuid4()}", str(uuid4())
    log.append(topic, [Record("key", b"ours")])
    producer = log._producing()
    producer.send(topic, b"theirs", key=b"\xff", headers=[("binary", b"\xfe"), ("ce_id", b"1")]).get(10)
    producer.send(topic, None, key=b"tombstone").get(10)

    with log.consumer(topic, group) as consumer:
        values: list[bytes] = []
        while len(values) < 3:
            values += [each.record.value for each in consumer.read(10, 1)]
    assert values == [b"ours", b"theirs", b""]
    log.close()

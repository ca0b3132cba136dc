"""What the contract of the log is read and written with: records, a reader that does not wait for ever, another process."""

import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event
from time import monotonic
from uuid import uuid4

from core.log.port import Consumer, Log, Position, Record, Stored

ROOT = Path(__file__).parents[3]
TIMEOUT_SECONDS = 30.0


def read(consumer: Consumer, wanted: int, records_max: int = 1_000) -> list[Stored]:
    """Read until *wanted* records have come; the test fails when they do not."""
    stored: list[Stored] = []
    deadline = monotonic() + TIMEOUT_SECONDS
    while len(stored) < wanted:
        assert monotonic() < deadline, f"only {len(stored)} of {wanted} records came"
        fresh = consumer.read(min(records_max, wanted - len(stored)), 1.0)
        assert len(fresh) <= records_max
        stored += fresh
    return stored


def commit(consumer: Consumer, stored: Sequence[Stored]) -> None:
    consumer.commit({each.partition: Position(each.position + 1) for each in stored})


def settle(condition: Callable[[], bool]) -> None:
    deadline = monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert monotonic() < deadline, "it never came about"
        Event().wait(0.05)


def feed_until(log: Log, topic: str, condition: Callable[[], bool]) -> list[bytes]:
    appended: list[bytes] = []

    def fed() -> bool:
        records = some_records(20)
        log.append(topic, records)
        appended.extend(record.value for record in records)
        return condition()

    settle(fed)
    return appended


def some_records(wanted: int) -> list[Record]:
    return [Record(str(uuid4()), uuid4().bytes, {"ce_id": str(number)}) for number in range(wanted)]


def halves(records: Sequence[Record]) -> tuple[Sequence[Record], Sequence[Record]]:
    return records[: len(records) // 2], records[len(records) // 2 :]


def positions(stored: Sequence[Stored]) -> dict[int, list[Position]]:
    found: dict[int, list[Position]] = defaultdict(list)
    for each in stored:
        found[each.partition].append(each.position)
    return dict(found)


def values_by_key(stored: Sequence[Stored]) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = defaultdict(list)
    for each in stored:
        found[each.record.key].append(each.record.value)
    return dict(found)


def another_process(address: Sequence[str], topic: str, group: str) -> "subprocess.Popen[str]":
    """Start a consumer that commits a little, says how much, and then reads on without committing."""
    program = """
import sys, time
from core.database import connect
from core.log.kafka import KafkaLog
from core.log.postgres import PostgresLog
name, where, topic, group = sys.argv[1:]
log = KafkaLog([where], 4, session_seconds=6) if name == "kafka" else PostgresLog(connect(where), 4)
consumer = log.consumer(topic, group)
stored = []
while not stored:
    stored = consumer.read(10, 1.0)
consumer.commit({each.partition: each.position + 1 for each in stored})
sys.stdout.write(f"{len(stored)}\\n")
sys.stdout.flush()
while True:
    consumer.read(10, 1.0)
"""
    command = [sys.executable, "-W", "ignore", "-c", program, address[0], address[1], topic, group]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)

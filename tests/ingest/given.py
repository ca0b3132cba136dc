"""What the tests of collecting begin with: keys, events, a receiver, and a log that a test can hold up or break."""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from core.event import Strength, Trust
from core.identifier import BlindIndex, Namespace
from core.keys import Key, Scope
from core.log.partition import partition_of
from core.log.port import Consumer, Position, Positions, Record
from ingest.commit import GroupCommit
from ingest.intake import Intake
from ingest.receive import Receiver

NOW = datetime(2026, 11, 3, 13, tzinfo=UTC)
PARTITIONS = 4

SERVER = Key("server", frozenset({Scope.EVENTS_WRITE}), "hq", Trust.SERVER)
BROWSER = Key("browser", frozenset({Scope.EVENTS_WRITE}), "h5", Trust.BROWSER)
READER = Key("reader", frozenset({Scope.PEOPLE_READ}), "bi", Trust.SERVER)

INDEX = BlindIndex(b"k" * 32)
NAMESPACES = {
    "user_id": Namespace(1, "strong", "unique", 1),
    "wechat_openid": Namespace(4, "strong", "guarded", 3),
    "phone": Namespace(5, "strong", "owned", 3, reassignable=True),
    "email": Namespace(6, "strong", "owned", 5, reassignable=True),
    "anonymous_id": Namespace(7, "weak"),
}
DEFAULTS = {Trust.BROWSER: Strength.OBSERVED, Trust.SERVER: Strength.OBSERVED, Trust.IMPORT: Strength.DECLARED}


def receiver() -> Receiver:
    return Receiver(NAMESPACES, DEFAULTS, INDEX, lambda: NOW)


def intake(events: GroupCommit) -> Intake:
    """An intake into one log, for events and for what is refused."""
    return Intake(receiver(), events, events, lambda: NOW)


def event(**fields: Any) -> dict[str, Any]:
    """What a sender writes, with *fields* that matter to the test."""
    return {"type": "article.read", "channel": "h5", "occurred_at": "2026-11-03T20:41:07+08:00", **fields}


class MemoryLog:
    """A log in memory. It appends only while it is not `held`, and raises `failure` where there is one."""

    def __init__(self) -> None:
        self.partitions: dict[int, list[Record]] = {partition: [] for partition in range(PARTITIONS)}
        self.appends: list[Sequence[Record]] = []
        self.free = threading.Event()
        self.free.set()
        self.reached = threading.Event()
        self.failures: list[Exception] = []

    def append(self, topic: str, records: Sequence[Record]) -> Sequence[tuple[int, Position]]:
        self.reached.set()
        assert self.free.wait(10), "the test never let go of the log"
        if self.failures:
            raise self.failures.pop(0)
        self.appends.append(records)
        return [self._place(record) for record in records]

    def _place(self, record: Record) -> tuple[int, Position]:
        partition = partition_of(record.key, PARTITIONS)
        self.partitions[partition].append(record)
        return partition, Position(len(self.partitions[partition]) - 1)

    @property
    def records(self) -> list[Record]:
        return [record for records in self.appends for record in records]

    @property
    def ids(self) -> Counter[str]:
        """How often the log has the event of each id."""
        return Counter(orjson.loads(record.value)["id"] for record in self.records)

    def consumer(self, topic: str, group: str) -> Consumer:
        raise NotImplementedError("these tests only write")

    def ends(self, topic: str) -> Positions:
        return {partition: Position(len(records)) for partition, records in self.partitions.items()}

    def committed(self, topic: str, group: str) -> Positions:
        return {}

    def members(self, topic: str, group: str) -> int:
        return 0

    def check(self) -> None:
        return

    def close(self) -> None:
        return


def document(record: Record) -> Mapping[str, Any]:
    """What *record* says."""
    said: Mapping[str, Any] = orjson.loads(record.value)
    return said

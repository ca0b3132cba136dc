"""The log in PostgreSQL: the default, in the database that we have anyway.

As in Kafka, records that are appended together are stored together: one row holds a *batch*, the records of one append
for one partition. A consumer holds a partition by an advisory lock of its own session, so that a partition is free at
the very moment when its reader is gone.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from struct import Struct
from time import monotonic
from typing import Self

import orjson
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Engine,
    Integer,
    LargeBinary,
    Table,
    Text,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.dialects import postgresql

from core.database import metadata, run_alone, transaction
from core.errors import Contended, Unavailable
from core.log.partition import partition_of
from core.log.port import Position, Positions, Record, Stored
from core.session import Session, lock_key

BODY_BYTES_MAX = 1 << 20  # of a batch, unless a single record is larger
READ_BYTES_MAX = 16 << 20  # of batches fetched at once, and one batch more
CHECK_SECONDS = 0.5  # how often a consumer looks for joined and departed ones, and for news that no notice came of

log_head = Table(
    "log_head",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next_position", BigInteger, nullable=False),
)
# The migration sets the storage of `body` to EXTERNAL: the server does not try to compress it.
log_batch = Table(
    "log_batch",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("base_position", BigInteger, primary_key=True, autoincrement=False),
    Column("records", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("appended_at", DateTime(timezone=True), server_default=func.now(), nullable=False),
)
log_position = Table(
    "log_position",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("group", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
)

_CHANNEL = "siyu_log"
_MEMBER = 2**31 - 1  # the number of the lock that every consumer of a group shares; a partition's lock has its number
_BATCH = ("topic", "partition", "base_position", "records", "body")
_FRAMING = b"\x01"
_LENGTHS = Struct(">III")


class PostgresLog:
    """The port on PostgreSQL. A topic gets *partitions* when it is first used, and keeps them."""

    def __init__(self, engine: Engine, partitions: int) -> None:
        self._engine = engine
        self._partitions = partitions
        self._known: dict[str, int] = {}

    def append(self, topic: str, records: Sequence[Record]) -> Sequence[tuple[int, Position]]:
        if not records:
            return []
        total = self._count(topic)
        partitions = [partition_of(record.key, total) for record in records]
        by_partition: dict[int, list[Record]] = defaultdict(list)
        for partition, record in zip(partitions, records, strict=True):
            by_partition[partition].append(record)
        packed = {partition: pack(by_partition[partition]) for partition in sorted(by_partition)}

        positions = {partition: count(first) for partition, first in self._store(topic, packed).items()}
        return [(partition, Position(next(positions[partition]))) for partition in partitions]

    def _store(self, topic: str, packed: dict[int, Sequence[tuple[int, bytes]]]) -> dict[int, int]:
        batches = [(partition, *batch) for partition, batches in packed.items() for batch in _placed(batches)]
        partitions, firsts, records, bodies = zip(*batches, strict=True)
        asked = {
            "topic": topic,
            "partitions": list(partitions),
            "firsts": list(firsts),
            "records": list(records),
            "lengths": [len(body) for body in bodies],
            "bodies": b"".join(bodies),  # an array of them would be written by Python, byte for byte
            "channel": _CHANNEL,
        }
        try:
            heads = run_alone(self._engine, _APPEND, asked)
        except Contended as error:
            raise Unavailable("the log is too busy") from error
        return {head.partition: head.next_position for head in heads}

    def consumer(self, topic: str, group: str) -> "PostgresConsumer":
        return PostgresConsumer(self._engine, topic, group, self._count(topic))

    def ends(self, topic: str) -> Positions:
        self._count(topic)
        with transaction(self._engine) as connection:
            heads = select(log_head.c.partition, log_head.c.next_position).where(log_head.c.topic == topic)
            return {partition: Position(position) for partition, position in connection.execute(heads)}

    def committed(self, topic: str, group: str) -> Positions:
        stored = select(log_position.c.partition, log_position.c.position).where(
            log_position.c.topic == topic, log_position.c.group == group
        )
        zero = dict.fromkeys(range(self._count(topic)), Position(0))
        with transaction(self._engine) as connection:
            return zero | {partition: Position(position) for partition, position in connection.execute(stored)}

    def members(self, topic: str, group: str) -> int:
        with transaction(self._engine) as connection:
            key = lock_key(_group_lock(topic, group))
            return len(connection.execute(_HOLDERS, {"key": key, "first": 0, "last": _MEMBER - 1}).all())

    def check(self) -> None:
        with transaction(self._engine) as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Do nothing: the engine belongs to the one who made it."""

    def _count(self, topic: str) -> int:
        if topic not in self._known:
            with transaction(self._engine) as connection:
                connection.execute(select(func.pg_advisory_xact_lock(lock_key(f"siyu.log.topic {topic}"), 0)))
                rows = [{"topic": topic, "partition": n, "next_position": 0} for n in range(self._partitions)]
                known = connection.scalar(select(func.count()).where(log_head.c.topic == topic))
                if not known:
                    connection.execute(insert(log_head), rows)
                self._known[topic] = known or self._partitions
        return self._known[topic]


class PostgresConsumer:
    """A member of a group. Of *n* members in the order of their sessions, the one at *r* reads every partition p with
    p mod n = r, each as soon as whoever had it before has let go of its lock.
    """

    def __init__(self, engine: Engine, topic: str, group: str, partitions: int) -> None:
        self._engine = engine
        self._topic = topic
        self._group = group
        self._partitions = partitions
        self._lock = _group_lock(topic, group)
        self._next: dict[int, Position] = {}  # the partitions held, and what to fetch next of each
        self._ahead: deque[Stored] = deque()  # fetched and not yet read
        self._balance_at = 0.0
        self._session = self._join()

    def read(self, records_max: int, timeout_seconds: float) -> Sequence[Stored]:
        deadline = monotonic() + timeout_seconds
        if self._session.is_lost:
            self._session = self._join()
        while True:
            self._balance()
            if not self._ahead:
                self._fetch(records_max)
            left_seconds = deadline - monotonic()
            if self._ahead or left_seconds <= 0:
                return [self._ahead.popleft() for _ in range(min(records_max, len(self._ahead)))]
            self._session.wait(min(left_seconds, CHECK_SECONDS))

    def commit(self, positions: Positions) -> None:
        # Through the session that holds the locks: were it lost, nothing would be stored.
        held = [
            {"topic": self._topic, "group": self._group, "partition": partition, "position": position}
            for partition, position in positions.items()
            if partition in self._next and not self._session.is_lost
        ]
        if held:
            statement = postgresql.insert(log_position)
            stored = statement.on_conflict_do_update(
                index_elements=[log_position.c.topic, log_position.c.group, log_position.c.partition],
                set_={"position": statement.excluded.position},
            )
            with self._session.connection() as connection:
                connection.execute(stored.values(held))

    def rewind(self) -> None:
        self._ahead.clear()
        if not self._session.is_lost:
            self._next = self._committed(self._next)

    def close(self) -> None:
        if not self._session.is_lost:
            with self._session.connection() as connection:
                connection.execute(select(func.pg_advisory_unlock_all()))
                connection.execute(select(func.pg_notify(_CHANNEL, self._topic)))
            self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def _join(self) -> Session:
        self._next.clear()
        self._ahead.clear()
        self._balance_at = 0.0
        session = Session(self._engine, _CHANNEL)
        with session.connection() as connection:
            connection.execute(select(func.pg_advisory_lock_shared(lock_key(self._lock), _MEMBER)))
            connection.execute(select(func.pg_notify(_CHANNEL, self._topic)))
        return session

    def _balance(self) -> None:
        if monotonic() < self._balance_at:
            return
        self._balance_at = monotonic() + CHECK_SECONDS
        self._session.wait(0)  # notices that nobody waited for would pile up
        with self._session.connection() as connection:
            key = lock_key(self._lock)
            members = connection.execute(_HOLDERS, {"key": key, "first": _MEMBER, "last": _MEMBER}).all()
            rank = next(rank for rank, member in enumerate(members) if member.is_self)
            share = set(range(rank, self._partitions, len(members)))
            surplus = self._next.keys() - share
            for partition in surplus:
                connection.execute(select(func.pg_advisory_unlock(key, partition)))
                del self._next[partition]
            if surplus:
                connection.execute(select(func.pg_notify(_CHANNEL, self._topic)))
                self._ahead = deque(stored for stored in self._ahead if stored.partition in self._next)
        taken = [partition for partition in share - self._next.keys() if self._session.try_lock(self._lock, partition)]
        self._next |= self._committed(taken)

    def _committed(self, partitions: Iterable[int]) -> dict[int, Position]:
        mine = (log_position.c.topic == self._topic) & (log_position.c.group == self._group)
        with self._session.connection() as connection:
            stored = connection.execute(select(log_position.c.partition, log_position.c.position).where(mine))
            positions = {partition: position for partition, position in stored}  # noqa: C416 - as above
        return {partition: Position(positions.get(partition, 0)) for partition in partitions}

    def _fetch(self, records_max: int) -> None:
        if not self._next:
            return
        asked = {
            "topic": self._topic,
            "partitions": list(self._next),
            "positions": list(self._next.values()),
            "records_max": records_max,
            "bytes_max": READ_BYTES_MAX,
        }
        with self._session.driver() as driver:
            for partition, base, body in driver.execute(_FETCH, asked, binary=True):
                position = self._next[partition]
                records = unpack(body)
                self._ahead.extend(
                    Stored(self._topic, partition, Position(base + offset), record)
                    for offset, record in enumerate(records)
                    if base + offset >= position
                )
                self._next[partition] = Position(base + len(records))


# Who holds a head appends alone until he has committed: positions have no gaps, and are visible in their order. It is one
# statement, for every wait for the server costs a busy process the turn of its thread.
_APPEND = """
WITH head AS (
    SELECT partition, next_position FROM log_head
    WHERE topic = :topic AND partition = ANY(CAST(:partitions AS int[]))
    ORDER BY partition FOR UPDATE
), batch AS (
    SELECT partition, first, records, substring(
        CAST(:bodies AS bytea) FROM CAST(1 + sum(length) OVER (ORDER BY number) - length AS int) FOR length
    ) AS body
    FROM unnest(
        CAST(:partitions AS int[]), CAST(:firsts AS int[]), CAST(:records AS int[]), CAST(:lengths AS int[])
    ) WITH ORDINALITY AS b(partition, first, records, length, number)
), stored AS (
    INSERT INTO log_batch (topic, partition, base_position, records, body)
    SELECT :topic, partition, next_position + first, records, body FROM batch JOIN head USING (partition)
), advanced AS (
    UPDATE log_head SET next_position = head.next_position + b.records
    FROM head JOIN (SELECT partition, sum(records) AS records FROM batch GROUP BY partition) AS b USING (partition)
    WHERE log_head.topic = :topic AND log_head.partition = head.partition
)
SELECT partition, next_position, pg_notify(:channel, :topic) FROM head
"""

# Positions have no gaps, so a batch that begins *records_max* after the first is past what was asked for. Batches
# nearest to their reader come first: a partition that lags far behind does not keep the others waiting.
_FETCH = """
SELECT partition, base_position, body
FROM (
    SELECT b.partition, b.base_position, b.body, b.base_position - h.position AS distance,
           sum(octet_length(b.body)) OVER (ORDER BY b.base_position - h.position, b.partition)
               - octet_length(b.body) AS bytes_before
    FROM unnest(%(partitions)s::int[], %(positions)s::bigint[]) AS h(partition, position)
    JOIN log_batch b ON b.topic = %(topic)s AND b.partition = h.partition
        AND b.base_position < h.position + %(records_max)s
        AND b.base_position >= (
            SELECT coalesce(max(f.base_position), 0) FROM log_batch f
            WHERE f.topic = %(topic)s AND f.partition = h.partition AND f.base_position <= h.position
        )
        AND b.base_position + b.records > h.position
) AS near
WHERE bytes_before < %(bytes_max)s
ORDER BY distance, partition
"""

_HOLDERS = text("""
SELECT pid = pg_backend_pid() AS is_self
FROM pg_locks
WHERE locktype = 'advisory' AND granted AND objsubid = 2
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND classid = CAST(CAST(:key AS bigint) & 4294967295 AS oid) AND CAST(objid AS bigint) BETWEEN :first AND :last
ORDER BY pid
""")


def pack(records: Sequence[Record]) -> Sequence[tuple[int, bytes]]:
    """Frame *records* into bodies of at most `BODY_BYTES_MAX`, each with the number of records in it.

    A body is a version byte and then, for each record, the lengths of key, headers (JSON) and value, and these three.
    """
    bodies: list[tuple[int, bytes]] = []
    frames: list[bytes] = []
    size_bytes = 0
    for record in records:
        frame = _frame(record)
        if frames and size_bytes + len(frame) > BODY_BYTES_MAX:
            bodies.append((len(frames), _FRAMING + b"".join(frames)))
            frames, size_bytes = [], 0
        frames.append(frame)
        size_bytes += len(frame)
    return [*bodies, (len(frames), _FRAMING + b"".join(frames))]


def unpack(body: bytes) -> Sequence[Record]:
    """Return the records of a *body*. Raises `ValueError` for a framing that this release does not know."""
    if body[:1] != _FRAMING:
        raise ValueError(f"a batch is framed in an unknown way ({body[:1]!r})")
    records = []
    at = 1
    while at < len(body):
        key_length, headers_length, value_length = _LENGTHS.unpack_from(body, at)
        key = at + _LENGTHS.size
        headers = key + key_length
        value = headers + headers_length
        at = value + value_length
        records.append(Record(body[key:headers].decode(), body[value:at], orjson.loads(body[headers:value])))
    return records


def _frame(record: Record) -> bytes:
    key = record.key.encode()
    headers = orjson.dumps(record.headers)
    return b"".join((_LENGTHS.pack(len(key), len(headers), len(record.value)), key, headers, record.value))


def _placed(batches: Sequence[tuple[int, bytes]]) -> Iterator[tuple[int, int, bytes]]:
    first = 0
    for records, body in batches:
        yield first, records, body
        first += records


def _group_lock(topic: str, group: str) -> str:
    return f"siyu.log {topic} {group}"

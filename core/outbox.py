"""What we announce, written in the transaction that makes it so: never the one without the other.

Readers follow the outbox by a *cursor*. Rows are ordered by (transaction, id) and read only below the oldest
transaction that is still running: a row can then never appear behind a cursor. A writing transaction that stays open, in
whatever database of the server (a running ANALYZE too), therefore holds back what others announce after it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    DateTime,
    Identity,
    Index,
    Table,
    Text,
    delete,
    func,
    literal_column,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects import postgresql

from core.database import metadata

CHANNEL = "siyu_outbox"  # LISTEN here for news
ROW_ANNOUNCEMENTS_MAX = 1_000
READ_BYTES_MAX = 8 << 20  # of rows read at once, and one row more
TRIM_ROWS_MAX = 1_000

_XID = text("(pg_current_xact_id()::text::bigint)")

# `xid` is the whole 64-bit number, kept as a bigint so that drivers and cursors need no type of their own.
outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("xid", BigInteger, server_default=_XID, nullable=False),
    Column("at", DateTime(timezone=True), server_default=func.now(), nullable=False),
    Column("messages", JSON, nullable=False),
    Index(None, "xid", "id"),
)
outbox_position = Table(
    "outbox_position",
    metadata,
    Column("sink", Text, primary_key=True),
    Column("xid", BigInteger, nullable=False),
    Column("id", BigInteger, nullable=False),
)

_TRIMMED = ""  # as a sink: the last row that was removed


@dataclass(frozen=True, slots=True)
class Announcement:
    """One thing to announce on *topic*; *id* is its CloudEvents id, the same however often it is delivered."""

    topic: str
    key: str
    id: str
    type: str
    time: datetime
    value: Mapping[str, Any]

    def __post_init__(self) -> None:
        if self.time.tzinfo is None:
            raise ValueError("the time of an announcement is not aware")


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """A place in the outbox: all rows up to this one have been read."""

    xid: int = 0
    id: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """The announcements of (a part of) one transaction, in their order, and the cursor that has read them."""

    cursor: Cursor
    announcements: Sequence[Announcement]


def enqueue(connection: Connection, announcements: Sequence[Announcement]) -> None:
    """Write *announcements*, in their order, into the open transaction; readers hear of them when it commits."""
    parts = [
        orjson.dumps(announcements[at : at + ROW_ANNOUNCEMENTS_MAX]).decode()
        for at in range(0, len(announcements), ROW_ANNOUNCEMENTS_MAX)
    ]
    for part in parts:
        connection.execute(_ENQUEUE, {"messages": part, "channel": CHANNEL})


def wake(connection: Connection) -> None:
    """Let those who wait for news look about when the open transaction commits, though nothing is announced."""
    connection.execute(text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})


def read(connection: Connection, after: Cursor, rows_max: int, topic: str | None = None) -> Sequence[Row]:
    """Return up to *rows_max* rows after the cursor, in order, and fewer when they are large.

    A row without a word of *topic* is returned empty: who wants nothing else need not read it.
    """
    bounds = {"xid": after.xid, "id": after.id, "rows_max": rows_max, "bytes_max": READ_BYTES_MAX, "topic": topic}
    rows = connection.execute(_READ, bounds)
    return [Row(Cursor(row.xid, row.id), [_announcement(each) for each in orjson.loads(row.messages)]) for row in rows]


def latest(connection: Connection) -> Cursor:
    """Return the cursor of a reader who wants only what is announced from now on."""
    return Cursor(connection.execute(select(_XMIN)).scalar_one())


def trimmed(connection: Connection) -> Cursor:
    """Return the last row that is gone: a reader whose cursor is before it has missed something and must begin anew."""
    return position(connection, _TRIMMED)


def position(connection: Connection, sink: str) -> Cursor:
    """Return how far *sink* has come: the beginning, if it never stored a position."""
    row = connection.execute(select(_AT.c.xid, _AT.c.id).where(_AT.c.sink == sink)).one_or_none()
    return Cursor(row.xid, row.id) if row else Cursor()


def store_position(connection: Connection, sink: str, cursor: Cursor) -> None:
    """Store how far *sink* has come; until it has stored a position, `trim` does not wait for it."""
    statement = postgresql.insert(_AT).values(sink=sink, xid=cursor.xid, id=cursor.id)
    moved = {"xid": statement.excluded.xid, "id": statement.excluded.id}
    connection.execute(statement.on_conflict_do_update(index_elements=[_AT.c.sink], set_=moved))


def forget(connection: Connection, prefix: str, kept: Collection[str]) -> None:
    """Forget the positions of sinks whose names begin with *prefix*, but those *kept*: nothing waits for them any more."""
    gone = _AT.c.sink.startswith(prefix, autoescape=True) & _AT.c.sink.not_in(kept)
    connection.execute(delete(outbox_position).where(gone))


def trim(connection: Connection, before: datetime) -> int:
    """Remove rows older than *before* that every sink has passed; return how many, `TRIM_ROWS_MAX` at most.

    Without a sink nothing is removed: nobody has announced it yet.
    """
    stored = select(_AT.c.xid, _AT.c.id).where(_AT.c.sink != _TRIMMED)
    passed = [Cursor(xid, id_) for xid, id_ in connection.execute(stored)]
    if not passed:
        return 0
    slowest = min(passed)
    order = outbox.c.xid, outbox.c.id
    old = select(*order).where(outbox.c.at < before, tuple_(*order) <= tuple_(slowest.xid, slowest.id))
    rows = [Cursor(xid, id_) for xid, id_ in connection.execute(old.order_by(*order).limit(TRIM_ROWS_MAX))]
    if rows:
        # In this order: a reader must never miss rows without being told that they are gone.
        store_position(connection, _TRIMMED, rows[-1])
        connection.execute(delete(outbox).where(outbox.c.id.in_([row.id for row in rows])))
    return len(rows)


_AT = outbox_position
_XMIN = literal_column("pg_snapshot_xmin(pg_current_snapshot())::text::bigint", BigInteger)

_ENQUEUE = text("""
WITH written AS (INSERT INTO outbox (messages) VALUES (CAST(:messages AS json)))
SELECT pg_notify(:channel, '')
""")

_READ = text("""
SELECT xid, id, CASE WHEN CAST(:topic AS text) IS NULL OR strpos(CAST(messages AS text), :topic) > 0
                     THEN CAST(messages AS text) ELSE '[]' END AS messages
FROM (
    SELECT *, sum(size) OVER (ORDER BY xid, id) - size AS bytes_before
    FROM (
        SELECT xid, id, messages, pg_column_size(messages) AS size
        FROM outbox
        WHERE (xid, id) > (:xid, :id) AND xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
        ORDER BY xid, id
        LIMIT :rows_max
    ) AS next_rows
) AS sized
WHERE bytes_before < :bytes_max
ORDER BY xid, id
""")


def _announcement(stored: Mapping[str, Any]) -> Announcement:
    return Announcement(**{**stored, "time": datetime.fromisoformat(stored["time"])})

"""Who looked at whom: every look at personal data in clear is written down before it is answered, and nothing of it is forgotten.

What is written says what was asked, never what was seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
from sqlalchemy import JSON, BigInteger, Column, Connection, DateTime, Identity, Table, Text, text

from core.database import metadata, run

audit_table = Table(
    "audit",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("key", Text, nullable=False, comment="who looked"),
    Column("what", Text, nullable=False),
    Column("filters", JSON, nullable=False),
    Column("count", BigInteger, comment="rows that were seen; NULL: one answer"),
)


@dataclass(frozen=True, slots=True)
class Look:
    """That *key* looked at *what* (a route, an export), asked for by *filters*; *count* rows, where it is not one answer."""

    at: datetime
    key: str
    what: str
    filters: Mapping[str, object]
    count: int | None = None


def record(connection: Connection, looks: Sequence[Look]) -> None:
    """Write *looks* down."""
    run(
        connection,
        """
        INSERT INTO audit (at, key, what, filters, count)
        SELECT at, key, what, CAST(filters AS json), count
          FROM json_to_recordset(:rows) AS r(at timestamptz, key text, what text, filters text, count bigint)
        """,
        [
            {
                "at": look.at,
                "key": look.key,
                "what": look.what,
                "filters": orjson.dumps(look.filters, default=str).decode(),
                "count": look.count,
            }
            for look in looks
        ],
    )


def listing(connection: Connection, after: int | None, most: int) -> Sequence[tuple[int, Look]]:
    """Return up to *most* looks, each with its number, the latest first, from behind the number *after*."""
    rows = connection.execute(
        text(
            "SELECT id, at, key, what, filters, count FROM audit"
            " WHERE CAST(:after AS bigint) IS NULL OR id < CAST(:after AS bigint) ORDER BY id DESC LIMIT :most"
        ),
        {"after": after, "most": most},
    )
    return [(row.id, Look(row.at, row.key, row.what, row.filters, row[5])) for row in rows]

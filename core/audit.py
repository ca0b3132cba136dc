"""Who looked at whom: every look at personal data in clear is written down before it is answered, and nothing of it is forgotten.

What is written says what was asked, never what was seen. What is done with keys and sessions, and who reads this very
list, is written down too.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import JSON, BigInteger, Column, Connection, DateTime, Identity, Index, Table, Text, Uuid, select

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
    Column("session", Text, comment="of the console, by which; NULL: by the key itself"),
    Column("person_id", Uuid(as_uuid=False), comment="at whom; NULL: at several, or at none"),
    Index("audit_at_idx", "at", "id"),
    Index("audit_key_idx", "key", "id"),
    Index("audit_what_idx", "what", "id"),
    Index("audit_person_idx", "person_id", "id"),
)


@dataclass(frozen=True, slots=True)
class Look:
    """That *key* looked at *what* (a route, a command, an export), asked for by *filters*; *count* rows, where not one answer.

    *person* is whom it is about, by the id that was asked for; *session* that of the console, where he asked by it.
    """

    at: datetime
    key: str
    what: str
    filters: Mapping[str, object]
    count: int | None = None
    session: str | None = None
    person: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which looks are asked for: those of a *key*, at *what*, not before *since*, before *until*, at one of *persons*."""

    key: str | None = None
    what: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    persons: Collection[str] | None = None


EVERYTHING = Wanted()


def record(connection: Connection, looks: Sequence[Look]) -> None:
    """Write *looks* down."""
    run(
        connection,
        """
        INSERT INTO audit (at, key, what, filters, count, session, person_id)
        SELECT at, key, what, CAST(filters AS json), count, session, person
          FROM json_to_recordset(:rows)
            AS r(at timestamptz, key text, what text, filters text, count bigint, session text, person uuid)
        """,
        [
            {
                "at": look.at,
                "key": look.key,
                "what": look.what,
                "filters": orjson.dumps(look.filters, default=str).decode(),
                "count": look.count,
                "session": look.session,
                "person": look.person,
            }
            for look in looks
        ],
    )


def listing(
    connection: Connection, after: int | None, most: int, wanted: Wanted = EVERYTHING
) -> Sequence[tuple[int, Look]]:
    """Return up to *most* looks, each with its number, the latest first, from behind the number *after*."""
    of = audit_table.c
    asked: Sequence[tuple[object, Callable[[Any], Any]]] = [
        (after, of.id.__lt__),
        (wanted.key, of.key.__eq__),
        (wanted.what, of.what.__eq__),
        (wanted.since, of.at.__ge__),
        (wanted.until, of.at.__lt__),
        (wanted.persons, of.person_id.in_),
    ]
    conditions = [condition(given) for given, condition in asked if given is not None]
    rows = connection.execute(select(audit_table).where(*conditions).order_by(of.id.desc()).limit(most))
    return [(row.id, Look(row.at, row.key, row.what, row.filters, row[5], row.session, row.person_id)) for row in rows]

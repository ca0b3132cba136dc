"""Openings in PostgreSQL: who was first to open a link that was sent to somebody."""

from collections.abc import Collection, Mapping

from sqlalchemy import ARRAY, Column, Connection, DateTime, Table, Text, Uuid, text

from core.database import array, copy, metadata
from core.identifier import IdentifierId
from stitcher.graph import Opening

opening_table = Table(
    "opening",
    metadata,
    Column("token_id", Uuid, primary_key=True, comment="the blind index of the link's token"),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("event_id", Text, nullable=False),
    Column("uid", Uuid, nullable=False),
    Column("opener", Uuid, nullable=False, index=True),
    Column("recipients", ARRAY(Uuid), nullable=False, comment="to whom the link was delivered"),
)


def of_tokens(connection: Connection, tokens: Collection[IdentifierId]) -> dict[IdentifierId, Opening]:
    """Return the first opening of each of the links *tokens* that was opened."""
    return _found(connection, "token_id", tokens)


def by_openers(connection: Connection, openers: Collection[IdentifierId]) -> dict[IdentifierId, Opening]:
    """Return, by token, what *openers* were the first to open."""
    return _found(connection, "opener", openers)


def write(
    connection: Connection, before: Mapping[IdentifierId, Opening], after: Mapping[IdentifierId, Opening]
) -> None:
    """Write the difference between the first openings that were known *before* and those known *after*."""
    columns = ("token_id", "at", "event_id", "uid", "opener", "recipients")
    rows = {
        t: (t, o.at, o.event_id, o.uid, o.opener, array(o.recipients)) for t, o in after.items() if before.get(t) != o
    }
    changed = [token for token in before if before[token] != after.get(token)]
    if changed:
        connection.execute(
            text("DELETE FROM opening WHERE token_id = ANY(CAST(:ids AS uuid[]))"), {"ids": array(changed)}
        )
    copy(connection, "opening", columns, rows.values())


def _found(connection: Connection, column: str, ids: Collection[IdentifierId]) -> dict[IdentifierId, Opening]:
    if not ids:
        return {}
    statement = text(
        "SELECT token_id::text, at, event_id, uid::text, opener::text, recipients::text[] FROM opening"  # noqa: S608 - no value in it
        f" WHERE {column} = ANY(CAST(:ids AS uuid[]))"
    )
    rows = connection.execute(statement, {"ids": array(ids)}).all()
    return {row[0]: Opening(row[1], row[2], row[3], row[4], tuple(row[5])) for row in rows}

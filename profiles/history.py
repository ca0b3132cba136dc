"""What happened to people as people: merges, splits, moves. Entries of the timeline, and the memory of who was who."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, Column, Connection, DateTime, Table, Text, Uuid, text

from core.database import array, copy, metadata
from core.identifier import IdentifierId, PersonId

identity_change_table = Table(
    "identity_change",
    metadata,
    Column("person_id", Uuid, primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("others", ARRAY(Uuid), nullable=False, comment="people merged from, or split into"),
    Column("identifiers", ARRAY(Uuid), nullable=False),
    Column("cause", ARRAY(Text), nullable=False, comment="ids of the events that brought it about"),
    Column("at", DateTime(timezone=True), nullable=False),
)


@dataclass(frozen=True, slots=True)
class IdentityChange:
    """A merge, split or move, as it was announced."""

    person: PersonId
    version: int
    kind: str
    others: Sequence[PersonId]
    identifiers: Sequence[IdentifierId]
    cause: Sequence[str]
    at: datetime


def record(connection: Connection, changes: Sequence[IdentityChange]) -> None:
    """Write *changes*."""
    copy(
        connection,
        "identity_change",
        ("person_id", "version", "kind", "others", "identifiers", "cause", "at"),
        ((c.person, c.version, c.kind, array(c.others), array(c.identifiers), list(c.cause), c.at) for c in changes),
    )


def of_person(
    connection: Connection, person_id: PersonId, since: datetime | None, until: datetime | None, most: int
) -> list[IdentityChange]:
    """Return up to *most* changes of a person, the newest first, with *since* ≤ time < *until* (`None`: no bound)."""
    rows = connection.execute(
        text(
            "SELECT person_id::text, version, kind, others::text[], identifiers::text[], cause, at FROM identity_change"
            " WHERE person_id = CAST(:id AS uuid)"
            "   AND (CAST(:since AS timestamptz) IS NULL OR at >= CAST(:since AS timestamptz))"
            "   AND (CAST(:until AS timestamptz) IS NULL OR at < CAST(:until AS timestamptz))"
            " ORDER BY at DESC, version DESC, kind LIMIT :most"
        ),
        {"id": person_id, "since": since, "until": until, "most": most},
    )
    return [IdentityChange(*row) for row in rows]

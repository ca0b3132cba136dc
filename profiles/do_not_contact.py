"""Identifiers that must never be addressed, whoever bears them: kept by their blind index, so that it outlives the person.

It goes before every consent, and nothing but taking it off the list undoes it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, DateTime, Index, Table, Text, Uuid, text

from core.database import array, metadata, run
from core.errors import InvalidEvent, NotFound
from core.identifier import BlindIndex, Identifier, IdentifierId, parse
from profiles import masking, people
from profiles.consent import ADDRESSES
from profiles.people import Member
from profiles.segments import store

REASON_LENGTH_MAX = 1_000

do_not_contact_table = Table(
    "do_not_contact",
    metadata,
    Column("identifier_id", Uuid, primary_key=True, comment="the blind index of what is not to be addressed"),
    Column("masked", Text, nullable=False, comment="as much of it as may be shown"),
    Column("reason", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("by", Text, nullable=False),
    Index("do_not_contact_at_idx", "at", "identifier_id"),
)


@dataclass(frozen=True, slots=True)
class Blocked:
    """An identifier on the list, *masked*: why it is not to be addressed, since when, and who says so."""

    id: IdentifierId
    masked: str
    reason: str
    at: datetime
    by: str


def read(written: Sequence[str]) -> list[Identifier]:
    """Read identifiers at which somebody can be addressed. Raises `InvalidEvent`, with a pointer, for any other."""
    found = []
    for position, each in enumerate(written):
        try:
            named = parse(each)
        except InvalidEvent as error:
            raise InvalidEvent(error.code, error.detail, f"/identifiers/{position}") from None
        if named.namespace not in ADDRESSES.values():
            detail = f"no channel addresses anybody by {named.namespace}"
            raise InvalidEvent("not_an_address", detail, f"/identifiers/{position}")
        found.append(named)
    return found


@dataclass(frozen=True, slots=True)
class Blocking:
    """Who says it, why, and when."""

    reason: str
    by: str
    at: datetime


def block(
    connection: Connection, identifiers: Iterable[Identifier], index: BlindIndex, of: Blocking
) -> Sequence[Blocked]:
    """Put *identifiers* on the list, and return each as it stands there; what stands there already stays as it is."""
    named = {index(each): each for each in identifiers}
    rows: list[dict[str, Any]] = [{"id": i, "masked": masking.identifier(each)} for i, each in sorted(named.items())]
    run(
        connection,
        """
        INSERT INTO do_not_contact (identifier_id, masked, reason, at, by)
        SELECT id, masked, :reason, :at, :by FROM json_to_recordset(:rows) AS r(id uuid, masked text)
        ON CONFLICT (identifier_id) DO NOTHING
        """,
        rows,
        reason=of.reason,
        at=of.at,
        by=of.by,
    )
    _look_again(connection, named)
    found = of_identifiers(connection, named)
    return [found[i] for i in named]


def allow(connection: Connection, identifier_id: IdentifierId) -> None:
    """Take what has the blind index *identifier_id* off the list. Raises `NotFound` where it does not stand there."""
    statement = text("DELETE FROM do_not_contact WHERE identifier_id = CAST(:id AS uuid)")
    if connection.execute(statement, {"id": identifier_id}).rowcount == 0:
        raise NotFound("this does not stand on the list")
    _look_again(connection, [identifier_id])


def _look_again(connection: Connection, ids: Collection[IdentifierId]) -> None:
    """Have those who bear these looked at again: they may enter or leave segments of those who can be reached."""
    bearers = {member.person_id for member in people.members(connection, ids) if member.standing.is_somebodys}
    store.recheck_now(connection, bearers)


def listing(connection: Connection, after: tuple[datetime, IdentifierId] | None, most: int) -> Sequence[Blocked]:
    """Return up to *most* of the list, what was put there last first, from behind (time, id) *after*."""
    rows = connection.execute(
        text(
            f"SELECT {_COLUMNS} FROM do_not_contact"  # noqa: S608 - no value in it
            " WHERE CAST(:at AS timestamptz) IS NULL OR (at, identifier_id) < (CAST(:at AS timestamptz), CAST(:id AS uuid))"
            " ORDER BY at DESC, identifier_id DESC LIMIT :most"
        ),
        {"at": after[0] if after else None, "id": after[1] if after else None, "most": most},
    )
    return [Blocked(*row) for row in rows]


def of_identifiers(connection: Connection, ids: Collection[IdentifierId]) -> Mapping[IdentifierId, Blocked]:
    """Return those of *ids* that stand on the list."""
    if not ids:
        return {}
    rows = connection.execute(
        text(f"SELECT {_COLUMNS} FROM do_not_contact WHERE identifier_id = ANY(CAST(:ids AS uuid[]))"),  # noqa: S608 - no value in it
        {"ids": array(ids)},
    )
    return {row[0]: Blocked(*row) for row in rows}


def among(connection: Connection, members: Collection[Member]) -> frozenset[Identifier]:
    """Return those of *members* that must not be addressed."""
    able = {member.id: member.identifier for member in members if member.identifier.namespace in ADDRESSES.values()}
    return frozenset(able[i] for i in of_identifiers(connection, able))


_COLUMNS = "identifier_id::text, masked, reason, at, by"

"""People, and the one-hop way from any id ever published to the person who bears it now.

A person's id is the id of one of his identifiers, so an id that was once announced stays an identifier's and leads, by that
identifier's row, to whoever bears it today: after merges, splits and replays alike.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from itertools import groupby
from typing import Any

import orjson
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Index,
    SmallInteger,
    Table,
    Text,
    Uuid,
    literal_column,
    text,
)

from core.database import AnyRow, array, copy, metadata, run
from core.errors import Contended, Gone, NotFound
from core.identifier import Identifier, IdentifierId, PersonId

identifier_table = Table(
    "identifier",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("namespace", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("weak", Boolean, nullable=False),
    Column("first_at", DateTime(timezone=True), nullable=False),
    Column("vouched", Boolean, nullable=False),
    Column("person_id", Uuid, nullable=False),
    Column("component_id", Uuid, nullable=False, index=True),
    Column("standing", SmallInteger, nullable=False),
    Column("closures", JSON, comment="the stitcher's: why it is out of the game, by round; NULL: it is not"),
    Column("witnesses", ARRAY(Uuid), comment="the identifiers that closures rest on"),
    Index(
        "identifier_mailbox_idx",
        literal_column("reverse(split_part(value, '@', 2))").label("backwards"),
        postgresql_where=text("namespace = 'email'"),
        postgresql_ops={"backwards": "text_pattern_ops"},
    ),
    Index(
        "identifier_witnesses_idx",
        "witnesses",
        postgresql_using="gin",
        postgresql_where=text("witnesses IS NOT NULL"),
        postgresql_with={"fastupdate": "off"},
    ),
)

person_table = Table(
    "person",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
)


_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Standing(IntEnum):
    """Whose an identifier is.

    A person's (*OWNED*, or *PRESUMED*: until it proves to be somebody else's), or nobody's: because those who own it do not fit
    together (*CONTESTED*) or are too many (*GENERIC*), because somebody decided so (*BLOCKED*), or because all that was said of
    it was taken back (*VOID*).
    """

    OWNED = 0
    CONTESTED = 1
    GENERIC = 2
    PRESUMED = 3
    BLOCKED = 4
    VOID = 5

    @property
    def is_somebodys(self) -> bool:
        """Whether it is a person's."""
        return self in (Standing.OWNED, Standing.PRESUMED)


Witness = tuple[IdentifierId, IdentifierId, str]
Closure = tuple[str, Witness | None]
"""How an identifier is out of the game, and the two identifiers and the slot that this rests on."""


@dataclass(frozen=True, slots=True)
class Member:
    """An identifier and all that is decided about it.

    *component_id* names the neighbourhood that is locked and resolved together. *closures*, by round (trusted, all) and at last
    as an opener of links, are the stitcher's: see `stitcher.round`.
    """

    id: IdentifierId
    identifier: Identifier
    is_weak: bool
    first_at: datetime
    vouched: bool
    person_id: PersonId
    component_id: IdentifierId
    standing: Standing
    closures: tuple[Closure | None, Closure | None, Closure | None] = (None, None, None)


_COLUMNS = (
    "id, namespace, scope, value, weak, first_at, vouched, person_id, component_id, standing, closures, witnesses"
)
_SELECTED = "id::text, namespace, scope, value, weak, first_at, vouched, person_id::text, component_id::text, standing, closures"


def members(connection: Connection, ids: Collection[IdentifierId]) -> list[Member]:
    """Return the known ones among *ids*."""
    return _select(connection, "id = ANY(CAST(:ids AS uuid[]))", ids)


def neighbours(connection: Connection, component_ids: Collection[IdentifierId]) -> list[Member]:
    """Return all members of the neighbourhoods *component_ids*."""
    return _select(connection, "component_id = ANY(CAST(:ids AS uuid[]))", component_ids)


def witnessed_by(connection: Connection, ids: Collection[IdentifierId]) -> list[Member]:
    """Return the identifiers that are out of the game because of one of *ids*."""
    return _select(connection, "witnesses && CAST(:ids AS uuid[])", ids)


def lock(connection: Connection, component_ids: Iterable[IdentifierId]) -> None:
    """Keep other transactions from deciding about these neighbourhoods until this one ends.

    Locked are the rows that the neighbourhoods are named after, in one order everywhere, so that two workers seldom meet in
    a deadlock; what was read of their members before must be read again.
    """
    connection.execute(
        text("SELECT 1 FROM identifier WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR NO KEY UPDATE"),
        {"ids": array(component_ids)},
    )


def insert(connection: Connection, new: Sequence[Member]) -> None:
    """Write identifiers that are not known yet; one that is raises the driver's unique violation (try again)."""
    copy(connection, "identifier", _COLUMNS.split(", "), (_flat(member) for member in new))


def update(connection: Connection, changed: Sequence[Member]) -> None:
    """Write what is decided about identifiers that are known."""
    run(
        connection,
        """
        UPDATE identifier SET (first_at, vouched, person_id, component_id, standing, closures, witnesses)
             = (r.first_at, r.vouched, r.person_id, r.component_id, r.standing, r.closures::json, r.witnesses::uuid[])
          FROM json_to_recordset(:rows) AS r(id uuid, first_at timestamptz, vouched bool, person_id uuid,
               component_id uuid, standing smallint, closures text, witnesses text)
         WHERE identifier.id = r.id
        """,
        [dict(zip(_COLUMNS.split(", "), _flat(member), strict=True)) for member in changed],
    )


def raise_versions(
    connection: Connection, ids: Collection[PersonId], born: Collection[PersonId], now: datetime
) -> dict[PersonId, int]:
    """Count up the version of every person in *ids* and return the new ones; those *born* now get their first, 1."""
    ids = set(ids)
    _check_order(connection, ids - set(born))
    new = sorted(born)
    copy(connection, "person", ("id", "version", "changed_at"), ((person_id, 1, now) for person_id in new))
    rows = run(
        connection,
        """
        INSERT INTO person (id, version, changed_at)
        SELECT id, 1, :now FROM json_to_recordset(:rows) AS r(id uuid) ORDER BY id
        ON CONFLICT (id) DO UPDATE SET version = person.version + 1, changed_at = excluded.changed_at
        RETURNING id::text, version
        """,
        [{"id": person_id} for person_id in ids - set(born)],
        now=now,
    )
    return dict.fromkeys(new, 1) | {row[0]: row[1] for row in rows}


def _check_order(connection: Connection, ids: Collection[PersonId]) -> None:
    """Raise `Contended` where a transaction that began to write after this one has counted up before it.

    Readers of the outbox see announcements in the order of transactions, and one person's versions have to rise in it.
    """
    late = connection.execute(
        text(
            "SELECT EXISTS (SELECT FROM person WHERE id = ANY(CAST(:ids AS uuid[]))"
            " AND age(xmin) < age(CAST(pg_current_xact_id() AS xid)))"
        ),
        {"ids": array(ids)},
    ).scalar_one()
    if late:
        raise Contended("a later transaction was first to announce something of the same person")


def survivor(connection: Connection, person_id: str) -> PersonId:
    """Return the person that *person_id* leads to today.

    One look-up whatever was merged or split in between: an id is an identifier's index, and the identifier knows its person. (One
    more where all that was said of the identifier was taken back: it knows only who came after.) Raises `NotFound` for an id
    that was never published, and `Gone` where nobody came after.
    """
    if not _UUID.fullmatch(person_id):
        raise NotFound("this is not an id of a person")
    found = connection.execute(
        text("SELECT person_id::text, standing FROM identifier WHERE id = CAST(:id AS uuid)"), {"id": person_id}
    ).one_or_none()
    if found is None:
        raise NotFound("no person has ever had this id")
    heir, standing = found
    if standing != Standing.VOID:
        return PersonId(heir)
    if heir == person_id:
        raise Gone("all that was known of this person was taken back")
    return survivor(connection, heir)


def every_id(connection: Connection, person_id: str) -> Collection[str]:
    """Return all ids that the person whom *person_id* leads to may have borne, that one too, also where he is gone."""
    rows = connection.execute(
        text(
            "SELECT own.id::text FROM identifier AS asked JOIN identifier AS own USING (component_id, person_id)"
            " WHERE asked.id = CAST(:id AS uuid)"
        ),
        {"id": person_id},
    )
    return {person_id, *rows.scalars()}


def of_person(connection: Connection, person_id: PersonId) -> list[Member]:
    """Return the identifiers of a person (of the present id), the canonical one first, then by rank of age and text."""
    own = _select(
        connection,
        "component_id = (SELECT component_id FROM identifier WHERE id = ANY(CAST(:ids AS uuid[])))"
        " AND person_id = ANY(CAST(:ids AS uuid[]))",
        [IdentifierId(person_id)],
    )
    return sorted(own, key=lambda m: (m.id != person_id, m.first_at, m.identifier))


def of_people(connection: Connection, person_ids: Collection[PersonId]) -> list[Member]:
    """Return the identifiers of many people (of present ids), in no order."""
    return _select(
        connection,
        "component_id IN (SELECT component_id FROM identifier WHERE id = ANY(CAST(:ids AS uuid[])))"
        " AND person_id = ANY(CAST(:ids AS uuid[]))",
        [IdentifierId(person_id) for person_id in person_ids],
    )


@dataclass(frozen=True, slots=True)
class Person:
    """A person as a whole: his identifiers by their texts, those among them that are *presumed*, the *canonical* one whose id he
    bears, and how often he was met."""

    id: PersonId
    identifiers: Sequence[Identifier]
    presumed: Sequence[Identifier]
    first_seen: datetime
    events: int
    canonical: Identifier


def everybody(connection: Connection) -> Iterator[Person]:
    """Return all people by id, read in a stream; the connection is busy until the last is taken."""
    rows = connection.execute(
        text(
            "SELECT person_id::text, id::text, namespace, scope, value, first_at, coalesce(events, 0), standing"
            "  FROM identifier LEFT JOIN summary ON identifier_id = id WHERE standing IN (0, 3) ORDER BY person_id"
        ),
        execution_options={"yield_per": 5_000},
    )
    for person_id, own in groupby(rows, key=lambda row: row[0]):
        members = [(row[1], Identifier(*row[2:5]), *row[5:]) for row in own]
        yield Person(
            id=person_id,
            identifiers=sorted((member[1] for member in members), key=_by_text),
            presumed=sorted((member[1] for member in members if member[4] == Standing.PRESUMED), key=_by_text),
            first_seen=min(member[2] for member in members),
            events=sum(member[3] for member in members),
            canonical=next(member[1] for member in members if member[0] == person_id),
        )


def ids(connection: Connection) -> Iterator[PersonId]:
    """Return the ids of all people, in order, read in a stream."""
    statement = text("SELECT DISTINCT person_id::text FROM identifier WHERE standing IN (0, 3) ORDER BY 1")
    yield from connection.execute(statement, execution_options={"yield_per": 5_000}).scalars()


def size(connection: Connection) -> int:
    """Return how many people there are."""
    statement = text("SELECT count(DISTINCT person_id) FROM identifier WHERE standing IN (0, 3)")
    return int(connection.execute(statement).scalar_one())


def _by_text(identifier: Identifier) -> str:
    return identifier.text


def reached(connection: Connection, namespaces: Collection[str]) -> int:
    """Return how many people there are with an identifier of *namespaces*."""
    statement = text(
        "SELECT count(DISTINCT person_id) FROM identifier WHERE standing IN (0, 3) AND namespace = ANY(:namespaces)"
    )
    return int(connection.execute(statement, {"namespaces": sorted(namespaces)}).scalar_one())


def version(connection: Connection, person_id: PersonId) -> tuple[int, datetime]:
    """Return the version of a person, and when it rose last."""
    row = connection.execute(
        text("SELECT version, changed_at FROM person WHERE id = CAST(:id AS uuid)"), {"id": person_id}
    ).one_or_none()
    if row is None:
        raise NotFound("no person has ever had this id")
    return row[0], row[1]


def _select(connection: Connection, condition: str, ids: Collection[IdentifierId]) -> list[Member]:
    if not ids:
        return []
    statement = text(f"SELECT {_SELECTED} FROM identifier WHERE {condition}")  # noqa: S608 - no value in it
    return [_member(row) for row in connection.execute(statement, {"ids": array(ids)}).all()]


def _member(row: AnyRow) -> Member:
    i, namespace, scope, value, weak, first_at, vouched, person_id, component_id, standing, closures = row
    return Member(
        i,
        Identifier(namespace, scope, value),
        weak,
        first_at,
        vouched,
        person_id,
        component_id,
        _STANDINGS[standing],
        (_closure(closures[0]), _closure(closures[1]), _closure(closures[2])) if closures else (None, None, None),
    )


_STANDINGS = {standing.value: standing for standing in Standing}


def _closure(kept: Any) -> Closure | None:
    return (kept[0], tuple(kept[1]) if kept[1] else None) if kept else None


def _flat(member: Member) -> tuple[object, ...]:
    named = member.identifier
    closed = any(member.closures)
    ends = {end for closure in member.closures if closure and closure[1] for end in closure[1][:2]}
    return (
        member.id,
        named.namespace,
        named.scope,
        named.value,
        member.is_weak,
        member.first_at,
        member.vouched,
        member.person_id,
        member.component_id,
        member.standing.value,
        orjson.dumps(member.closures).decode() if closed else None,
        array(sorted(ends)) if ends else None,
    )

"""Directives in PostgreSQL: what was decided about identities, by whom and why, and whether it still stands.

Whoever stitches holds the *shared* lock while his transaction runs, whoever records a directive the *exclusive* one. So every
batch either ends before a directive is recorded, which then finds what the batch wrote, or begins after it and heeds it.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import JSON, Boolean, Column, Connection, DateTime, Index, Table, Text, Uuid, text

from core import directive
from core.database import array, metadata, run
from core.directive import Directive
from core.errors import NotFound
from core.event import Event, EventUid
from core.identifier import BlindIndex
from stitcher import decisions
from stitcher.decisions import Decisions

directive_table = Table(
    "directive",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("decided_at", DateTime(timezone=True), nullable=False),
    Column("in_force", Boolean, nullable=False, comment="no other directive in force takes it back"),
    Column("carried_out_at", DateTime(timezone=True), comment="NULL: not yet on all that it is about"),
    Column("body", JSON, nullable=False, comment="the directive as it stands in the log"),
    Index("directive_decided_at_id_idx", "decided_at", "id"),
)

# Where to look for what is decided about an identifier, an event, a source or another directive.
directive_subject_table = Table(
    "directive_subject",
    metadata,
    Column("subject", Uuid, primary_key=True),
    Column("directive_id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
)

_LOCK = "hashtext('siyu.directives')"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A directive, and what has become of it."""

    directive: Directive
    in_force: bool
    carried_out_at: datetime | None


def lock_shared(connection: Connection) -> None:
    """Keep directives from being recorded until this transaction ends."""
    connection.execute(text(f"SELECT pg_advisory_xact_lock_shared({_LOCK})"))


def lock_exclusively(connection: Connection) -> None:
    """Wait until no batch runs, and keep others from beginning until this transaction ends."""
    connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))


def record(connection: Connection, new: Directive, index: BlindIndex) -> Recorded:
    """Write *new*, unless it is known, and settle which directives are in force now that it is there."""
    written = connection.execute(
        text(
            "INSERT INTO directive (id, decided_at, in_force, body)"
            " VALUES (CAST(:id AS uuid), :at, true, CAST(:body AS json)) ON CONFLICT DO NOTHING"
        ),
        {"id": new.id, "at": new.decided_at, "body": directive.encode(new).decode()},
    )
    run(
        connection,
        "INSERT INTO directive_subject (subject, directive_id, kind) SELECT subject, id, kind"
        "  FROM json_to_recordset(:rows) AS r(subject uuid, id uuid, kind text) ON CONFLICT DO NOTHING",
        [{"subject": each, "id": new.id, "kind": new.kind.value} for each in new.subjects(index) if written.rowcount],
    )
    family = _family(connection, new)
    standing = {each.id for each in directive.in_force([each.directive for each in family])}
    run(
        connection,
        "UPDATE directive SET in_force = r.in_force FROM json_to_recordset(:rows) AS r(id uuid, in_force bool)"
        " WHERE directive.id = r.id",
        [
            {"id": each.directive.id, "in_force": each.directive.id in standing}
            for each in family
            if each.in_force != (each.directive.id in standing)
        ],
    )
    return found(connection, new.id)


def carried_out(connection: Connection, directive_id: str, now: datetime) -> None:
    """Write down that all that the directive is about has been looked at."""
    connection.execute(
        text("UPDATE directive SET carried_out_at = :now WHERE id = CAST(:id AS uuid) AND carried_out_at IS NULL"),
        {"id": directive_id, "now": now},
    )


def found(connection: Connection, directive_id: str) -> Recorded:
    """Return one directive. Raises `NotFound`."""
    rows = _select(connection, "id = CAST(:id AS uuid)", id=directive_id)
    if not rows:
        raise NotFound("there is no such directive")
    return rows[0]


def listing(connection: Connection, after: tuple[datetime, str] | None, most: int) -> list[Recorded]:
    """Return up to *most* directives, the latest first, from behind (decided_at, id) *after*."""
    return _select(
        connection,
        "(CAST(:at AS timestamptz) IS NULL OR (decided_at, id) < (CAST(:at AS timestamptz), CAST(:id AS uuid)))"
        " ORDER BY decided_at DESC, id DESC LIMIT :most",
        at=after[0] if after else None,
        id=after[1] if after else None,
        most=most,
    )


def about(
    connection: Connection, subjects: Collection[str], most: int, after: tuple[datetime, str] | None = None
) -> list[Recorded]:
    """Return up to *most* directives, in force or not, about any of *subjects*, the latest first, from behind (decided_at, id)
    *after*."""
    return _select(
        connection,
        "id IN (SELECT directive_id FROM directive_subject WHERE subject = ANY(CAST(:ids AS uuid[])))"
        " AND (CAST(:at AS timestamptz) IS NULL OR (decided_at, id) < (CAST(:at AS timestamptz), CAST(:id AS uuid)))"
        " ORDER BY decided_at DESC, id DESC LIMIT :most",
        ids=array(subjects),
        at=after[0] if after else None,
        id=after[1] if after else None,
        most=most,
    )


def on_events(connection: Connection, events: Iterable[tuple[EventUid, Event]], index: BlindIndex) -> Decisions:
    """Return what is decided about *events*, their sources, and the identifiers that they name."""
    if not _is_any(connection):
        return decisions.NONE
    subjects: set[str] = set()
    for uid, event in events:
        subjects |= {uid, directive.source_uid(event.source)}
        subjects.update(index(mention.identifier) for mention in event.identifiers)
    return on_subjects(connection, subjects, index)


def on_subjects(connection: Connection, subjects: Collection[str], index: BlindIndex) -> Decisions:
    """Return what is decided about any of *subjects*."""
    if not _is_any(connection):
        return decisions.NONE
    return decisions.decisions(
        [
            recorded.directive
            for recorded in _select(
                connection,
                "in_force AND id IN (SELECT directive_id FROM unnest(CAST(:ids AS uuid[])) AS asked(subject)"
                "                      JOIN directive_subject USING (subject))",
                ids=array(subjects),
            )
        ],
        index,
    )


def _is_any(connection: Connection) -> bool:
    return bool(connection.execute(text("SELECT EXISTS (SELECT FROM directive)")).scalar_one())


def _family(connection: Connection, new: Directive) -> list[Recorded]:
    """Return all directives that take back one another, *new* being among them."""
    family: dict[str, Recorded] = {}
    asked = {new.id}
    while asked:
        rows = _select(
            connection,
            "id = ANY(CAST(:ids AS uuid[]))"
            " OR id IN (SELECT directive_id FROM directive_subject WHERE subject = ANY(CAST(:ids AS uuid[])))",
            ids=array(asked),
        )
        fresh = {row.directive.id: row for row in rows if row.directive.id not in family}
        family |= fresh
        asked = {i for row in fresh.values() for i in (row.directive.id, row.directive.directive) if i} - asked
    return list(family.values())


def _select(connection: Connection, condition: str, **values: object) -> list[Recorded]:
    statement = text(f"SELECT body, in_force, carried_out_at FROM directive WHERE {condition}")  # noqa: S608 - no value in it
    return [Recorded(directive.decode(row[0]), row[1], row[2]) for row in connection.execute(statement, values)]

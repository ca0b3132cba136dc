"""Rule sets in PostgreSQL, who stands where by them, and when whom to look at again."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import JSON, BigInteger, Boolean, Column, Connection, DateTime, Index, Table, Text, Uuid, text

from core.database import AnyRow, array, metadata, run
from core.errors import NotFound, Refused
from core.identifier import PersonId
from profiles.segments.rulesets import RULE_SETS_MAX, Kind, RuleSet

rule_set_table = Table(
    "rule_set",
    metadata,
    Column("name", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("document", JSON, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("filled", BigInteger, nullable=False, comment="the version by which everybody was looked at"),
    Column("as_of", DateTime(timezone=True), comment="when everybody was looked at; NULL: never yet"),
    Column("judged_by", Text, comment="by which rules of intent and traits"),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("removed", Boolean, nullable=False, server_default="false", comment="to be emptied, and then forgotten"),
)

membership_table = Table(
    "membership",
    metadata,
    Column("set_name", Text, primary_key=True),
    Column("person_id", Uuid, primary_key=True),
    Column("band", Text, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),
    Index("membership_person_id_idx", "person_id"),
)

recheck_table = Table(
    "recheck",
    metadata,
    Column("person_id", Uuid, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False, comment="when time alone can change where he stands"),
    Index("recheck_at_idx", "at"),
)


@dataclass(frozen=True, slots=True)
class Stored:
    """A rule set as it is kept: its *version*, and *as_of* when it was first applied to everybody (`None`: not yet)."""

    rules: RuleSet
    version: int
    filled: int
    as_of: datetime | None
    changed_at: datetime
    changed_by: str
    is_removed: bool

    @property
    def is_live(self) -> bool:
        """Whether everybody has been looked at by the rules as they are."""
        return self.filled == self.version and not self.is_removed


@dataclass(frozen=True, slots=True)
class Place:
    """That a person stands in the *band* of a rule set, *since* when."""

    set: str
    person: PersonId
    band: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Move:
    """That a person went from one band of a rule set to another (`None`: he is in none)."""

    set: str
    person: PersonId
    before: str | None
    after: str | None


def lock(connection: Connection) -> None:
    """Keep others from defining anything until this transaction ends: two who refer to one another would be a circle."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('siyu.rule_set'))"))


def all_sets(connection: Connection) -> Mapping[str, Stored]:
    """Return all rule sets by name, those to be forgotten too."""
    rows = connection.execute(text(f"SELECT {_COLUMNS} FROM rule_set ORDER BY name"))  # noqa: S608 - no value in it
    return {row.document["name"]: _stored(row) for row in rows}


def standing_sets(connection: Connection) -> Mapping[str, RuleSet]:
    """Return the rules of all sets that are not to be forgotten, by name."""
    return {name: each.rules for name, each in all_sets(connection).items() if not each.is_removed}


def one(connection: Connection, name: str, kinds: Collection[Kind]) -> Stored:
    """Return the rule set called *name*, if it is one of *kinds*. Raises `NotFound`."""
    row = connection.execute(
        text(f"SELECT {_COLUMNS} FROM rule_set WHERE name = :name AND NOT removed"),  # noqa: S608 - no value in it
        {"name": name},
    ).one_or_none()
    if row is None or row.kind not in kinds:
        raise NotFound("there is none of this name")
    return _stored(row)


def add(connection: Connection, rules: RuleSet, by: str, now: datetime) -> None:
    """Keep *rules* under a name that is not taken. Raises `Refused` where it is, and where there are too many."""
    held = connection.execute(text("SELECT count(*), bool_or(name = :name) FROM rule_set"), {"name": rules.name}).one()
    if held[1]:
        raise Refused(f"there is a segment, layers or stages called {rules.name} already")
    if held[0] >= RULE_SETS_MAX:
        raise Refused(f"there are {RULE_SETS_MAX} segments, layers and stages already")
    connection.execute(
        text(
            "INSERT INTO rule_set (name, kind, document, version, filled, changed_at, changed_by)"
            " VALUES (:name, :kind, CAST(:document AS json), 1, 0, :now, :by)"
        ),
        {**_written(rules), "now": now, "by": by},
    )


def change(connection: Connection, rules: RuleSet, version: int | None, by: str, now: datetime) -> None:
    """Put *rules* in the place of those of the same name and kind, which are at *version* (`None`: whatever it is).

    Raises `NotFound`, and `Refused` where somebody else has changed them meanwhile.
    """
    present = one(connection, rules.name, [rules.kind])
    changed = connection.execute(
        text(
            "UPDATE rule_set SET document = CAST(:document AS json), version = version + 1, changed_at = :now,"
            " changed_by = :by WHERE name = :name AND kind = :kind AND version = :version"
        ),
        {**_written(rules), "version": present.version if version is None else version, "now": now, "by": by},
    )
    if not changed.rowcount:
        raise Refused(f"it is at version {present.version} by now")


def remove(connection: Connection, name: str, kinds: Collection[Kind], by: str, now: datetime) -> None:
    """Let everybody leave the rule set called *name*, and forget it then. Raises `NotFound`."""
    one(connection, name, kinds)
    connection.execute(
        text(
            "UPDATE rule_set SET removed = true, version = version + 1, changed_at = :now, changed_by = :by WHERE name = :name"
        ),
        {"name": name, "now": now, "by": by},
    )


def forget(connection: Connection, name: str) -> None:
    """Forget a rule set in which nobody is any more."""
    connection.execute(text("DELETE FROM rule_set WHERE name = :name AND removed"), {"name": name})


def mark_filled(connection: Connection, name: str, version: int, as_of: datetime, judged_by: str) -> None:
    """Write that everybody was looked at, as of then, by the rules at *version*, and by those of intent and traits that have the
    fingerprint *judged_by*."""
    connection.execute(
        text("UPDATE rule_set SET filled = :version, as_of = :as_of, judged_by = :judged_by WHERE name = :name"),
        {"name": name, "version": version, "as_of": as_of, "judged_by": judged_by},
    )


def refill_judged_otherwise(connection: Connection, judged_by: str) -> None:
    """Let everybody be looked at anew by all rule sets for which other rules of intent or traits held."""
    connection.execute(
        text("UPDATE rule_set SET filled = 0 WHERE judged_by IS DISTINCT FROM :judged_by"), {"judged_by": judged_by}
    )


def refill(connection: Connection, names: Collection[str]) -> None:
    """Let everybody be looked at anew by the rule sets *names*, which are as they were."""
    connection.execute(text("UPDATE rule_set SET filled = 0 WHERE name = ANY(:names)"), {"names": sorted(names)})


def places(connection: Connection, people: Collection[PersonId]) -> Mapping[PersonId, Mapping[str, Place]]:
    """Return where each of *people* stands, by rule set; those who stand nowhere are left out."""
    rows = connection.execute(
        text(
            "SELECT set_name, person_id::text, band, since FROM membership WHERE person_id = ANY(CAST(:ids AS uuid[]))"
        ),
        {"ids": array(people)},
    )
    found: dict[PersonId, dict[str, Place]] = {}
    for row in rows:
        found.setdefault(row[1], {})[row[0]] = Place(*row)
    return found


def standing(connection: Connection, person: PersonId) -> Sequence[tuple[Kind, Place]]:
    """Return where a person stands, and in what: segments, layers or stages; by name."""
    rows = connection.execute(
        text(
            "SELECT kind, set_name, person_id::text, band, since FROM membership JOIN rule_set ON rule_set.name = set_name"
            " WHERE person_id = CAST(:person AS uuid) AND NOT removed ORDER BY set_name"
        ),
        {"person": person},
    )
    return [(Kind(row[0]), Place(*row[1:])) for row in rows]


def members(connection: Connection, name: str, band: str | None, after: PersonId | None, most: int) -> Sequence[Place]:
    """Return up to *most* of those who stand in a rule set (in *band*; `None`: in any), by id, from behind *after*."""
    rows = connection.execute(
        text(
            "SELECT set_name, person_id::text, band, since FROM membership"
            " WHERE set_name = :name AND (CAST(:band AS text) IS NULL OR band = CAST(:band AS text))"
            "   AND (CAST(:after AS uuid) IS NULL OR person_id > CAST(:after AS uuid)) ORDER BY person_id LIMIT :most"
        ),
        {"name": name, "band": band, "after": after, "most": most},
    )
    return [Place(*row) for row in rows]


def among(connection: Connection, name: str, people: Collection[PersonId]) -> set[PersonId]:
    """Return who of *people* stands in a rule set."""
    rows = connection.execute(
        text("SELECT person_id::text FROM membership WHERE set_name = :name AND person_id = ANY(CAST(:ids AS uuid[]))"),
        {"name": name, "ids": array(people)},
    )
    return {PersonId(row[0]) for row in rows}


def counts(connection: Connection, names: Collection[str]) -> Mapping[str, Mapping[str, int]]:
    """Return how many people stand in each band of the rule sets *names*."""
    found: dict[str, dict[str, int]] = {name: {} for name in names}
    rows = connection.execute(
        text("SELECT set_name, band, count(*) FROM membership WHERE set_name = ANY(:names) GROUP BY 1, 2"),
        {"names": sorted(names)},
    )
    for name, band, number in rows:
        found[name][band] = number
    return found


def overlap(connection: Connection, one: str, other: str) -> int:
    """Return how many people stand in both rule sets."""
    statement = text(
        "SELECT count(*) FROM membership AS a JOIN membership AS b USING (person_id)"
        " WHERE a.set_name = :one AND b.set_name = :other"
    )
    return int(connection.execute(statement, {"one": one, "other": other}).scalar_one())


def move(connection: Connection, moves: Sequence[Move], now: datetime) -> Sequence[Move]:
    """Let people stand as *moves* say, and return those moves that changed anything, in their order."""
    entered = [{"set": m.set, "person": m.person, "band": m.after} for m in moves if m.after is not None]
    left = [{"set": m.set, "person": m.person} for m in moves if m.after is None]
    written = run(
        connection,
        """
        INSERT INTO membership AS known (set_name, person_id, band, since)
        SELECT set, person, band, :now FROM json_to_recordset(:rows) AS r(set text, person uuid, band text)
         ORDER BY set, person
        ON CONFLICT (set_name, person_id) DO UPDATE SET band = excluded.band, since = excluded.since
          WHERE known.band <> excluded.band
        RETURNING set_name, person_id::text
        """,
        entered,
        now=now,
    )
    gone = run(
        connection,
        """
        DELETE FROM membership USING json_to_recordset(:rows) AS r(set text, person uuid)
         WHERE set_name = r.set AND person_id = r.person RETURNING set_name, person_id::text
        """,
        left,
    )
    changed = {(row[0], row[1]) for row in (*written, *gone)}
    return [each for each in moves if (each.set, each.person) in changed]


def recheck(connection: Connection, at: Mapping[PersonId, datetime | None]) -> None:
    """Look at people again *at* these times, and at those without one only when something happens to them."""
    rows = [{"person": person, "at": moment} for person, moment in sorted(at.items())]
    run(
        connection,
        "DELETE FROM recheck USING json_to_recordset(:rows) AS r(person uuid, at timestamptz)"
        " WHERE person_id = r.person AND r.at IS NULL",
        [row for row in rows if row["at"] is None],
    )
    run(
        connection,
        """
        INSERT INTO recheck (person_id, at) SELECT person, at FROM json_to_recordset(:rows) AS r(person uuid, at timestamptz)
        ON CONFLICT (person_id) DO UPDATE SET at = excluded.at
        """,
        [row for row in rows if row["at"] is not None],
    )


def recheck_sooner(connection: Connection, at: Iterable[tuple[PersonId, datetime]]) -> None:
    """Look at people again at these times, unless they are looked at sooner anyway."""
    run(
        connection,
        """
        INSERT INTO recheck AS known (person_id, at)
        SELECT person, at FROM json_to_recordset(:rows) AS r(person uuid, at timestamptz) ORDER BY person
        ON CONFLICT (person_id) DO UPDATE SET at = least(known.at, excluded.at)
        """,
        [{"person": person, "at": moment} for person, moment in at],
    )


def recheck_now(connection: Connection, people: Collection[PersonId]) -> None:
    """Look at *people* again as soon as may be."""
    connection.execute(
        text(
            "INSERT INTO recheck AS known (person_id, at)"
            " SELECT person, '-infinity' FROM unnest(CAST(:people AS uuid[])) AS asked(person) ORDER BY person"
            " ON CONFLICT (person_id) DO UPDATE SET at = excluded.at"
        ),
        {"people": array(people)},
    )


def due(connection: Connection, now: datetime, most: int) -> Sequence[PersonId]:
    """Return up to *most* people who are to be looked at again by *now*, the longest due first."""
    rows = connection.execute(
        text("SELECT person_id::text FROM recheck WHERE at <= :now ORDER BY at LIMIT :most"), {"now": now, "most": most}
    )
    return [PersonId(each) for each in rows.scalars()]


_COLUMNS = "name, kind, document, version, filled, as_of, changed_at, changed_by, removed"


def _stored(row: AnyRow) -> Stored:
    return Stored(
        RuleSet.model_validate(row.document),
        row.version,
        row.filled,
        row.as_of,
        row.changed_at,
        row.changed_by,
        row.removed,
    )


def _written(rules: RuleSet) -> dict[str, object]:
    return {"name": rules.name, "kind": rules.kind.value, "document": rules.model_dump_json(exclude_none=True)}

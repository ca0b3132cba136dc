"""Links in PostgreSQL: which two identifiers are said to be one person's, how well founded that is, and what is refused."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Column, Connection, DateTime, Index, SmallInteger, Table, Text, Uuid, text

from core.database import AnyRow, array, copy, metadata, run
from core.identifier import Identifier, IdentifierId, PersonId
from profiles.people import Member
from stitcher.decisions import Pair
from stitcher.graph import Basis, Change, Link, Weight
from stitcher.resolve import Settled
from stitcher.round import Closing, Reason

link_table = Table(
    "link",
    metadata,
    Column("one", Uuid, primary_key=True),
    Column("other", Uuid, primary_key=True),
    Column("weight", SmallInteger, nullable=False),
    Column("first_at", DateTime(timezone=True), nullable=False),
    Column("last_at", DateTime(timezone=True), nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("trusted_weight", SmallInteger, comment="what trusted sources say; NULL: none did"),
    Column("trusted_last_at", DateTime(timezone=True)),
    Column("refused", Text, comment="why it unites nobody; NULL: it does"),
    Index("link_other_idx", "other"),
    Index("link_review_idx", "last_at", postgresql_where=text("refused = ANY (ARRAY['vouching'::text, 'size'::text])")),
)

STREAM_ROWS_MAX = 5_000


@dataclass(frozen=True, slots=True)
class Known:
    """*links* as they stand, and why each is *refused* (`None`: it is not)."""

    links: dict[Pair, Link]
    refused: Mapping[Pair, str | None]


def pairs_of(connection: Connection, ids: Collection[IdentifierId]) -> set[Pair]:
    """Return between which two there is a link that has an end among *ids*."""
    statement = text(
        "SELECT one::text, other::text FROM link WHERE one = ANY(CAST(:ids AS uuid[]))"
        " UNION SELECT one::text, other::text FROM link WHERE other = ANY(CAST(:ids AS uuid[]))"
    )
    return {(row[0], row[1]) for row in connection.execute(statement, {"ids": array(ids)})}


def seen_by(connection: Connection, ids: Collection[IdentifierId]) -> set[IdentifierId]:
    """Return the other ends of all links of *ids*."""
    if not ids:
        return set()
    statement = text(
        "SELECT other::text FROM link WHERE one = ANY(CAST(:ids AS uuid[]))"
        " UNION SELECT one::text FROM link WHERE other = ANY(CAST(:ids AS uuid[]))"
    )
    return set(connection.execute(statement, {"ids": array(ids)}).scalars())


_LINK = "one::text, other::text, weight, first_at, last_at, count, trusted_weight, trusted_last_at, refused"
_LINKS = text(
    f"""
    SELECT {_LINK} FROM link WHERE one = ANY(CAST(:open AS uuid[]))
    UNION ALL
    SELECT {_LINK} FROM link WHERE other = ANY(CAST(:open AS uuid[])) AND NOT one = ANY(CAST(:open AS uuid[]))
    UNION ALL
    SELECT {_LINK} FROM link WHERE (trusted_weight IS NOT NULL OR other = ANY(CAST(:ajar AS uuid[])))
       AND one = ANY(CAST(:ajar AS uuid[])) AND NOT other = ANY(CAST(:open AS uuid[]))
    UNION ALL
    SELECT {_LINK} FROM link WHERE trusted_weight IS NOT NULL AND other = ANY(CAST(:ajar AS uuid[]))
       AND NOT one = ANY(CAST(:open AS uuid[])) AND NOT one = ANY(CAST(:ajar AS uuid[]))
    UNION ALL
    SELECT {_LINK} FROM link
      JOIN unnest(CAST(:ones AS uuid[]), CAST(:others AS uuid[])) AS pairs(a, b) ON one = a AND other = b
    """  # noqa: S608 - no value in it
)


def among(connection: Connection, members: Mapping[IdentifierId, Member], settled: Settled, change: Change) -> Known:
    """Return the links among *members*.

    Those of closed identifiers to the rest of the world, which may be many, stay where they are; of one that is closed in the
    second round only (*ajar*), those that trusted sources vouch for still matter, and those to others of the kind: whose both
    are is for trusted sources to say, and with it whether what the public says of the two is refused.
    """
    if not members:
        return Known({}, {})
    closed = {i for i, c in settled.all.items() if c.closing is not Closing.APART}
    shut = {i for i, c in settled.trusted.items() if c.closing is not Closing.APART}
    ajar = {i for i in closed - shut if members[i].vouched}
    between = [ends for ends in change.links if closed.issuperset(ends)]
    rows = connection.execute(
        _LINKS,
        {
            "open": array(members.keys() - closed),
            "ajar": array(ajar),
            "ones": array(one for one, _ in between),
            "others": array(other for _, other in between),
        },
    ).all()
    return _known(row for row in rows if row[0] in members and row[1] in members)


def between(connection: Connection, ids: Collection[IdentifierId]) -> Known:
    """Return the links among *ids*."""
    statement = text(
        f"SELECT {_LINK} FROM link WHERE one = ANY(CAST(:ids AS uuid[])) AND other = ANY(CAST(:ids AS uuid[]))"  # noqa: S608 - no value in it
    )
    return _known(connection.execute(statement, {"ids": array(ids)}))


def beginning_at(connection: Connection, ids: Collection[IdentifierId]) -> Known:
    """Return the links whose lesser end is one of *ids*."""
    statement = text(f"SELECT {_LINK} FROM link WHERE one = ANY(CAST(:ids AS uuid[]))")  # noqa: S608 - no value in it
    return _known(connection.execute(statement, {"ids": array(ids)}))


def _known(rows: Iterable[AnyRow]) -> Known:
    links, refused = {}, {}
    for row in rows:
        ends = row[0], row[1]
        links[ends], refused[ends] = _link(row), row[8]
    return Known(links, refused)


def _link(row: AnyRow) -> Link:
    _, _, weight, first_at, last_at, count, trusted_weight, trusted_last_at, _ = row
    basis = Basis(_WEIGHTS[weight], last_at)
    if trusted_weight is None:
        trusted = None
    elif (trusted_weight, trusted_last_at) == (weight, last_at):
        trusted = basis
    else:
        trusted = Basis(_WEIGHTS[trusted_weight], trusted_last_at)
    return Link(basis, trusted, first_at, count)


# A component may have thousands of links, and calling an enumeration takes longer than all else that is done of one.
_WEIGHTS = {weight.value: weight for weight in Weight}


_LINK_COLUMNS = (
    "one",
    "other",
    "weight",
    "first_at",
    "last_at",
    "count",
    "trusted_weight",
    "trusted_last_at",
    "refused",
)


def write(connection: Connection, before: Known, after: Mapping[Pair, Link], refused: Mapping[Pair, Reason]) -> None:
    """Write the difference between the links known *before* and those *after*, some of them *refused* from now on."""
    new, changed = [], []
    run(
        connection,
        "DELETE FROM link USING json_to_recordset(:rows) AS r(one uuid, other uuid)"
        " WHERE link.one = r.one AND link.other = r.other",
        [{"one": one, "other": other} for one, other in before.links if (one, other) not in after],
    )
    for ends, link in after.items():
        reason = _refusal(refused.get(ends))
        known = before.links.get(ends)
        if known is None:
            new.append((*ends, *_link_row(link), reason))
        elif (known is not link and known != link) or before.refused[ends] != reason:
            changed.append(dict(zip(_LINK_COLUMNS, (*ends, *_link_row(link), reason), strict=True)))
    copy(connection, "link", _LINK_COLUMNS, new)
    run(
        connection,
        """
        UPDATE link SET (weight, first_at, last_at, count, trusted_weight, trusted_last_at, refused)
                      = (r.weight, r.first_at, r.last_at, r.count, r.trusted_weight, r.trusted_last_at, r.refused)
          FROM json_to_recordset(:rows) AS r(one uuid, other uuid, weight smallint, first_at timestamptz,
               last_at timestamptz, count bigint, trusted_weight smallint, trusted_last_at timestamptz, refused text)
         WHERE link.one = r.one AND link.other = r.other
        """,
        changed,
    )


def _link_row(link: Link) -> tuple[object, ...]:
    trusted = (link.trusted.weight.value, link.trusted.last_at) if link.trusted else (None, None)
    return link.basis.weight.value, link.first_at, link.basis.last_at, link.count, *trusted


def _refusal(reason: Reason | None) -> str | None:
    return reason.value if reason else None


@dataclass(frozen=True, slots=True)
class Stated:
    """A link between two identifiers, and whose each is (`None`: nobody's). *refused* says why it unites nobody."""

    one: Identifier
    other: Identifier
    people: tuple[PersonId | None, PersonId | None]
    weight: Weight
    first_at: datetime
    last_at: datetime
    count: int
    refused: str | None


def everything(connection: Connection) -> Iterator[Stated]:
    """Return every link, by the ids of its ends, read in a stream."""
    rows = connection.execute(_EVERYTHING, execution_options={"yield_per": STREAM_ROWS_MAX})
    for row in rows:
        one, other, people = Identifier(*row[0:3]), Identifier(*row[3:6]), (row[6], row[7])
        yield Stated(one, other, people, _WEIGHTS[row[8]], *row[9:])


def size(connection: Connection) -> int:
    """Return how many links there are."""
    return int(connection.execute(text("SELECT count(*) FROM link")).scalar_one())


_EVERYTHING = text(
    """
    SELECT one.namespace, one.scope, one.value, other.namespace, other.scope, other.value,
           CASE WHEN one.standing IN (0, 3) THEN one.person_id::text END,
           CASE WHEN other.standing IN (0, 3) THEN other.person_id::text END,
           weight, link.first_at, last_at, count, refused
      FROM link JOIN identifier AS one ON one.id = link.one JOIN identifier AS other ON other.id = link.other
     ORDER BY link.one, link.other
    """
)

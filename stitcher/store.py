"""The evidence in PostgreSQL: links, and the part of the graph that a batch has to look at."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Connection, DateTime, Index, SmallInteger, Table, Text, Uuid, text

from core.database import AnyRow, array, copy, metadata, run
from core.errors import Contended
from core.identifier import Identifier, IdentifierId, PersonId
from profiles import people
from profiles.people import Member, Standing
from stitcher.graph import Basis, Evidence, Link, Node, Pair, Weight
from stitcher.resolve import Closing, Closure, Partition, Reason, Round, Settled, Witness

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
)


@dataclass(frozen=True, slots=True)
class Region:
    """What is known of the neighbourhoods that a batch touches: rows, evidence, and what is settled of their edges."""

    members: Mapping[IdentifierId, Member]
    evidence: Evidence
    refused: Mapping[Pair, str | None]
    settled: Settled


def load(connection: Connection, said: Evidence, opened: Collection[IdentifierId]) -> Region:
    """Return, locked, all that deciding about the identifiers in *said* can depend on.

    *Opened* are identifiers that stood apart until now and have to be looked at again with all whom they saw. Raises
    `Contended` when another worker moved something between looking and locking.
    """
    asked = set(said.nodes) | set(opened)
    if opened:
        asked |= _seen_by(connection, opened)
    touched = people.members(connection, asked)
    components = {member.component_id for member in touched}
    people.lock(connection, components)
    members = {member.id: member for member in people.neighbours(connection, components)}
    if any(members.get(member.id) != member for member in touched):
        raise Contended("another worker moved what this batch had read")
    settled = _settled(members.values(), opened)
    links = _links(connection, members, settled, said)
    evidence = Evidence(
        {m.id: Node(m.identifier, m.first_at, m.vouched) for m in members.values()},
        {ends: link for ends, (link, _) in links.items()},
    )
    return Region(members, evidence, {ends: refused for ends, (_, refused) in links.items()}, settled)


def unsettled(connection: Connection, region: Region, partition: Partition) -> set[IdentifierId]:
    """Return the identifiers that are out of the game for a reason that *partition* takes away: they have to be opened."""
    known = [i for i in region.members if i in partition.all.core]
    return {
        member.id
        for member in people.witnessed_by(connection, known)
        for closure, outcome in zip(member.closures, (partition.trusted, partition.all), strict=True)
        if closure and closure[1] and not outcome.holds(Witness(*closure[1]))
    }


def write(connection: Connection, region: Region, evidence: Evidence, partition: Partition) -> None:
    """Write the difference between *region* and what *partition* says of *evidence*."""
    after = decided(region, evidence, partition)
    people.insert(connection, [member for member in after if member.id not in region.members])
    people.update(connection, [m for m in after if m.id in region.members and m != region.members[m.id]])
    _write_links(connection, region, evidence, partition)


def nobodys(connection: Connection) -> Iterator[tuple[Identifier, Standing, Sequence[PersonId]]]:
    """Return the identifiers that nobody owns, by text, each with the people who would, by id."""
    rows = connection.execute(
        text(
            """
            SELECT it.namespace, it.scope, it.value, it.standing,
                   array_agg(DISTINCT owner.person_id::text) FILTER (WHERE owner.person_id IS NOT NULL) AS owners
              FROM identifier AS it
              LEFT JOIN LATERAL (
                SELECT other AS id FROM link WHERE one = it.id UNION ALL SELECT one FROM link WHERE other = it.id
              ) AS seen ON true
              LEFT JOIN identifier AS owner ON owner.id = seen.id AND owner.standing = 0
             WHERE it.standing <> 0
             GROUP BY it.id
            """
        )
    )
    found = [(Identifier(*row[:3]), Standing(row[3]), sorted(row[4] or ())) for row in rows]
    yield from sorted(found, key=lambda each: each[0].text)


def decided(region: Region, evidence: Evidence, partition: Partition) -> list[Member]:
    """Return the row of every identifier in *evidence* as *partition* has it, by id."""
    components = _components(region, partition)
    after = []
    for node_id, node in sorted(evidence.nodes.items()):
        after.append(
            Member(
                node_id,
                node.identifier,
                node_id not in partition.all.core,
                node.first_at,
                node.vouched,
                partition.person[node_id],
                components[node_id],
                _standing(node_id, partition),
                (_kept(partition.trusted, node_id), _kept(partition.all, node_id)),
            )
        )
    return after


def _standing(node_id: IdentifierId, partition: Partition) -> Standing:
    if node_id in partition.generic:
        return Standing.GENERIC
    return Standing.CONTESTED if node_id in partition.contested else Standing.OWNED


def _kept(outcome: Round, node_id: IdentifierId) -> people.Closure | None:
    closure = outcome.closures.get(node_id)
    if closure is None:
        return None
    witness = closure.witness
    return closure.closing.value, (witness.one, witness.other, witness.slot) if witness else None


def _components(region: Region, partition: Partition) -> dict[IdentifierId, IdentifierId]:
    """Name each neighbourhood after the one of its members after whom most of it is named already, to write few rows."""
    named = {}
    for neighbourhood in partition.neighbourhoods:
        votes = Counter(region.members[i].component_id for i in neighbourhood if i in region.members)
        able = [(-count, name) for name, count in votes.items() if name in neighbourhood]
        name = min(able)[1] if able else min(neighbourhood)
        named.update(dict.fromkeys(neighbourhood, name))
    return named


def _settled(members: Iterable[Member], opened: Collection[IdentifierId]) -> Settled:
    trusted: dict[IdentifierId, Closure] = {}
    everything: dict[IdentifierId, Closure] = {}
    for member in members:
        if member.id not in opened:
            for kept, closures in zip(member.closures, (trusted, everything), strict=True):
                if kept:
                    closures[member.id] = Closure(Closing(kept[0]), Witness(*kept[1]) if kept[1] else None)
    return Settled(trusted, everything)


def _seen_by(connection: Connection, ids: Collection[IdentifierId]) -> set[IdentifierId]:
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
    SELECT {_LINK} FROM link WHERE trusted_weight IS NOT NULL AND one = ANY(CAST(:ajar AS uuid[]))
       AND NOT other = ANY(CAST(:open AS uuid[]))
    UNION ALL
    SELECT {_LINK} FROM link WHERE trusted_weight IS NOT NULL AND other = ANY(CAST(:ajar AS uuid[]))
       AND NOT one = ANY(CAST(:open AS uuid[])) AND NOT one = ANY(CAST(:ajar AS uuid[]))
    UNION ALL
    SELECT {_LINK} FROM link
      JOIN unnest(CAST(:ones AS uuid[]), CAST(:others AS uuid[])) AS pairs(a, b) ON one = a AND other = b
    """  # noqa: S608 - no value in it
)


def _links(
    connection: Connection, members: Mapping[IdentifierId, Member], settled: Settled, said: Evidence
) -> dict[Pair, tuple[Link, str | None]]:
    """Return the links among *members*.

    Those of closed identifiers to the rest of the world, which may be many, stay where they are; of one that is closed in the
    second round only (*ajar*), those that trusted sources vouch for still matter.
    """
    if not members:
        return {}
    closed = {i for i, c in settled.all.items() if c.closing is not Closing.APART}
    shut = {i for i, c in settled.trusted.items() if c.closing is not Closing.APART}
    ajar = {i for i in closed - shut if members[i].vouched}
    between = [ends for ends in said.links if closed.issuperset(ends)]
    rows = connection.execute(
        _LINKS,
        {
            "open": array(members.keys() - closed),
            "ajar": array(ajar),
            "ones": array(one for one, _ in between),
            "others": array(other for _, other in between),
        },
    )
    return {(row[0], row[1]): _link(row) for row in rows if row[0] in members and row[1] in members}


def _link(row: AnyRow) -> tuple[Link, str | None]:
    _, _, weight, first_at, last_at, count, trusted_weight, trusted_last_at, refused = row
    trusted = Basis(Weight(trusted_weight), trusted_last_at) if trusted_weight else None
    return Link(Basis(Weight(weight), last_at), trusted, first_at, count), refused


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


def _write_links(connection: Connection, region: Region, evidence: Evidence, partition: Partition) -> None:
    new, changed = [], []
    for ends, link in evidence.links.items():
        refused = _refusal(partition.refused.get(ends))
        known = region.evidence.links.get(ends)
        row = (*ends, *_link_row(link), refused)
        if known is None:
            new.append(row)
        elif known != link or region.refused[ends] != refused:
            changed.append(dict(zip(_LINK_COLUMNS, row, strict=True)))
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

"""The evidence in PostgreSQL: links, and the part of the graph that a batch has to look at."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ARRAY, BigInteger, Column, Connection, DateTime, Index, SmallInteger, Table, Text, Uuid, text

from core.database import AnyRow, array, copy, metadata, run
from core.errors import Contended
from core.identifier import BlindIndex, Identifier, IdentifierId, PersonId
from profiles import people, rereading
from profiles.people import Member, Standing
from profiles.touchpoint import Said
from stitcher import directives, graph
from stitcher.decisions import Pair
from stitcher.difference import heir
from stitcher.graph import Basis, Change, Correction, Evidence, Link, Node, Opening, Weight
from stitcher.resolve import Partition, Settled
from stitcher.round import Closing, Closure, Closures, Reason, Witness
from stitcher.rules import Rules

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

# Who was first to open a link that was sent to somebody.
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


@dataclass(frozen=True, slots=True)
class Region:
    """What is known of the neighbourhoods that a batch touches: rows, evidence, and what is settled of their edges; all of it, or
    (not *is_whole*) as much as it takes."""

    members: Mapping[IdentifierId, Member]
    evidence: Evidence
    refused: Mapping[Pair, str | None]
    settled: Settled
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Reading:
    """What touchpoints name: identifiers, links between them, and tokens of links that were opened."""

    ids: frozenset[IdentifierId]
    pairs: frozenset[Pair]
    tokens: frozenset[IdentifierId]


def load(
    connection: Connection,
    change: Change,
    index: BlindIndex,
    *,
    opened: Collection[IdentifierId] = (),
    missing: Collection[IdentifierId] = (),
) -> Region:
    """Return, locked, all that deciding about what *change* names can depend on.

    *Opened* are identifiers that stood apart until now and have to be looked at again with all whom they saw; *missing* are
    further ones to be looked at. Raises `Contended` when another worker moved something between looking and locking.
    """
    asked = {*change.touched, *opened, *missing}
    asked |= _seen_by(connection, opened)
    asked |= {end for ends in directives.on_subjects(connection, asked, index).must for end in ends}
    openings = _openings(connection, "token_id", change.openings)
    asked |= {i for o in (*openings.values(), *change.openings.values()) if o for i in (o.opener, *o.recipients)}
    members = _locked(connection, asked)
    if _openings(connection, "token_id", change.openings) != openings or not _seen_by(connection, opened) <= asked:
        raise Contended("another worker moved what this batch had read")
    displaced = {known.opener for token, known in openings.items() if _displaces(change.openings.get(token), known)}
    settled = _settled(members.values(), opened, displaced)
    links = _links(connection, members, settled, change)
    openers = [m.id for m in members.values() if m.is_weak and m.id not in settled.openers]
    evidence = Evidence(
        {m.id: Node(m.identifier, m.first_at, m.vouched) for m in members.values() if m.standing is not Standing.VOID},
        {ends: link for ends, (link, _) in links.items()},
        openings | _openings(connection, "opener", openers),
        directives.on_subjects(connection, members.keys() | asked, index),
    )
    return Region(members, evidence, {ends: refused for ends, (_, refused) in links.items()}, settled)


def _locked(connection: Connection, asked: Collection[IdentifierId]) -> Mapping[IdentifierId, Member]:
    touched = people.members(connection, asked)
    components = {member.component_id for member in touched}
    people.lock(connection, components)
    members = {member.id: member for member in people.neighbours(connection, components)}
    if any(members.get(member.id) != member for member in touched):
        raise Contended("another worker moved what this batch had read")
    return members


def unsettled(connection: Connection, region: Region, partition: Partition) -> set[IdentifierId]:
    """Return the identifiers that have to be opened: they are out of the game for a reason that *partition* takes away, or link
    nothing from now on, which is then the reason that all their links are refused, those to others out of the game too."""
    gone = {i for i in region.members if i not in partition.person}
    known = gone.union(i for i in region.members if i in partition.all.core)
    closed = {i for i, m in region.members.items() if partition.all.links_nothing(i) and not _linked_nothing(m)}
    return closed | {
        member.id
        for member in people.witnessed_by(connection, known)
        for closure, outcome in zip(member.closures, (partition.trusted, partition.all, partition.all), strict=True)
        if closure and closure[1] and not (outcome.holds(Witness(*closure[1])) and gone.isdisjoint(closure[1][:2]))
    }


def _linked_nothing(member: Member) -> bool:
    closure = member.closures[1]
    return closure is not None and closure[0] in (Closing.GENERIC, Closing.BLOCKED)


def closed_around(connection: Connection, touched: Collection[IdentifierId]) -> set[IdentifierId]:
    """Return which identifiers have to be opened when something is taken from what was said of *touched*: those among them
    that are out of the game, and the weak ones that stand apart in one weak component with any of them."""
    members = people.members(connection, touched)
    opened = {member.id for member in members if any(member.closures)}
    reached = {member.id for member in members if member.is_weak}
    further = reached
    while further:
        beyond = people.members(connection, _seen_by(connection, further) - reached)
        further = {member.id for member in beyond if member.is_weak and any(member.closures)}
        opened |= further
        reached |= further
    return opened


def stated(
    connection: Connection, named: Mapping[IdentifierId, Identifier], read: Reading, rules: Rules, index: BlindIndex
) -> Correction:
    """Return what all recorded events together say of what *read* names; *named* has the texts of its identifiers."""
    of_pairs: dict[Pair, list[Said]] = {ends: [] for ends in read.pairs}
    for said in rereading.said_of_pairs(connection, read.pairs):
        assert said.other is not None
        of_pairs[said.one, said.other].append(said)
    linked = read.pairs | _pairs_of(connection, read.ids)
    of_ids: dict[IdentifierId, list[Said]] = {i: [] for i in read.ids}
    for said in rereading.said_of(connection, read.ids, linked):
        of_ids[said.one].append(said)
    weak = {i for i in read.ids if rules.namespaces[named[i].namespace].kind == "weak"}
    opening = rereading.opening(connection, read.tokens)
    openings = graph.read({t.uid: t.event for t in opening if not t.void}, rules, index)[1].openings
    return Correction(
        named.keys(),
        {i: graph.node_of(named[i], said, rules) for i, said in of_ids.items()},
        {ends: graph.link_of(said, not weak.isdisjoint(ends), rules) for ends, said in of_pairs.items()},
        {token: openings.get(token) for token in read.tokens},
    )


def _pairs_of(connection: Connection, ids: Collection[IdentifierId]) -> set[Pair]:
    statement = text(
        "SELECT one::text, other::text FROM link WHERE one = ANY(CAST(:ids AS uuid[]))"
        " UNION SELECT one::text, other::text FROM link WHERE other = ANY(CAST(:ids AS uuid[]))"
    )
    return {(row[0], row[1]) for row in connection.execute(statement, {"ids": array(ids)})}


def _openings(connection: Connection, column: str, ids: Collection[IdentifierId]) -> dict[IdentifierId, Opening]:
    if not ids:
        return {}
    statement = text(
        "SELECT token_id::text, at, event_id, uid::text, opener::text, recipients::text[] FROM opening"  # noqa: S608 - no value in it
        f" WHERE {column} = ANY(CAST(:ids AS uuid[]))"
    )
    rows = connection.execute(statement, {"ids": array(ids)}).all()
    return {row[0]: Opening(row[1], row[2], row[3], row[4], tuple(row[5])) for row in rows}


def write(connection: Connection, region: Region, evidence: Evidence, partition: Partition) -> None:
    """Write the difference between *region* and what *partition* says of *evidence*."""
    after = [*decided(region, evidence, partition), *_void(region, evidence, partition)]
    changed = [member for member in after if member is not region.members.get(member.id)]
    people.insert(connection, [member for member in changed if member.id not in region.members])
    people.update(connection, [m for m in changed if m.id in region.members and m != region.members[m.id]])
    _write_links(connection, region, evidence, partition)
    write_openings(connection, region.evidence.openings, evidence.openings)


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
              LEFT JOIN identifier AS owner ON owner.id = seen.id AND owner.standing IN (0, 3)
             WHERE it.standing IN (1, 2, 4)
             GROUP BY it.id
            """
        )
    )
    found = [(Identifier(*row[:3]), Standing(row[3]), sorted(row[4] or ())) for row in rows]
    yield from sorted(found, key=lambda each: each[0].text)


def decided(region: Region, evidence: Evidence, partition: Partition) -> list[Member]:
    """Return the row of every identifier in *evidence* as *partition* has it, by id: the one that is known, where it stays so."""
    components = _components(region, partition)
    closed = partition.trusted.closures.keys() | partition.all.closures.keys() | partition.openers.keys()
    after = []
    for node_id, node in sorted(evidence.nodes.items()):
        member = region.members.get(node_id)
        person, component = partition.person[node_id], components[node_id]
        standing = _standing(node_id, partition)
        closures = _closures(node_id, partition) if node_id in closed else _OPEN
        if (
            member is None
            or node is not region.evidence.nodes.get(node_id)
            or (person, component, standing) != (member.person_id, member.component_id, member.standing)
            or closures != member.closures
        ):
            is_weak = node_id not in partition.all.core
            member = Member(
                node_id, node.identifier, is_weak, node.first_at, node.vouched, person, component, standing, closures
            )
        after.append(member)
    return after


def _void(region: Region, evidence: Evidence, partition: Partition) -> list[Member]:
    """Return the row of every identifier of which nothing is known any more. It leads to whoever holds on to most of those whose
    person it was the name of, so that no id that was ever published leads nowhere while somebody is left."""
    gone = [m for i, m in region.members.items() if i not in evidence.nodes and m.standing is not Standing.VOID]
    left: dict[PersonId, Counter[PersonId]] = defaultdict(Counter)
    for member in region.members.values():
        if gone and member.id in evidence.nodes and member.standing is not Standing.VOID:
            left[member.person_id][partition.person[member.id]] += 1
    return [
        replace(
            member,
            vouched=False,
            person_id=heir(left[PersonId(member.id)]) or PersonId(member.id),
            component_id=member.id,
            standing=Standing.VOID,
            closures=(None, None, None),
        )
        for member in gone
    ]


def _standing(node_id: IdentifierId, partition: Partition) -> Standing:
    if node_id in partition.generic:
        return Standing.GENERIC
    if node_id in partition.blocked:
        return Standing.BLOCKED
    if node_id in partition.presumed:
        return Standing.PRESUMED
    return Standing.CONTESTED if node_id in partition.contested else Standing.OWNED


_OPEN = (None, None, None)


def _closures(
    node_id: IdentifierId, partition: Partition
) -> tuple[people.Closure | None, people.Closure | None, people.Closure | None]:
    return (
        _kept(partition.trusted.closures, node_id),
        _kept(partition.all.closures, node_id),
        _kept(partition.openers, node_id),
    )


def _kept(closures: Closures, node_id: IdentifierId) -> people.Closure | None:
    closure = closures.get(node_id)
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


def _displaces(opening: Opening | None, known: Opening) -> bool:
    """Whether whoever was known to have opened a link first has not."""
    return opening is not None and opening < known


def _settled(
    members: Iterable[Member], opened: Collection[IdentifierId], displaced: Collection[IdentifierId]
) -> Settled:
    kept: tuple[dict[IdentifierId, Closure], ...] = ({}, {}, {})
    for member in members:
        if member.id not in opened:
            for closures, closure in zip(kept, member.closures, strict=True):
                if closure:
                    witness = Witness(*closure[1]) if closure[1] else None
                    closures[member.id] = Closure(Closing(closure[0]), witness)
    trusted, everything, openers = kept
    return Settled(trusted, everything, {i: closure for i, closure in openers.items() if i not in displaced})


def _seen_by(connection: Connection, ids: Collection[IdentifierId]) -> set[IdentifierId]:
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


def _links(
    connection: Connection, members: Mapping[IdentifierId, Member], settled: Settled, change: Change
) -> dict[Pair, tuple[Link, str | None]]:
    """Return the links among *members*.

    Those of closed identifiers to the rest of the world, which may be many, stay where they are; of one that is closed in the
    second round only (*ajar*), those that trusted sources vouch for still matter, and those to others of the kind: whose both
    are is for trusted sources to say, and with it whether what the public says of the two is refused.
    """
    if not members:
        return {}
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
    return {(row[0], row[1]): _link(row) for row in rows if row[0] in members and row[1] in members}


def links_between(connection: Connection, ids: Collection[IdentifierId]) -> dict[Pair, tuple[Link, str | None]]:
    """Return the links among *ids*, each with the reason why it is refused, if it is."""
    statement = text(
        f"SELECT {_LINK} FROM link WHERE one = ANY(CAST(:ids AS uuid[])) AND other = ANY(CAST(:ids AS uuid[]))"  # noqa: S608 - no value in it
    )
    return {(row[0], row[1]): _link(row) for row in connection.execute(statement, {"ids": array(ids)})}


def links_from(connection: Connection, ids: Collection[IdentifierId]) -> dict[Pair, tuple[Link, str | None]]:
    """Return the links whose lesser end is one of *ids*, each with the reason why it is refused, if it is."""
    statement = text(f"SELECT {_LINK} FROM link WHERE one = ANY(CAST(:ids AS uuid[]))")  # noqa: S608 - no value in it
    return {(row[0], row[1]): _link(row) for row in connection.execute(statement, {"ids": array(ids)})}


def _link(row: AnyRow) -> tuple[Link, str | None]:
    _, _, weight, first_at, last_at, count, trusted_weight, trusted_last_at, refused = row
    basis = Basis(_WEIGHTS[weight], last_at)
    if trusted_weight is None:
        trusted = None
    elif (trusted_weight, trusted_last_at) == (weight, last_at):
        trusted = basis
    else:
        trusted = Basis(_WEIGHTS[trusted_weight], trusted_last_at)
    return Link(basis, trusted, first_at, count), refused


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


def _write_links(connection: Connection, region: Region, evidence: Evidence, partition: Partition) -> None:
    new, changed = [], []
    gone = [ends for ends in region.evidence.links if ends not in evidence.links]
    run(
        connection,
        "DELETE FROM link USING json_to_recordset(:rows) AS r(one uuid, other uuid)"
        " WHERE link.one = r.one AND link.other = r.other",
        [{"one": one, "other": other} for one, other in gone],
    )
    for ends, link in evidence.links.items():
        refused = _refusal(partition.refused.get(ends))
        known = region.evidence.links.get(ends)
        if known is None:
            new.append((*ends, *_link_row(link), refused))
        elif (known is not link and known != link) or region.refused[ends] != refused:
            changed.append(dict(zip(_LINK_COLUMNS, (*ends, *_link_row(link), refused), strict=True)))
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


def write_openings(
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

"""The evidence in PostgreSQL: the part of the graph that a batch has to look at, and the difference that it makes."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, text

from core.errors import Contended
from core.identifier import BlindIndex, Identifier, IdentifierId, PersonId
from profiles import people, rereading
from profiles.people import Member, Standing
from profiles.touchpoint import Said
from stitcher import directives, graph, links, openings
from stitcher.decisions import Pair
from stitcher.difference import heir
from stitcher.graph import Change, Correction, Evidence, Node, Opening
from stitcher.resolve import Partition, Settled
from stitcher.round import Closing, Closure, Closures, Witness
from stitcher.rules import Rules


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
    asked |= links.seen_by(connection, opened)
    asked |= {end for ends in directives.on_subjects(connection, asked, index).must for end in ends}
    known_openings = openings.of_tokens(connection, change.openings)
    asked |= {i for o in (*known_openings.values(), *change.openings.values()) if o for i in (o.opener, *o.recipients)}
    members = _locked(connection, asked)
    if (
        openings.of_tokens(connection, change.openings) != known_openings
        or not links.seen_by(connection, opened) <= asked
    ):
        raise Contended("another worker moved what this batch had read")
    displaced = {
        known.opener for token, known in known_openings.items() if _displaces(change.openings.get(token), known)
    }
    settled = _settled(members.values(), opened, displaced)
    found = links.among(connection, members, settled, change)
    openers = [m.id for m in members.values() if m.is_weak and m.id not in settled.openers]
    evidence = Evidence(
        {m.id: Node(m.identifier, m.first_at, m.vouched) for m in members.values() if m.standing is not Standing.VOID},
        found.links,
        known_openings | openings.by_openers(connection, openers),
        directives.on_subjects(connection, members.keys() | asked, index),
    )
    return Region(members, evidence, found.refused, settled)


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
        beyond = people.members(connection, links.seen_by(connection, further) - reached)
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
    linked = read.pairs | links.pairs_of(connection, read.ids)
    of_ids: dict[IdentifierId, list[Said]] = {i: [] for i in read.ids}
    for said in rereading.said_of(connection, read.ids, linked):
        of_ids[said.one].append(said)
    weak = {i for i in read.ids if rules.namespaces[named[i].namespace].kind == "weak"}
    opening = rereading.opening(connection, read.tokens)
    first = graph.read({t.uid: t.event for t in opening if not t.void}, rules, index)[1].openings
    return Correction(
        named.keys(),
        {i: graph.node_of(named[i], said, rules) for i, said in of_ids.items()},
        {ends: graph.link_of(said, not weak.isdisjoint(ends), rules) for ends, said in of_pairs.items()},
        {token: first.get(token) for token in read.tokens},
    )


def write(connection: Connection, region: Region, evidence: Evidence, partition: Partition) -> None:
    """Write the difference between *region* and what *partition* says of *evidence*."""
    after = [*decided(region, evidence, partition), *_void(region, evidence, partition)]
    changed = [member for member in after if member is not region.members.get(member.id)]
    people.insert(connection, [member for member in changed if member.id not in region.members])
    people.update(connection, [m for m in changed if m.id in region.members and m != region.members[m.id]])
    links.write(connection, links.Known(region.evidence.links, region.refused), evidence.links, partition.refused)
    openings.write(connection, region.evidence.openings, evidence.openings)


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

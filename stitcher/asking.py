"""Asking the graph: who is it, why are these one person, what holds him together, whose is an event on a shared device.

Nothing here decides or writes: who is whose is read as the stitcher has left it, without locks.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import networkx as nx
from sqlalchemy import Connection, text

from core.database import array
from core.errors import InvalidEvent, NotFound
from core.identifier import BlindIndex, Drop, Identifier, IdentifierId, PersonId, clean, clean_scope, split
from profiles import people, timeline
from profiles.people import Member, Standing
from profiles.timeline import Entry, Together
from stitcher import whose
from stitcher.decisions import Pair
from stitcher.graph import Weight, pair

LINKS_MAX = 5_000
EVIDENCE_MAX = 10
STEPS_MAX = 100
OWNERS_MAX = 50
CONTESTED_MAX = 50  # contested identifiers of one person whose events are looked through, those seen last first
CHANGES_MAX = 1_000  # to a person that are looked through for one page of his timeline
EVENTS_MAX = 1_000  # events on one contested identifier that are looked through, the newest first

# Who is it?


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose an identifier is. One that nobody can own has *contested_by*: the people who have been linked to it."""

    person: PersonId | None
    contested_by: Sequence[PersonId] | None


def lookup(
    connection: Connection,
    written: Sequence[str],
    index: BlindIndex,
    as_of: datetime | None = None,
    reassignable: Collection[str] = (),
) -> Sequence[Owner]:
    """Say of each identifier in *written* whose it is, by a constant number of queries.

    *As_of* a time, where one is given, it may have been another's: a phone or mailbox, say (of a *reassignable* namespace).

    One that names nobody (a null, a macro) or that nobody has acted under has no owner. Raises `InvalidEvent`, with a
    pointer, for one that is not written like an identifier.
    """
    ids = [id_of(text_, index, f"/identifiers/{position}") for position, text_ in enumerate(written)]
    known = {m.id: m for m in people.members(connection, {node_id for node_id in ids if node_id})}
    shared = [m.id for m in known.values() if not m.standing.is_somebodys]
    linked = _linked_people(connection, shared)
    then = _then(connection, known.values(), as_of, reassignable) if as_of else {}
    return [_owner(known.get(node_id) if node_id else None, linked, then) for node_id in ids]


def _then(
    connection: Connection, known: Iterable[Member], as_of: datetime, reassignable: Collection[str]
) -> Mapping[IdentifierId, PersonId]:
    had = whose.had(connection, [m.id for m in known if m.identifier.namespace in reassignable])
    return {of: next(s.person for s in stretches if s.covers(as_of)) for of, stretches in had.items()}


def identifier_of(members: Iterable[Member], written: str, index: BlindIndex, pointer: str) -> IdentifierId:
    """Return the id of the identifier *written*, which is one of *members*. Raises `NotFound`, `InvalidEvent`."""
    node_id = id_of(written, index, pointer)
    if node_id is None or all(member.id != node_id for member in members):
        raise NotFound("this is not an identifier of this person")
    return node_id


def id_of(written: str, index: BlindIndex, pointer: str) -> IdentifierId | None:
    """Return the id of the identifier *written*; `None` for one that names nobody. Raises `InvalidEvent`."""
    try:
        namespace, scope, value = split(written)
        cleaned = clean(namespace, value)
        return None if isinstance(cleaned, Drop) else index(Identifier(namespace, clean_scope(scope), cleaned))
    except InvalidEvent as error:
        raise InvalidEvent(error.code, error.detail, pointer) from None


def _owner(
    member: Member | None,
    linked: Mapping[IdentifierId, Sequence[PersonId]],
    then: Mapping[IdentifierId, PersonId],
) -> Owner:
    if member is None or member.standing is Standing.VOID:
        return Owner(None, None)
    if member.standing.is_somebodys:
        return Owner(then.get(member.id, member.person_id), None)
    return Owner(None, linked.get(member.id, ()))


def _linked_people(connection: Connection, ids: Collection[IdentifierId]) -> Mapping[IdentifierId, Sequence[PersonId]]:
    """Return whom *ids* have been linked to, up to `OWNERS_MAX` each."""
    found: dict[IdentifierId, list[PersonId]] = defaultdict(list)
    for beside in whose.beside_of(connection, ids, OWNERS_MAX):
        if beside.person not in found[beside.of]:
            found[beside.of].append(beside.person)
    return {node_id: sorted(persons) for node_id, persons in found.items()}


# A person as a graph


@dataclass(frozen=True, slots=True)
class Known:
    """A link as the stitcher has left it: *refused* says why it unites nobody (`None`: it does)."""

    ends: Pair
    weight: Weight
    first_at: datetime
    last_at: datetime
    count: int
    vouched: bool
    refused: str | None


@dataclass(frozen=True, slots=True)
class Bridge:
    """Weak *identifiers* by which alone strong *parts* are one person."""

    identifiers: Sequence[IdentifierId]
    parts: Sequence[Sequence[IdentifierId]]


@dataclass(frozen=True, slots=True)
class Weakest:
    """The weakest link without which strong identifiers would fall apart, into *parts*."""

    known: Known
    parts: Sequence[Sequence[IdentifierId]]


@dataclass(frozen=True, slots=True)
class Identity:
    """The identifiers of a person, what links them to one another and to *neighbours*, and where he is held together.

    *Neighbours* are other people's identifiers or nobody's, to which a link was refused. *is_truncated* says that there
    are more links than `LINKS_MAX`; those that were refused are left out first.
    """

    members: Sequence[Member]
    neighbours: Sequence[Member]
    links: Sequence[Known]
    bridges: Sequence[Bridge]
    weakest: Weakest | None
    is_truncated: bool


def identity(connection: Connection, person_id: PersonId) -> Identity:
    """Return the graph of a person (of the present id)."""
    members = people.of_person(connection, person_id)
    known = _links(connection, [member.id for member in members])
    links = known[:LINKS_MAX]
    own = {member.id for member in members}
    others = {end for link in links for end in link.ends} - own
    graph = _graph(members, links)
    return Identity(
        members=members,
        neighbours=sorted(people.members(connection, others), key=lambda m: m.identifier),
        links=links,
        bridges=_bridges(graph, members),
        weakest=_weakest(graph, members, {known.ends: known for known in links}),
        is_truncated=len(known) > LINKS_MAX,
    )


@dataclass(frozen=True, slots=True)
class Step:
    """One link of a path, with the newest of the events that say so."""

    known: Known
    events: Sequence[Entry]


def why(connection: Connection, members: Sequence[Member], one: IdentifierId, other: IdentifierId) -> Sequence[Step]:
    """Say why *one* and *other* are one person: the strongest path between them, link by link.

    That is the path whose weakest link is as strong as can be, and of those one of the shortest. *Members* are all
    identifiers of the person. Raises `NotFound` when one of the two is not among them.
    """
    if not {one, other} <= {member.id for member in members}:
        raise NotFound("this is not an identifier of this person")
    links = {known.ends: known for known in _links(connection, [member.id for member in members])}
    path = [links[ends] for ends in _strongest_path(links.values(), one, other)][:STEPS_MAX]
    pairs = [Together(*known.ends, known.first_at, known.last_at) for known in path]
    events = timeline.naming_both(connection, pairs, EVIDENCE_MAX)
    return [Step(known, events[known.ends]) for known in path]


def _strongest_path(links: Iterable[Known], one: IdentifierId, other: IdentifierId) -> Sequence[Pair]:
    used = sorted((known for known in links if known.refused is None), key=lambda k: (-k.weight, k.ends))
    graph: nx.Graph[IdentifierId] = nx.Graph()
    graph.add_nodes_from((one, other))
    for weight in sorted(Weight, reverse=True):
        graph.add_edges_from(known.ends for known in used if known.weight == weight)
        if nx.has_path(graph, one, other):
            steps = nx.shortest_path(graph, one, other)
            return [pair(*ends) for ends in pairwise(steps)]
    raise NotFound("no link that is used joins these two")


def _graph(members: Sequence[Member], links: Iterable[Known]) -> "nx.Graph[IdentifierId]":
    graph: nx.Graph[IdentifierId] = nx.Graph()
    graph.add_nodes_from(member.id for member in members)
    graph.add_edges_from(known.ends for known in links if known.refused is None)
    return graph


def _bridges(graph: "nx.Graph[IdentifierId]", members: Sequence[Member]) -> Sequence[Bridge]:
    weak = {member.id for member in members if member.is_weak}
    core = {}
    for part in nx.connected_components(graph.subgraph(graph.nodes - weak)):
        core.update(dict.fromkeys(part, tuple(sorted(part))))
    bridges = []
    for component in nx.connected_components(graph.subgraph(weak)):
        ends = {i for i in component if not core.keys().isdisjoint(graph[i])}
        parts = {core[strong] for i in ends for strong in graph[i] if strong in core}
        if len(parts) > 1:
            bridges.append(Bridge(sorted(ends), sorted(parts)))
    return sorted(bridges, key=lambda bridge: tuple(bridge.identifiers))


def _weakest(graph: "nx.Graph[IdentifierId]", members: Sequence[Member], links: Mapping[Pair, Known]) -> Weakest | None:
    """Of the links whose loss would part strong identifiers, return the least well founded."""
    strong = {member.id for member in members if not member.is_weak}
    cuts = [links[pair(*ends)] for ends in nx.bridges(graph)]
    order = sorted(cuts, key=lambda known: (known.weight, known.vouched, known.count, known.ends))
    for known in order:
        parts = _parts_without(graph, known.ends)
        if all(strong.intersection(part) for part in parts):
            return Weakest(known, parts)
    return None


def _parts_without(graph: "nx.Graph[IdentifierId]", ends: Pair) -> Sequence[Sequence[IdentifierId]]:
    view = nx.restricted_view(graph, [], [ends])
    return [sorted(nx.node_connected_component(view, end)) for end in ends]


def _links(connection: Connection, ids: Collection[IdentifierId]) -> Sequence[Known]:
    """Return the links of *ids*, one more than `LINKS_MAX` at most, those that are used first."""
    rows = connection.execute(
        text(
            "SELECT one::text, other::text, weight, first_at, last_at, count, trusted_weight IS NOT NULL, refused"
            "  FROM (SELECT * FROM link WHERE one = ANY(CAST(:ids AS uuid[]))"
            " UNION SELECT * FROM link WHERE other = ANY(CAST(:ids AS uuid[]))) AS own"
            " ORDER BY refused NULLS FIRST, weight DESC, last_at DESC, one, other LIMIT :most"
        ),
        {"ids": array(ids), "most": LINKS_MAX + 1},
    )
    return [Known((row[0], row[1]), Weight(row[2]), *row[3:]) for row in rows]

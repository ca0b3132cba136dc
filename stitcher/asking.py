"""Asking the graph: who is it, why are these one person, what holds him together, whose is an event on a shared device.

Nothing here decides or writes: who is whose is read as the stitcher has left it, without locks.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Annotated

import networkx as nx
from pydantic import AwareDatetime, Field, StringConstraints
from sqlalchemy import Connection, text

from core.database import array
from core.errors import InvalidEvent, NotFound
from core.event import EventUid
from core.identifier import BlindIndex, Drop, Identifier, IdentifierId, PersonId, clean, clean_scope, split
from profiles import attribution, history, people, timeline
from profiles.history import IdentityChange
from profiles.people import Member, Standing
from profiles.timeline import Entry, Filter, Together
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
    as_of: datetime | None = None,  # noqa: ARG001 - everybody is who he is now, until ownership has intervals
    reassignable: Collection[str] = (),  # noqa: ARG001 - as above
) -> Sequence[Owner]:
    """Say of each identifier in *written* whose it is, by a constant number of queries.

    *As_of* a time, where one is given, it may have been another's: a phone or mailbox, say (of a *reassignable* namespace).

    One that names nobody (a null, a macro) or that nobody has acted under has no owner. Raises `InvalidEvent`, with a
    pointer, for one that is not written like an identifier.
    """
    ids = [_id(text_, index, f"/identifiers/{position}") for position, text_ in enumerate(written)]
    known = {m.id: m for m in people.members(connection, {node_id for node_id in ids if node_id})}
    shared = [m.id for m in known.values() if not m.standing.is_somebodys]
    linked = _linked_people(connection, shared)
    return [_owner(known.get(node_id) if node_id else None, linked) for node_id in ids]


def identifier_of(members: Iterable[Member], written: str, index: BlindIndex, pointer: str) -> IdentifierId:
    """Return the id of the identifier *written*, which is one of *members*. Raises `NotFound`, `InvalidEvent`."""
    node_id = _id(written, index, pointer)
    if node_id is None or all(member.id != node_id for member in members):
        raise NotFound("this is not an identifier of this person")
    return node_id


def _id(written: str, index: BlindIndex, pointer: str) -> IdentifierId | None:
    try:
        namespace, scope, value = split(written)
        cleaned = clean(namespace, value)
        return None if isinstance(cleaned, Drop) else index(Identifier(namespace, clean_scope(scope), cleaned))
    except InvalidEvent as error:
        raise InvalidEvent(error.code, error.detail, pointer) from None


def _owner(member: Member | None, linked: Mapping[IdentifierId, Sequence[PersonId]]) -> Owner:
    if member is None or member.standing is Standing.VOID:
        return Owner(None, None)
    if member.standing.is_somebodys:
        return Owner(member.person_id, None)
    return Owner(None, linked.get(member.id, ()))


def _linked_people(connection: Connection, ids: Collection[IdentifierId]) -> Mapping[IdentifierId, Sequence[PersonId]]:
    """Return whom *ids* have been linked to, up to `OWNERS_MAX` each."""
    found: dict[IdentifierId, list[PersonId]] = defaultdict(list)
    for beside in _beside(connection, ids, OWNERS_MAX):
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


# The timeline

# A place comes back from outside as a cursor, so it says what it can hold.
_Time = Annotated[AwareDatetime, Field(lt=datetime.max.replace(year=9000, tzinfo=UTC))]
_Uid = Annotated[EventUid, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


@dataclass(frozen=True, slots=True)
class Place:
    """How far a timeline has been read: the last event; the time of the last change, and how many of that time."""

    event: tuple[_Time, _Uid] | None = None
    change: tuple[_Time, int] | None = None


Line = Entry | IdentityChange


@dataclass(frozen=True, slots=True)
class Page:
    """Lines of a timeline, the newest first, and the place behind them (`None`: there are no more)."""

    lines: Sequence[Line]
    next: Place | None


def timeline_of(connection: Connection, person_id: PersonId, wanted: Filter, after: Place, most: int) -> Page:
    """Return up to *most* lines of a person's timeline, the newest first, from behind *after*.

    Besides what stands under his identifiers it has what belongs to him on devices that he shares, and what happened to
    him as a person. Every event is on one timeline only.
    """
    members = people.of_person(connection, person_id)
    also, without = _shared(connection, person_id, members)
    own = [member.id for member in members]
    entries = timeline.entries(connection, own, wanted, after.event, most + 1, also=also, without=without)
    changes = _changes(connection, person_id, wanted, after.change, most + 1)
    together: list[Line] = [*changes, *entries]
    lines = sorted(together, key=_time, reverse=True)[:most]
    return Page(lines, _behind(lines, after) if len(entries) + len(changes) > most else None)


def _changes(
    connection: Connection, person_id: PersonId, wanted: Filter, after: tuple[datetime, int] | None, most: int
) -> Sequence[IdentityChange]:
    if wanted.channel is not None:
        return []
    until, passed = wanted.until, 0
    if after is not None:
        at, passed = after
        until = min(at + timedelta(microseconds=1), until) if until else at + timedelta(microseconds=1)
    changes = history.of_person(connection, person_id, wanted.since, until, CHANGES_MAX)
    return [change for change in changes if wanted.type in (None, change.kind)][passed : passed + most]


def _time(line: Line) -> datetime:
    return line.at if isinstance(line, IdentityChange) else line.occurred_at


def _behind(lines: Iterable[Line], after: Place) -> Place:
    event, change = after.event, after.change
    for line in lines:
        if isinstance(line, IdentityChange):
            change = (line.at, change[1] + 1 if change and change[0] == line.at else 1)
        else:
            event = (line.occurred_at, line.uid)
    return Place(event, change)


# Devices that belong to nobody


@dataclass(frozen=True, slots=True)
class _Beside:
    """That *person* holds the strong identifier *id*, which was linked to *of* from *first_at* to *last_at*."""

    of: IdentifierId
    id: IdentifierId
    person: PersonId
    first_at: datetime
    last_at: datetime


def _shared(
    connection: Connection, person_id: PersonId, members: Sequence[Member]
) -> tuple[Collection[EventUid], Collection[EventUid]]:
    """Return the events elsewhere that belong to a person, and those under his identifiers that belong to another."""
    own = {member.id for member in members if member.standing is Standing.CONTESTED}
    devices = own | _contested_by(connection, [member.id for member in members if not member.is_weak])
    also: list[EventUid] = []
    without: list[EventUid] = []
    for device, owners in _owners(connection, devices).items():
        if device in own:
            without += owners
        else:
            also += [uid for uid, person in owners.items() if person == person_id]
    return also, without


def _contested_by(connection: Connection, strong: Collection[IdentifierId]) -> set[IdentifierId]:
    if not strong:
        return set()
    rows = connection.execute(
        text(
            "SELECT device.id::text FROM ("
            " SELECT other AS id, last_at FROM link WHERE one = ANY(CAST(:ids AS uuid[]))"
            " UNION ALL SELECT one, last_at FROM link WHERE other = ANY(CAST(:ids AS uuid[]))) AS seen"
            " JOIN identifier AS device ON device.id = seen.id AND device.weak AND device.standing = :contested"
            " GROUP BY device.id ORDER BY max(seen.last_at) DESC, device.id LIMIT :most"
        ),
        {"ids": array(strong), "contested": Standing.CONTESTED.value, "most": CONTESTED_MAX},
    )
    return set(rows.scalars())


def _owners(
    connection: Connection, devices: Collection[IdentifierId]
) -> Mapping[IdentifierId, Mapping[EventUid, PersonId]]:
    """Say of the events anchored on each of *devices* which belong to a person.

    A function of what is known of the device alone, so that all timelines agree. Where more is known than is looked at,
    what lies before stays the device's.
    """
    found = timeline.newest(connection, devices, EVENTS_MAX) if devices else []
    if not found:
        return {}
    moments: dict[IdentifierId, list[attribution.Moment]] = defaultdict(list)
    for moment in found:
        moments[moment.device].append(attribution.Moment(moment.at, moment.uid, None))
    beside = _beside(connection, moments.keys(), EVENTS_MAX)
    since = _full({device: [m.at for m in own] for device, own in moments.items()})
    since |= _later(since, _full(_grouped((b.of, b.last_at) for b in beside)))
    pairs = [Together(b.of, b.id, b.first_at, b.last_at) for b in beside]
    logins = timeline.naming_both(connection, pairs, EVENTS_MAX)
    for each in beside:
        entries = logins[each.of, each.id]
        moments[each.of] += [attribution.Moment(e.occurred_at, e.uid, each.person) for e in entries]
        since |= _later(since, _full({each.of: [e.occurred_at for e in entries]}))
    return {device: attribution.owners(own, since.get(device)) for device, own in moments.items()}


def _grouped(pairs: Iterable[tuple[IdentifierId, datetime]]) -> Mapping[IdentifierId, list[datetime]]:
    grouped: dict[IdentifierId, list[datetime]] = defaultdict(list)
    for device, at in pairs:
        grouped[device].append(at)
    return grouped


def _full(times: Mapping[IdentifierId, Sequence[datetime]]) -> dict[IdentifierId, datetime]:
    """Return, where a limit was reached, since when nothing is missing."""
    return {device: min(own) for device, own in times.items() if len(own) >= EVENTS_MAX}


def _later(
    one: Mapping[IdentifierId, datetime], other: Mapping[IdentifierId, datetime]
) -> Mapping[IdentifierId, datetime]:
    return {device: max(at, one.get(device, at)) for device, at in other.items()}


def _beside(connection: Connection, devices: Collection[IdentifierId], most: int) -> Sequence[_Beside]:
    """Return who was authenticated on *devices*: owned, strong identifiers linked to them, the latest *most* each."""
    if not devices:
        return []
    rows = connection.execute(_BESIDE, {"devices": array(devices), "most": most})
    return [_Beside(*row) for row in rows]


_BESIDE = text(
    """
    SELECT asked.device::text, beside.id::text, beside.person_id::text, beside.first_at, beside.last_at
      FROM unnest(CAST(:devices AS uuid[])) AS asked(device)
     CROSS JOIN LATERAL (
       SELECT strong.id, strong.person_id, seen.first_at, seen.last_at
         FROM (SELECT other AS id, first_at, last_at FROM link WHERE one = asked.device
               UNION ALL SELECT one, first_at, last_at FROM link WHERE other = asked.device) AS seen
         JOIN identifier AS strong ON strong.id = seen.id AND NOT strong.weak AND strong.standing = 0
        ORDER BY seen.last_at DESC, strong.id LIMIT :most
     ) AS beside
    """
)

"""A large person who only grows: looked at as a whole, instead of identifier by identifier.

Where all that is known of a neighbourhood makes one person, and what comes cannot be objected to by any rule, the outcome is
known: the same person, and what is new is his. Then only those identifiers are loaded that the batch names, and those after
which the person and the neighbourhood are named, with ties in place of the links by which the rest holds them together.
Whatever is not quite so plain is left to `store.load`, which looks at everything.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from sqlalchemy import Connection, text

from core.database import array
from core.identifier import BlindIndex, IdentifierId
from profiles import people
from profiles.people import Member, Standing
from stitcher import decisions, directives, links
from stitcher.decisions import Pair
from stitcher.graph import Basis, Change, Evidence, Link, Node, Weight, pair
from stitcher.groups import seniority
from stitcher.resolve import Settled
from stitcher.rules import Rules
from stitcher.store import Region

LARGE_FROM = 100  # from so many identifiers on it is cheaper than to look at all of them
NAMED_MAX = 50  # a batch that names more identifiers than this meets many people, so that none of them makes it dear


def region(connection: Connection, change: Change, rules: Rules, index: BlindIndex) -> Region | None:
    """Return, locked, what stands for the one large person who grows by *change*; `None` where it is not as plain as that."""
    if not isinstance(change, Evidence) or not 0 < len(change.nodes) <= NAMED_MAX or change.openings:
        return None
    if rules.weak_bridges == "never" or any(link.trusted != link.basis for link in change.links.values()):
        return None
    component = _large(connection, change.nodes)
    if component is None or directives.on_subjects(connection, change.nodes, index) != decisions.NONE:
        return None
    people.lock(connection, [component])
    whole = _whole(connection, component, rules)
    if whole is None:
        return None
    members = {m.id: m for m in people.members(connection, {*change.nodes, component, whole.person})}
    if any(m.component_id != component for m in members.values()) or not _only_grows(change, members, whole, rules):
        return None
    nodes = {m.id: Node(m.identifier, m.first_at, m.vouched) for m in members.values()}
    known = links.between(connection, members).links
    ties = _ties(members, known.keys() | change.links.keys(), nodes)
    evidence = Evidence(nodes, {**known, **ties})
    return Region(members, evidence, dict.fromkeys(evidence.links), Settled(), is_whole=False)


@dataclass(frozen=True, slots=True)
class _Whole:
    """A neighbourhood that is one *person*: of how many identifiers (*size*), in what *slots*, how many of them *counted* where
    it is asked who is generic."""

    person: IdentifierId
    size: int
    slots: Collection[str]
    counted: int


def _only_grows(change: Evidence, members: Mapping[IdentifierId, Member], whole: _Whole, rules: Rules) -> bool:
    """Whether *change* only adds to the person of *whole*, who goes by the same name: nothing it brings is older than that,
    is in a slot that is taken, or hangs in the air."""
    fresh = [node for node_id, node in change.nodes.items() if node_id not in members]
    strong = [n.identifier for n in fresh if rules.namespaces[n.identifier.namespace].kind != "weak"]
    counted = whole.counted + sum(identifier.namespace in rules.generic_counted for identifier in strong)
    slots = {identifier.slot for identifier in strong}
    named = members[whole.person]
    canonical = seniority(Node(named.identifier, named.first_at, named.vouched), rules)
    return (
        whole.size + len(fresh) <= rules.person_identifiers_max
        and counted <= rules.generic_owners_max
        and len(slots) == len(strong)
        and slots.isdisjoint(whole.slots)
        and all(seniority(n, rules) > canonical for i, n in change.nodes.items() if i != whole.person)
        and (whole.person not in change.nodes or change.nodes[whole.person].first_at >= named.first_at)
        and _hang_on(change, members)
    )


def _hang_on(change: Evidence, members: Mapping[IdentifierId, Member]) -> bool:
    """Whether all that is new is linked, over however many steps, to what is known."""
    reached = set(members)
    ahead = set(change.links)
    while further := {ends for ends in ahead if not reached.isdisjoint(ends)}:
        reached.update(i for ends in further for i in ends)
        ahead -= further
    return reached >= change.nodes.keys()


def _ties(
    members: Mapping[IdentifierId, Member], linked: Collection[Pair], nodes: Mapping[IdentifierId, Node]
) -> dict[Pair, Link]:
    """Return what holds *members* together though the links are not loaded: the strong ones in a row, and the weak ones on."""
    row = sorted(members, key=lambda i: (members[i].is_weak, i))
    ties = (pair(*ends) for ends in pairwise(row))
    return {ends: _tie(nodes[i].first_at for i in ends) for ends in ties if ends not in linked}


def _tie(times: Iterable[datetime]) -> Link:
    at = max(times)
    basis = Basis(Weight.OBSERVED, at)
    return Link(basis, basis, at, 1)


def _large(connection: Connection, ids: Collection[IdentifierId]) -> IdentifierId | None:
    """Return the neighbourhood of the known ones among *ids*, if it is a single one, and large."""
    rows = connection.execute(
        text(
            "SELECT component_id::text, count(*) FROM identifier"
            " WHERE component_id IN (SELECT component_id FROM identifier WHERE id = ANY(CAST(:ids AS uuid[])))"
            " GROUP BY component_id"
        ),
        {"ids": array(ids)},
    ).all()
    return rows[0][0] if len(rows) == 1 and rows[0][1] >= LARGE_FROM else None


def _whole(connection: Connection, component: IdentifierId, rules: Rules) -> _Whole | None:
    """Return *component* as a whole, if it is one person by the word of trusted sources alone, with nothing to be asked: each
    slot held once, no link refused, nobody out of the game, no opening and no directive about anybody."""
    person, people_count, size, is_owned, slots, counted, is_agreed, is_opener, is_decided = connection.execute(
        _WHOLE, {"component": component, "standing": Standing.OWNED.value, "counted": array(rules.generic_counted)}
    ).one()
    is_plain = people_count == 1 and is_owned and is_agreed and not is_opener and not is_decided
    if not is_plain or len(set(slots or ())) < len(slots or ()):
        return None
    return _Whole(person, size, frozenset(slots or ()), counted)


_WHOLE = text(
    """
    WITH own AS (SELECT * FROM identifier WHERE component_id = CAST(:component AS uuid))
    SELECT min(person_id::text), count(DISTINCT person_id), count(*),
           bool_and(standing = :standing AND closures IS NULL),
           array_agg(namespace || CASE scope WHEN '' THEN '' ELSE '@' || scope END) FILTER (WHERE NOT weak),
           count(*) FILTER (WHERE namespace = ANY(CAST(:counted AS text[]))),
           (SELECT bool_and(refused IS NULL AND trusted_weight IS NOT DISTINCT FROM weight
                            AND trusted_last_at IS NOT DISTINCT FROM last_at)
              FROM link WHERE one IN (SELECT id FROM own)),
           EXISTS (SELECT FROM opening WHERE opener IN (SELECT id FROM own)),
           EXISTS (SELECT FROM directive_subject WHERE subject IN (SELECT id FROM own))
      FROM own
    """
)

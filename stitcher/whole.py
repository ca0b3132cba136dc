"""Everything at once: who is one person, given all evidence as columns. Pure.

Nearly all that hangs together holds nothing that could be in conflict. That is seen, and decided, for all of it in bulk; what is
left goes to `stitcher.resolve`, a batch of whole components at a time. So the answer is that of `resolve` over everything.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from core.identifier import IdentifierId
from stitcher import columns
from stitcher.columns import NOWHERE, Columns, Mask, Numbers, Places, Small
from stitcher.graph import Evidence, Opening
from stitcher.resolve import Partition, resolve
from stitcher.round import Closure, Reason
from stitcher.rules import Rules

REASONS = tuple(Reason)
BATCH_NODES_MAX = 5_000

_CODES: Mapping[Reason | None, int] = {None: 0} | {reason: code for code, reason in enumerate(REASONS, 1)}

Closed = tuple[Closure | None, Closure | None, Closure | None]
"""How an identifier is out of the game: by the word of trusted sources, by all that is said, and as an opener of links."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `stitcher.resolve.Partition` says, as columns beside those of the evidence.

    *component* labels what hangs together. *person* is the place of the identifier after which its person is named,
    *neighbourhood* that of a member of its neighbourhood. *refused* is 0 for a link that unites its ends, and else one more
    than a place in `REASONS`. *closures* are by place.
    """

    component: Places
    person: Places
    neighbourhood: Places
    contested: Mask
    generic: Mask
    blocked: Mask
    presumed: Mask
    refused: Small
    closures: dict[int, Closed]

    @property
    def is_somebodys(self) -> Mask:
        """Which identifiers are a person's."""
        return ~(self.contested | self.generic | self.blocked)


@dataclass(frozen=True, slots=True)
class Part:
    """Some components as objects, with the *places* of their nodes among all, by id, and those of their *links*."""

    evidence: Evidence
    places: Mapping[IdentifierId, int]
    links: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Components:
    """What hangs together: the *label* of each node, how many there are, and which of them *plain*ly are one person."""

    label: Places
    count: int
    plain: Mask
    canonical: Places


def decide(evidence: Columns, rules: Rules) -> Outcome:
    """Say who is one person, given all *evidence*."""
    components = _components(evidence, rules)
    size = len(evidence.nodes)
    outcome = Outcome(
        component=components.label,
        person=components.canonical[components.label],
        neighbourhood=_members(components)[components.label],
        contested=np.zeros(size, np.bool_),
        generic=np.zeros(size, np.bool_),
        blocked=np.zeros(size, np.bool_),
        presumed=np.zeros(size, np.bool_),
        refused=np.zeros(len(evidence.links), np.int8),
        closures={},
    )
    for part in parts(evidence, components.label, ~components.plain):
        _write(outcome, part, resolve(part.evidence, rules))
    return outcome


def parts(evidence: Columns, label: Places, wanted: Mask, most: int = BATCH_NODES_MAX) -> Iterator[Part]:
    """Yield the *wanted* ones of the components *label* as objects: whole ones, about *most* nodes at once."""
    nodes = _sorted(np.flatnonzero(wanted[label]), label)
    links = _sorted(np.flatnonzero(wanted[label[evidence.links.one]]), label[evidence.links.one])
    of_nodes, of_links = label[nodes], label[evidence.links.one[links]]
    openings = _by_label(evidence, label)
    for begin, end in _cuts(of_nodes, most):
        first, last = np.searchsorted(of_links, [of_nodes[begin], of_nodes[end - 1] + 1]).tolist()
        labels = np.unique(of_nodes[begin:end]).tolist() if openings else ()
        opened = {token: opening for each in labels for token, opening in openings.get(each, ())}
        here = nodes[begin:end]
        part = evidence.evidence(here, links[first:last], opened)
        yield Part(part, dict(zip(part.nodes, here.tolist(), strict=True)), links[first:last])


def _sorted(places: NDArray[Any], label: Places) -> NDArray[Any]:
    return places[np.argsort(label[places], kind="stable")]


def _cuts(labels: NDArray[Any], most: int) -> Iterator[tuple[int, int]]:
    """Cut what is sorted by *labels* where they change, about every *most*."""
    begin = 0
    for end in [*(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]:
        if end - begin >= most or begin < end == len(labels):
            yield begin, end
            begin = end


def _by_label(evidence: Columns, label: Places) -> Mapping[int, list[tuple[IdentifierId, Opening]]]:
    found: dict[int, list[tuple[IdentifierId, Opening]]] = defaultdict(list)
    openers = columns.located(columns.ids(o.opener for o in evidence.openings.values()), evidence.nodes.ids)
    for place, item in zip(openers.tolist(), evidence.openings.items(), strict=True):
        found[int(label[place])].append(item)
    return found


def _components(evidence: Columns, rules: Rules) -> Components:
    """Find what hangs together, and of what nobody needs to decide anything: see `stitcher.resolve`."""
    nodes, links = evidence.nodes, evidence.links
    one, other, special = _directed(evidence)
    size = len(nodes)
    ones, others = np.concatenate([links.one, one]), np.concatenate([links.other, other])
    graph = coo_array((np.ones(len(ones), np.bool_), (ones, others)), shape=(size, size))
    count, label = connected_components(graph, directed=False) if size else (0, np.zeros(0, np.int32))
    plain = _plain(evidence, rules, label, count)
    plain[label[special]] = False
    canonical, tied = _canonical(evidence, rules, label, count)
    return Components(label, count, plain & ~tied, canonical)


def _directed(evidence: Columns) -> tuple[Places, Places, Places]:
    """Return the edges that are no links, and all nodes about which there is something special, by place."""
    decided = evidence.decided
    edges = [(one, other) for one, other in decided.must]
    for opening in evidence.openings.values():
        edges += [(opening.opener, recipient) for recipient in opening.recipients]
    single = [*(end for ends in decided.cannot for end in ends), *decided.blocked]
    if not edges and not single:
        return (np.zeros(0, np.int32),) * 3
    named = [*(end for ends in edges for end in ends), *single]
    places = columns.located(columns.ids(named), evidence.nodes.ids)
    ends = places[: 2 * len(edges)].reshape(-1, 2)
    ends = ends[(ends != NOWHERE).all(axis=1)]
    return ends[:, 0], ends[:, 1], places[places != NOWHERE]


def _plain(evidence: Columns, rules: Rules, label: Places, count: int) -> Mask:
    """Say of which components no rule can speak against making one person of all: not too many, said by trusted sources as by
    all, with at most two strong identifiers, linked, of two slots."""
    nodes, links = evidence.nodes, evidence.links
    namespaces = [rules.namespaces[namespace] for namespace, _ in evidence.slots]
    strong = np.array([n.kind != "weak" for n in namespaces], np.bool_)[nodes.slot]
    most = min(rules.generic_owners_max, rules.person_identifiers_max)
    strongs = np.bincount(label[strong], minlength=count)
    plain = (np.bincount(label, minlength=count) <= most) & (strongs <= 2)
    doubtful = (links.trusted_weight != links.weight) | (links.trusted_last_us != links.last_us)
    plain[label[links.one[doubtful]]] = False
    two = strongs == 2
    linked = np.zeros(count, np.bool_)
    between = strong[links.one] & strong[links.other]
    linked[label[links.one[between]]] = True
    plain &= ~two | (linked & _differ(label[strong], nodes.slot[strong], count))
    return plain


def _differ(label: Places, slot: Places, count: int) -> Mask:
    """Say of which components the first and the last of *slot* differ."""
    first, last = np.full(count, NOWHERE, np.int32), np.full(count, NOWHERE, np.int32)
    last[label] = slot
    first[label[::-1]] = slot[::-1]
    differ: Mask = first != last
    return differ


def _canonical(evidence: Columns, rules: Rules, label: Places, count: int) -> tuple[Places, Mask]:
    """Return the node of each component with the least first event time and rank, and which components have several such."""
    ranks = np.array([rules.namespaces[namespace].rank for namespace, _ in evidence.slots], np.int64)
    able = _least(np.arange(len(label), dtype=np.int32), label, evidence.nodes.first_us, count)
    able = _least(able, label, ranks[evidence.nodes.slot], count)
    canonical = np.zeros(count, np.int32)
    canonical[label[able]] = able
    return canonical, np.bincount(label[able], minlength=count) > 1


def _least(able: Places, label: Places, values: Numbers, count: int) -> Places:
    """Return those of the nodes *able* that have the least of *values* in their component."""
    least = np.full(count, np.iinfo(np.int64).max, np.int64)
    np.minimum.at(least, label[able], values[able])
    found: Places = able[values[able] == least[label[able]]]
    return found


def _members(components: Components) -> Places:
    """Return a member of each component."""
    member = np.zeros(components.count, np.int32)
    member[components.label] = np.arange(len(components.label), dtype=np.int32)
    return member


def _write(outcome: Outcome, part: Part, partition: Partition) -> None:
    """Write down what *partition* says of *part*."""
    places = part.places
    outcome.person[list(places.values())] = [places[partition.person[i]] for i in places]
    for neighbourhood in partition.neighbourhoods:
        members = [places[i] for i in neighbourhood]
        outcome.neighbourhood[members] = members[0]
    for mask, ids in (
        (outcome.contested, partition.contested),
        (outcome.generic, partition.generic),
        (outcome.blocked, partition.blocked),
        (outcome.presumed, partition.presumed),
    ):
        mask[[places[i] for i in ids]] = True
    codes = [_CODES[partition.refused.get(ends)] for ends in part.evidence.links]
    outcome.refused[part.links] = codes
    trusted, everything, openers = partition.trusted.closures, partition.all.closures, partition.openers
    for i in {*trusted, *everything, *openers}:
        outcome.closures[places[i]] = trusted.get(i), everything.get(i), openers.get(i)

"""Evidence: the graph of identifiers and links that events say, before anybody decides who is who.

Evidence adds up: `a + b` is what one knows from both, whatever came first and however the events were batched.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

from core.event import Event, Mention, Role, Strength, best_mention
from core.identifier import BlindIndex, Identifier, IdentifierId
from profiles.touchpoint import Touchpoint
from stitcher.rules import Rules


class Weight(IntEnum):
    """Strengths in their order, weakest first, as links carry and tables store them."""

    OBSERVED = 1
    DECLARED = 2
    PROVEN = 3
    PLATFORM = 4


_ACTING = frozenset({Role.SUBJECT, Role.CONTEXT})
_EXISTING = _ACTING | {Role.RECIPIENT}
_WEIGHTS = {strength: Weight[strength.name] for strength in Strength}

Pair = tuple[IdentifierId, IdentifierId]
"""The two ends of a link, the lesser first."""


def pair(one: IdentifierId, other: IdentifierId) -> Pair:
    """Return the two as the unordered pair that they are."""
    return (one, other) if one < other else (other, one)


@dataclass(frozen=True, slots=True)
class Node:
    """An identifier that somebody acted under: when first, and whether a trusted source has reported it."""

    identifier: Identifier
    first_at: datetime
    vouched: bool

    def __add__(self, other: "Node") -> "Node":
        return Node(self.identifier, min(self.first_at, other.first_at), self.vouched or other.vouched)


@dataclass(frozen=True, slots=True)
class Basis:
    """How well founded a link is: the highest weight, and when it was last said."""

    weight: Weight
    last_at: datetime

    def __add__(self, other: "Basis") -> "Basis":
        return Basis(max(self.weight, other.weight), max(self.last_at, other.last_at))


@dataclass(frozen=True, slots=True)
class Link:
    """Two identifiers said to be one person's by *count* events, the first of them at *first_at*.

    *basis* is what all events together give it, *trusted* what those of trusted sources do (`None`: no such source said it).
    They are kept apart so that nothing the public repeats can weigh where trusted sources decide.
    """

    basis: Basis
    trusted: Basis | None
    first_at: datetime
    count: int

    def __add__(self, other: "Link") -> "Link":
        return Link(
            self.basis + other.basis,
            self.trusted + other.trusted if self.trusted and other.trusted else self.trusted or other.trusted,
            min(self.first_at, other.first_at),
            self.count + other.count,
        )


@dataclass(slots=True)
class Evidence:
    """Identifiers and links, added up over events."""

    nodes: dict[IdentifierId, Node] = field(default_factory=dict)
    links: dict[Pair, Link] = field(default_factory=dict)

    def __add__(self, other: "Evidence") -> "Evidence":
        total = Evidence(dict(self.nodes), dict(self.links))
        for node_id, node in other.nodes.items():
            total.add_node(node_id, node)
        for ends, link in other.links.items():
            total.add_link(ends, link)
        return total

    def add_node(self, node_id: IdentifierId, node: Node) -> None:
        """Add what is known of one identifier."""
        known = self.nodes.get(node_id)
        self.nodes[node_id] = known + node if known else node

    def add_link(self, ends: Pair, link: Link) -> None:
        """Add what is known of one link."""
        known = self.links.get(ends)
        self.links[ends] = known + link if known else link


def read(events: Iterable[Event], rules: Rules, index: BlindIndex) -> tuple[list[Touchpoint], Evidence]:
    """Return what each of *events* says, and the evidence of all of them together.

    The links of an event are a star from its anchor, never a clique: a weak identifier then hangs on one link.
    """
    touchpoints = []
    evidence = Evidence()
    for event in events:
        touchpoints.append(_read(event, rules, index, evidence))
    return touchpoints, evidence


def _read(event: Event, rules: Rules, index: BlindIndex, evidence: Evidence) -> Touchpoint:
    standing = rules.trust[event.trust]
    best = best_mention(event, rules.namespaces)
    if best is None:
        return Touchpoint(event, event.uid, None, (), ambiguous=False)
    ids: dict[Identifier, IdentifierId] = {}
    for mention in _people_of(event, rules):
        identifier = mention.identifier
        if identifier not in ids:
            ids[identifier] = node_id = index(identifier)
            evidence.add_node(node_id, Node(identifier, event.occurred_at, standing.vouched))
    anchor = ids[best.identifier]
    acting = _acting(event, ids)
    ambiguous = _is_ambiguous(acting, rules)
    linked = best.role is not Role.RECIPIENT and not ambiguous
    others = tuple(sorted(ids[i] for i in acting if i != best.identifier)) if linked else ()
    claimed = min(_WEIGHTS[event.strength], _WEIGHTS[standing.ceiling])
    for other in others:
        weak = "weak" in (_kind(evidence.nodes[other], rules), _kind(evidence.nodes[anchor], rules))
        basis = Basis(Weight.OBSERVED if weak else claimed, event.occurred_at)
        trusted = basis if standing.vouched else None
        evidence.add_link(pair(anchor, other), Link(basis, trusted, event.occurred_at, 1))
    return Touchpoint(event, event.uid, anchor, others, ambiguous)


def _people_of(event: Event, rules: Rules) -> Iterable[Mention]:
    return (
        mention
        for mention in event.identifiers
        if mention.role in _EXISTING and (known := rules.namespaces.get(mention.namespace)) and known.kind != "hint"
    )


def _acting(event: Event, ids: Mapping[Identifier, IdentifierId]) -> set[Identifier]:
    return {m.identifier for m in event.identifiers if m.role in _ACTING and m.identifier in ids}


def _is_ambiguous(identifiers: Iterable[Identifier], rules: Rules) -> bool:
    slots = [i.slot for i in identifiers if rules.namespaces[i.namespace].exclusivity == "unique"]
    return len(slots) != len(set(slots))


def _kind(node: Node, rules: Rules) -> str:
    return rules.namespaces[node.identifier.namespace].kind

"""Evidence: the graph of identifiers and links that events say, before anybody decides who is who.

Evidence adds up: `a + b` is what one knows from both, whatever came first and however the events were batched.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

from core.event import Event, EventUid, Role, Strength
from core.identifier import BlindIndex, Identifier, IdentifierId, Namespace
from profiles.touchpoint import Touchpoint
from stitcher.rules import Rules


class Weight(IntEnum):
    """Strengths in their order, weakest first, as links carry and tables store them."""

    OBSERVED = 1
    DECLARED = 2
    PROVEN = 3
    PLATFORM = 4


# Whoever exists by an event, the foremost first. Only subjects and contexts are ever linked.
_PRECEDENCE = {Role.SUBJECT: 0, Role.CONTEXT: 1, Role.RECIPIENT: 2}
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


def read(events: Mapping[EventUid, Event], rules: Rules, index: BlindIndex) -> tuple[list[Touchpoint], Evidence]:
    """Return what each of *events* says, and the evidence of all of them together.

    The links of an event are a star from its anchor, never a clique: a weak identifier then hangs on one link.
    """
    evidence = Evidence()
    touchpoints = [_read(uid, event, rules, index, evidence) for uid, event in events.items()]
    return touchpoints, evidence


@dataclass(frozen=True, slots=True)
class _Named:
    """An identifier in an event, with what its order depends on."""

    role: Role
    namespace: Namespace
    identifier: Identifier
    id: IdentifierId


def _read(uid: EventUid, event: Event, rules: Rules, index: BlindIndex, evidence: Evidence) -> Touchpoint:
    standing = rules.trust[event.trust]
    named = _named(event, rules, index)
    for each in named:
        evidence.add_node(each.id, Node(each.identifier, event.occurred_at, standing.vouched))
    anchor = _anchor(named)
    if anchor is None:
        return Touchpoint(event, uid, None, (), ambiguous=False)
    acting = {each.id: each for each in named if each.role is not Role.RECIPIENT}
    ambiguous = _is_ambiguous(acting.values())
    linked = anchor.role is not Role.RECIPIENT and not ambiguous
    others = tuple(sorted(acting.keys() - {anchor.id})) if linked else ()
    claimed = min(_WEIGHTS[event.strength], _WEIGHTS[standing.ceiling])
    for other in others:
        weak = acting[other].namespace.kind == "weak" or anchor.namespace.kind == "weak"
        basis = Basis(Weight.OBSERVED if weak else claimed, event.occurred_at)
        trusted = basis if standing.vouched else None
        evidence.add_link(pair(anchor.id, other), Link(basis, trusted, event.occurred_at, 1))
    return Touchpoint(event, uid, anchor.id, others, ambiguous)


def _named(event: Event, rules: Rules, index: BlindIndex) -> list[_Named]:
    """Return the identifiers of everybody whom the event proves to exist, each once, in its foremost role."""
    found: dict[Identifier, _Named] = {}
    for mention in event.identifiers:
        namespace = rules.namespaces.get(mention.namespace)
        if mention.role in _PRECEDENCE and namespace is not None and namespace.kind != "hint":
            identifier = mention.identifier
            known = found.get(identifier)
            if known is None or _PRECEDENCE[mention.role] < _PRECEDENCE[known.role]:
                found[identifier] = _Named(mention.role, namespace, identifier, index(identifier))
    return list(found.values())


def _anchor(named: Iterable[_Named]) -> _Named | None:
    """The best-ranked subject; of the contexts where there is no subject, and of the recipients where nobody acts."""
    return min(
        named, key=lambda each: (_PRECEDENCE[each.role], each.namespace.rank, each.identifier.text), default=None
    )


def _is_ambiguous(acting: Iterable[_Named]) -> bool:
    slots = [each.identifier.slot for each in acting if each.namespace.exclusivity == "unique"]
    return len(slots) != len(set(slots))

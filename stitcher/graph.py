"""Evidence: the graph of identifiers and links that events say, before anybody decides who is who.

Evidence adds up: `a + b` is what one knows from both, whatever came first and however the events were batched. What a person
decided about it (`stitcher.decisions`) is heard here where it takes evidence away, and goes along where it adds to it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import TypeVar

from core.event import Event, EventUid, Role, Strength
from core.identifier import BlindIndex, Identifier, IdentifierId, Namespace
from profiles.touchpoint import Said, Touchpoint, Verdict
from stitcher import decisions, robots
from stitcher.decisions import Decisions, Pair
from stitcher.robots import NOTHING, Beside
from stitcher.rules import Rules

OPENING = (
    "link_token"  # the namespace of the hint by which an event says that it opened a link that was sent to somebody
)


class Weight(IntEnum):
    """Strengths in their order, weakest first, as links carry and tables store them."""

    OBSERVED = 1
    DECLARED = 2
    PROVEN = 3
    PLATFORM = 4


# Whoever exists by an event, the foremost first. Only subjects and contexts are ever linked.
_PRECEDENCE = {Role.SUBJECT: 0, Role.CONTEXT: 1, Role.RECIPIENT: 2}
_WEIGHTS = {strength: Weight[strength.name] for strength in Strength}


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


@dataclass(frozen=True, slots=True, order=True)
class Opening:
    """That a link delivered to *recipients* was opened under the identifier *opener*. Of several the first counts, by event
    time and then event id."""

    at: datetime
    event_id: str
    uid: EventUid
    opener: IdentifierId
    recipients: tuple[IdentifierId, ...]

    def __add__(self, other: "Opening") -> "Opening":
        return min(self, other)


@dataclass(slots=True)
class Evidence:
    """Identifiers and links, added up over events; the first opening of each link that was sent, by its token's id; and what
    was decided about them."""

    nodes: dict[IdentifierId, Node] = field(default_factory=dict)
    links: dict[Pair, Link] = field(default_factory=dict)
    openings: dict[IdentifierId, Opening] = field(default_factory=dict)
    decided: Decisions = decisions.NONE

    def __add__(self, other: "Evidence") -> "Evidence":
        total = Evidence(dict(self.nodes), dict(self.links), dict(self.openings), self.decided)
        for node_id, node in other.nodes.items():
            total.add_node(node_id, node)
        for ends, link in other.links.items():
            total.add_link(ends, link)
        for token, opening in other.openings.items():
            total.add_opening(token, opening)
        return total

    @property
    def touched(self) -> Collection[IdentifierId]:
        """All identifiers that are to be looked at when this is put to what is known."""
        return self.nodes.keys()

    def onto(self, known: "Evidence") -> "Evidence":
        """Return *known* with this added to it."""
        return known + self

    def add_node(self, node_id: IdentifierId, node: Node) -> None:
        """Add what is known of one identifier."""
        known = self.nodes.get(node_id)
        self.nodes[node_id] = known + node if known else node

    def add_link(self, ends: Pair, link: Link) -> None:
        """Add what is known of one link."""
        known = self.links.get(ends)
        self.links[ends] = known + link if known else link

    def add_opening(self, token: IdentifierId, opening: Opening) -> None:
        """Add what is known of who opened one link first."""
        known = self.openings.get(token)
        self.openings[token] = known + opening if known else opening


@dataclass(frozen=True, slots=True)
class Correction:
    """What is known of some identifiers, links and openings once events were read again (`None`: nothing any more). *touched* are
    all identifiers that are to be looked at."""

    touched: Collection[IdentifierId]
    nodes: Mapping[IdentifierId, Node | None] = field(default_factory=dict)
    links: Mapping[Pair, Link | None] = field(default_factory=dict)
    openings: Mapping[IdentifierId, Opening | None] = field(default_factory=dict)

    def onto(self, known: Evidence) -> Evidence:
        """Return *known* with this in place of what was known before."""
        return Evidence(
            _replaced(known.nodes, self.nodes),
            _replaced(known.links, self.links),
            _replaced(known.openings, self.openings),
            known.decided,
        )


Change = Evidence | Correction
"""What is to be put to what is known."""

K = TypeVar("K")
V = TypeVar("V")


def _replaced(known: Mapping[K, V], new: Mapping[K, V | None]) -> dict[K, V]:
    return {key: value for key, value in {**known, **new}.items() if value is not None}


def read(
    events: Mapping[EventUid, Event],
    rules: Rules,
    index: BlindIndex,
    decided: Decisions = decisions.NONE,
    beside: Beside = NOTHING,
) -> tuple[list[Touchpoint], Evidence]:
    """Return what each of *events* says, and the evidence of all of them together, as far as it was not *decided* to be void and
    is a human's: by what each says itself, and what others say *beside*.

    The links of an event are a star from its anchor, never a clique: a weak identifier then hangs on one link.
    """
    evidence = Evidence(decided=decided)
    touchpoints = []
    for uid, event in events.items():
        if decided.is_void(event, uid):
            touchpoints.append(Touchpoint(event, uid, None, (), void=True))
            continue
        verdict, reasons = robots.verdict(event, rules.robots, beside.get(uid, ()))
        if verdict is Verdict.HUMAN:
            touchpoints.append(_read(uid, event, rules, index, decided, evidence))
        else:
            touchpoints.append(Touchpoint(event, uid, None, (), verdict=verdict, reasons=reasons))
    return touchpoints, evidence


@dataclass(frozen=True, slots=True)
class _Named:
    """An identifier in an event, with what its order depends on."""

    role: Role
    namespace: Namespace
    identifier: Identifier
    id: IdentifierId


def link_of(said: Iterable[Said], weak: bool, rules: Rules) -> Link | None:
    """Return the link of two identifiers, at least one of them *weak* or not, of which all events together *said* this."""
    total: Link | None = None
    for each in said:
        standing = rules.trust[each.trust]
        weight = Weight.OBSERVED if weak else min(_WEIGHTS[each.strength], _WEIGHTS[standing.ceiling])
        basis = Basis(weight, each.last_at)
        link = Link(basis, basis if standing.vouched else None, each.first_at, each.count)
        total = total + link if total else link
    return total


def node_of(identifier: Identifier, said: Iterable[Said], rules: Rules) -> Node | None:
    """Return what is known of *identifier*, of which all events together *said* this; `None` where none did."""
    total: Node | None = None
    for each in said:
        node = Node(identifier, each.first_at, rules.trust[each.trust].vouched)
        total = total + node if total else node
    return total


def _read(
    uid: EventUid, event: Event, rules: Rules, index: BlindIndex, decided: Decisions, evidence: Evidence
) -> Touchpoint:
    standing = rules.trust[event.trust]
    named = {each.id: each for each in _named(event, rules, index)}
    for each in named.values():
        evidence.add_node(each.id, Node(each.identifier, event.occurred_at, standing.vouched))
    anchor = _anchor(named.values())
    if anchor is None:
        return Touchpoint(event, uid, None, ())
    acting = [each for each in named.values() if each.role is not Role.RECIPIENT]
    ambiguous = _is_ambiguous(acting)
    others = [] if ambiguous or anchor.role is Role.RECIPIENT else _linked(anchor, acting, event, decided)
    claimed = min(_WEIGHTS[event.strength], _WEIGHTS[standing.ceiling])
    for other in others:
        weak = other.namespace.kind == "weak" or anchor.namespace.kind == "weak"
        basis = Basis(Weight.OBSERVED if weak else claimed, event.occurred_at)
        trusted = basis if standing.vouched else None
        evidence.add_link(pair(anchor.id, other.id), Link(basis, trusted, event.occurred_at, 1))
    tokens = _opened(uid, event, rules, index, anchor, named.values(), evidence)
    linked = {anchor.id, *(other.id for other in others)}
    beside = tokens if len(linked) == len(named) else [*tokens, *(named.keys() - linked)]
    return Touchpoint(
        event, uid, anchor.id, tuple(sorted(other.id for other in others)), tuple(sorted(beside)), ambiguous=ambiguous
    )


def _linked(anchor: "_Named", acting: Iterable["_Named"], event: Event, decided: Decisions) -> "list[_Named]":
    others = [each for each in acting if each is not anchor]
    if not decided.links:
        return others
    return [each for each in others if not decided.is_void_link(pair(anchor.id, each.id), event.received_at)]


def _opened(
    uid: EventUid,
    event: Event,
    rules: Rules,
    index: BlindIndex,
    anchor: "_Named",
    named: Iterable["_Named"],
    evidence: Evidence,
) -> list[IdentifierId]:
    """Add the openings that *event* reports, and return the ids of the tokens of the links that were opened.

    Only a trusted source, as the one that keeps the links is, can say so: what the public sends would else decide who is
    taken for whom.
    """
    tokens = [m.identifier for m in event.identifiers if m.namespace == OPENING and m.role is Role.HINT]
    if not tokens or anchor.role is Role.RECIPIENT:
        return []
    recipients = tuple(sorted(n.id for n in named if n.role is Role.RECIPIENT and n.namespace.kind == "strong"))
    is_heard = rules.trust[event.trust].vouched and event.channel not in rules.presumption_off
    if not recipients or not is_heard:
        return []
    opening = Opening(event.occurred_at, event.id, uid, anchor.id, recipients)
    found = [index(token) for token in tokens]
    for token in found:
        evidence.add_opening(token, opening)
    return found


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

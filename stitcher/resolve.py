"""Who is one person: the pure function from evidence to people.

It decides in two rounds, first by what *trusted* sources say alone, then by *all* that is said: so the public may add to the
people whom trusted sources know, and can neither join nor divide them. Each round has two layers. *Strong* identifiers are
united link by link, the best founded first, unless a rule speaks against it. *Weak* ones (cookies, devices) then attach to the
people whom they saw, or bridge people who complement each other, or are contested.

Neither the order of arrival nor what was decided before matters, which makes replay, preview and the worker's batch the same
call.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

import networkx as nx

from core.identifier import IdentifierId, PersonId
from stitcher.graph import Basis, Evidence, Link, Node, Pair, Weight, pair
from stitcher.rules import Rules


class Reason(StrEnum):
    """Why a link does not unite its ends."""

    UNIQUE = "unique"
    GUARDED = "guarded"
    LIMIT = "limit"
    VOUCHING = "vouching"
    SIZE = "size"
    GENERIC = "generic"
    CONTESTED = "contested"


class Closing(StrEnum):
    """How far an identifier is out of the game, whatever else may come to be known of its neighbours.

    *GENERIC*: it links nothing. *CLOSED*: a weak one that itself saw people who can never be one; it joins nobody. *APART*: a
    weak one of a weak component that saw such people; it is asked alone.
    """

    GENERIC = "generic"
    CLOSED = "closed"
    APART = "apart"


@dataclass(frozen=True, slots=True)
class Witness:
    """Two strong identifiers, *one* and *other*, whose people both hold a value of *slot*: no weak one can make them one."""

    one: IdentifierId
    other: IdentifierId
    slot: str


@dataclass(frozen=True, slots=True)
class Closure:
    """Why an identifier is out of the game; it is, for as long as its *witness* stands (`None`: for good)."""

    closing: Closing
    witness: Witness | None = None


Closures = Mapping[IdentifierId, Closure]


@dataclass(frozen=True, slots=True)
class Settled:
    """What earlier evidence has settled, by round, of identifiers whose links are not all at hand."""

    trusted: Closures = field(default_factory=dict)
    all: Closures = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Round:
    """What one round came to: the person of each strong identifier before weak ones bridge (*core*), the slots that each such
    core holds, and who is out of the game."""

    core: Mapping[IdentifierId, IdentifierId]
    slots: Mapping[IdentifierId, frozenset[str]]
    closures: Closures

    def holds(self, witness: Witness) -> bool:
        """Whether *witness* still stands, as far as this round knows its two identifiers."""
        cores = [self.core.get(end) for end in (witness.one, witness.other)]
        if cores[0] is not None and cores[0] == cores[1]:
            return False
        if any(self.is_generic(end) for end in (witness.one, witness.other)):
            return False
        return all(witness.slot in self.slots[core] for core in cores if core is not None)

    def is_generic(self, node_id: IdentifierId) -> bool:
        """Whether the identifier links nothing in this round."""
        closure = self.closures.get(node_id)
        return closure is not None and closure.closing is Closing.GENERIC

    def ignores(self, ends: Pair, weak: set[IdentifierId]) -> bool:
        """Whether the link between *ends* cannot matter in this round, whatever else comes to be known."""
        closures = [self.closures[end] for end in ends if end in self.closures]
        if any(closure.closing is not Closing.APART for closure in closures):
            return True
        return bool(closures) and weak.issuperset(ends)


@dataclass(frozen=True, slots=True)
class Partition:
    """People, and all that was decided on the way to them.

    Every identifier has a *person*; a *contested* or *generic* one is owned by nobody and stands for itself. *refused* says why
    a link joins nothing, *bridges* which weak identifiers hold people together. *neighbourhoods* are the sets within which
    further evidence can matter.
    """

    person: Mapping[IdentifierId, PersonId]
    refused: Mapping[Pair, Reason]
    contested: frozenset[IdentifierId]
    generic: frozenset[IdentifierId]
    bridges: frozenset[IdentifierId]
    trusted: Round
    all: Round
    neighbourhoods: Sequence[frozenset[IdentifierId]]


_NOTHING_SETTLED = Settled()


def resolve(evidence: Evidence, rules: Rules, settled: Settled = _NOTHING_SETTLED) -> Partition:
    """Say who is one person, given all *evidence* of some neighbourhoods.

    A function of the evidence alone. *settled* stands for evidence that lies outside; given all evidence there is none, and the
    result is the same.
    """
    voices = _heard(evidence, rules, settled)
    difficult = voices.trusted | voices.public | voices.both
    people = _People({i: evidence.nodes[i] for i in difficult}, rules)
    links = {e: link for e, link in evidence.links.items() if e[0] in difficult}
    said = {e: link.trusted for e, link in links.items() if link.trusted and e[0] not in voices.public}
    first = _Resolution(people, voices.trusted | voices.both, said, settled.trusted, unfinished=voices.both)
    first_round = first.carried_out()
    heard = {e: link.basis for e, link in links.items() if e[0] not in voices.trusted}
    inherited = _inherited(settled.all, first_round.closures)
    second = _Resolution(people, voices.public | voices.both, heard, inherited, before=first)
    return _with_plain(voices.plain, evidence, rules, _partition(links, people, first_round, second))


@dataclass(slots=True)
class _Voices:
    """Identifiers by who speaks of them, all that hangs together going together: trusted sources, the public, both.

    Where only one of them speaks, its round decides alone. *plain* sets hold nothing that could be in conflict.
    """

    trusted: set[IdentifierId] = field(default_factory=set)
    public: set[IdentifierId] = field(default_factory=set)
    both: set[IdentifierId] = field(default_factory=set)
    plain: list[set[IdentifierId]] = field(default_factory=list)


def _heard(evidence: Evidence, rules: Rules, settled: Settled) -> _Voices:
    graph: nx.Graph[IdentifierId] = nx.Graph()
    graph.add_nodes_from(evidence.nodes)
    graph.add_edges_from(evidence.links)
    strong = {i for i, n in evidence.nodes.items() if rules.namespaces[n.identifier.namespace].kind != "weak"}
    voices = _Voices()
    for component in nx.connected_components(graph):
        links = [evidence.links[pair(*ends)] for ends in graph.edges(component)] if len(component) > 1 else []
        is_trusted = all(link.trusted == link.basis for link in links)
        closed = [i for i in component if i in settled.all]
        if is_trusted and not closed and _is_plain(component & strong, len(component), evidence, rules):
            voices.plain.append(component)
        elif is_trusted and all(settled.all[i] == settled.trusted.get(i) for i in closed):
            voices.trusted |= component
        elif not closed and not any(link.trusted for link in links):
            voices.public |= component
        else:
            voices.both |= component
    return voices


def _is_plain(strong: set[IdentifierId], size: int, evidence: Evidence, rules: Rules) -> bool:
    """Whether no rule can speak against making one person of all: at most two strong identifiers, linked, of two slots."""
    if size > min(rules.generic_owners_max, rules.person_identifiers_max):
        return False
    if len(strong) < 2:
        return True
    if len(strong) > 2:
        return False
    one, other = strong
    slots = {evidence.nodes[i].identifier.slot for i in strong}
    return len(slots) == 2 and pair(one, other) in evidence.links


def _with_plain(plain: Iterable[set[IdentifierId]], evidence: Evidence, rules: Rules, rest: Partition) -> Partition:
    """Add the people about whom there is nothing to decide: where nothing is in conflict, they are what hangs together."""
    person = dict(rest.person)
    core, slots = dict(rest.all.core), dict(rest.all.slots)
    neighbourhoods = list(rest.neighbourhoods)
    for component in plain:
        nodes = {i: evidence.nodes[i] for i in component}
        person.update(dict.fromkeys(component, PersonId(min(nodes, key=lambda i: _seniority(nodes[i], rules)))))
        strong = [i for i, n in nodes.items() if rules.namespaces[n.identifier.namespace].kind != "weak"]
        core.update(dict.fromkeys(strong, strong[0]) if strong else {})
        slots.update({strong[0]: frozenset(nodes[i].identifier.slot for i in strong)} if strong else {})
        neighbourhoods.append(frozenset(component))
    trusted = Round({**core, **rest.trusted.core}, {**slots, **rest.trusted.slots}, rest.trusted.closures)
    everything = Round(core, slots, rest.all.closures)
    return replace(rest, person=person, trusted=trusted, all=everything, neighbourhoods=neighbourhoods)


def _seniority(node: Node, rules: Rules) -> tuple[datetime, int, str]:
    """What makes an identifier canonical: the least of first event time, rank and text."""
    return node.first_at, rules.namespaces[node.identifier.namespace].rank, node.identifier.text


def _inherited(settled: Closures, trusted: Closures) -> dict[IdentifierId, Closure]:
    """Who is out of the game by trusted sources' word is so in the second round too, and may be further out there."""
    further = {i: c for i, c in settled.items() if c.closing is not Closing.APART}
    return {**settled, **trusted, **further}


def _partition(links: Mapping[Pair, Link], people: "_People", first: Round, whole: "_Resolution") -> Partition:
    second = whole.carried_out()
    second = Round({**first.core, **second.core}, {**first.slots, **second.slots}, second.closures)
    person = people.named()
    generic = frozenset(i for i in second.closures if i in person and second.is_generic(i) and people.is_alone(i))
    refused = {
        ends: whole.refused.get(ends, Reason.GENERIC if generic.intersection(ends) else Reason.CONTESTED)
        for ends in links
        if person[ends[0]] != person[ends[1]]
    }
    return Partition(
        person=person,
        refused=refused,
        contested=frozenset(whole.contested),
        generic=generic,
        bridges=frozenset(whole.bridges),
        trusted=first,
        all=second,
        neighbourhoods=_neighbourhoods(people, links, first, second),
    )


def _neighbourhoods(
    people: "_People", links: Mapping[Pair, Link], first: Round, second: Round
) -> list[frozenset[IdentifierId]]:
    graph: nx.Graph[IdentifierId] = nx.Graph()
    graph.add_nodes_from(people.nodes)
    for ends, link in links.items():
        if not second.ignores(ends, people.weak) or (link.trusted and not first.ignores(ends, people.weak)):
            graph.add_edge(*ends)
    return [frozenset(members) for members in nx.connected_components(graph)]


class _People:
    """Sets of identifiers that are one person so far, with what the judgement of a further union needs (union by size)."""

    def __init__(self, nodes: Mapping[IdentifierId, Node], rules: Rules) -> None:
        self.nodes = nodes
        self.rules = rules
        self.weak = {i for i, n in nodes.items() if rules.namespaces[n.identifier.namespace].kind == "weak"}
        self.members = {i: [i] for i in nodes}
        self.slots = {i: {} if i in self.weak else {n.identifier.slot: 1} for i, n in nodes.items()}
        self.vouched = {i: n.vouched and i not in self.weak for i, n in nodes.items()}
        self._parent = {i: i for i in nodes}

    def find(self, node_id: IdentifierId) -> IdentifierId:
        parent = self._parent
        while parent[node_id] != node_id:
            parent[node_id] = node_id = parent[parent[node_id]]
        return node_id

    def unite(self, one: IdentifierId, other: IdentifierId) -> None:
        keeper, joiner = self.find(one), self.find(other)
        if keeper == joiner:
            return
        if len(self.members[keeper]) < len(self.members[joiner]):
            keeper, joiner = joiner, keeper
        self._parent[joiner] = keeper
        self.members[keeper] += self.members.pop(joiner)
        held = self.slots[keeper]
        for slot, values in self.slots.pop(joiner).items():
            held[slot] = held.get(slot, 0) + values
        self.vouched[keeper] |= self.vouched.pop(joiner)

    def is_alone(self, node_id: IdentifierId) -> bool:
        return len(self.members[self.find(node_id)]) == 1

    def exceed(self, roots: Iterable[IdentifierId], more: int = 0) -> bool:
        return sum(len(self.members[root]) for root in roots) + more > self.rules.person_identifiers_max

    def clash(self, roots: Iterable[IdentifierId]) -> tuple[IdentifierId, IdentifierId, str] | None:
        """Return two of *roots* and a slot that both hold, or `None` where all complement each other."""
        holders: dict[str, IdentifierId] = {}
        for root in roots:
            for slot in self.slots[root]:
                if slot in holders:
                    return holders[slot], root, slot
                holders[slot] = root
        return None

    def named(self) -> dict[IdentifierId, PersonId]:
        """A person bears the id of the member with the least (first event time, rank, text)."""
        person = {}
        for members in self.members.values():
            canonical = min(members, key=lambda i: _seniority(self.nodes[i], self.rules))
            person.update(dict.fromkeys(members, PersonId(canonical)))
        return person

    def rank(self, node_id: IdentifierId) -> int:
        return self.rules.namespaces[self.nodes[node_id].identifier.namespace].rank

    def texts(self, node_ids: Iterable[IdentifierId]) -> list[str]:
        return sorted(self.nodes[node_id].identifier.text for node_id in node_ids)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Weak identifiers that would attach to, or bridge, the people whom they saw (the strong identifiers *seen* by each)."""

    weak: Sequence[IdentifierId]
    seen: Mapping[IdentifierId, Sequence[IdentifierId]]
    order: tuple[float, Sequence[str]]


class _Resolution:
    """One round over *nodes*, by *links*.

    *before* is the trusted round, whose people can grow and no more; *unfinished* are those whom a further round will look at.
    """

    def __init__(
        self,
        people: _People,
        nodes: set[IdentifierId],
        links: Mapping[Pair, Basis],
        settled: Closures,
        *,
        before: "_Resolution | None" = None,
        unfinished: Collection[IdentifierId] = (),
    ) -> None:
        self.people = people
        self.nodes = nodes
        self.links = links
        self.before = before
        self.unfinished = unfinished
        self.closures = dict(settled)
        self.contested: set[IdentifierId] = set(before.contested) if before else set()
        self.owned: set[IdentifierId] = set(before.owned) if before else set()
        self.bridges: set[IdentifierId] = set(before.bridges) if before else set()
        self.refused: dict[Pair, Reason] = dict(before.refused) if before else {}

    def carried_out(self) -> Round:
        self._close_generic()
        self._strong_layer()
        core = {i: self.people.find(i) for i in self.nodes if i not in self.people.weak}
        slots = {root: frozenset(self.people.slots[root]) for root in set(core.values())}
        self._weak_layer()
        return Round(core, slots, self.closures)

    def _close_generic(self) -> None:
        """A set property: it works backwards in time too, for links that came before anybody could know."""
        rules, nodes = self.people.rules, self.people.nodes
        counts: dict[IdentifierId, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for ends in self.links:
            for node_id, neighbour in (ends, ends[::-1]):
                namespace = nodes[neighbour].identifier.namespace
                if namespace in rules.generic_counted:
                    counts[node_id][namespace] += 1
        for node_id, owners in counts.items():
            namespace_of_it = rules.namespaces[nodes[node_id].identifier.namespace]
            able = namespace_of_it.kind == "strong" and namespace_of_it.exclusivity != "unique"
            if able and max(owners.values()) > rules.generic_owners_max:
                self.closures[node_id] = Closure(Closing.GENERIC)

    def _is_generic(self, node_id: IdentifierId) -> bool:
        closure = self.closures.get(node_id)
        return closure is not None and closure.closing is Closing.GENERIC

    # The strong layer

    def _strong_layer(self) -> None:
        people = self.people
        strong = [item for item in self.links.items() if people.weak.isdisjoint(item[0])]
        for ends, basis in sorted(strong, key=self._precedence):
            one, other = people.find(ends[0]), people.find(ends[1])
            if one == other or ends in self.refused:
                continue
            objection = self._objection(ends, one, other, basis)
            if objection:
                self.refused[ends] = objection
            else:
                people.unite(one, other)

    def _precedence(self, item: tuple[Pair, Basis]) -> tuple[int, int, float, Sequence[str]]:
        """Strength and rank before time: newest first alone would take a man's own mail from him (case D9)."""
        ends, basis = item
        ranks = self.people.rank(ends[0]) + self.people.rank(ends[1])
        return -basis.weight, ranks, -basis.last_at.timestamp(), self.people.texts(ends)

    def _objection(self, ends: Pair, one: IdentifierId, other: IdentifierId, basis: Basis) -> Reason | None:
        people = self.people
        if self._is_generic(ends[0]) or self._is_generic(ends[1]):
            return Reason.GENERIC
        for slot in people.slots[one].keys() & people.slots[other].keys():
            namespace = people.rules.namespaces[slot.partition("@")[0]]
            if namespace.exclusivity == "unique":
                return Reason.UNIQUE
            if namespace.exclusivity == "guarded" and basis.weight < Weight.PROVEN:
                return Reason.GUARDED
            if namespace.limit_max and people.slots[one][slot] + people.slots[other][slot] > namespace.limit_max:
                return Reason.LIMIT
        if self._are_known_apart([one, other]):
            return Reason.VOUCHING
        return Reason.SIZE if people.exceed([one, other]) else None

    def _are_known_apart(self, roots: Iterable[IdentifierId]) -> bool:
        """Whether trusted sources know at least two of these people, and did not unite them."""
        return self.before is not None and sum(self.people.vouched[root] for root in roots) > 1

    # The weak layer

    def _weak_layer(self) -> None:
        saw = self._who_saw_whom()
        candidates = [c for component in self._weak_components() for c in self._candidates(component, saw)]
        for candidate in sorted(candidates, key=lambda c: c.order):
            self._carry_out(candidate)
        self._contest(i for i in self.closures.keys() & self.nodes if self.closures[i].closing is Closing.CLOSED)

    def _who_saw_whom(self) -> Mapping[IdentifierId, list[IdentifierId]]:
        saw: dict[IdentifierId, list[IdentifierId]] = defaultdict(list)
        weak = self.people.weak
        for ends in self.links:
            for node_id, neighbour in (ends, ends[::-1]):
                if node_id in weak and neighbour not in weak and not self._is_generic(neighbour):
                    saw[node_id].append(neighbour)
        return saw

    def _weak_components(self) -> Iterator[set[IdentifierId]]:
        graph: nx.Graph[IdentifierId] = nx.Graph()
        weak = self.people.weak
        graph.add_nodes_from(end for ends in self.links for end in ends if end in weak)
        graph.add_edges_from(ends for ends in self.links if weak.issuperset(ends))
        yield from nx.connected_components(graph)

    def _candidates(
        self, component: set[IdentifierId], saw: Mapping[IdentifierId, Sequence[IdentifierId]]
    ) -> Iterator[_Candidate]:
        if self._stands_together(component, saw):
            yield self._candidate(component, saw)
            return
        for weak in component:
            witness = self._witness([weak], saw)
            closure = self.closures.get(weak)
            if (closure and closure.closing is Closing.CLOSED) or (self.before and weak in self.before.contested):
                self._contest([weak])
            elif witness:
                self.closures[weak] = Closure(Closing.CLOSED, witness)
                self._contest([weak])
            else:
                yield self._candidate([weak], saw)

    def _stands_together(
        self, component: set[IdentifierId], saw: Mapping[IdentifierId, Sequence[IdentifierId]]
    ) -> bool:
        """Whether *component* may act as one. Where it never can, its members stand apart, and the witness of that is kept."""
        inherited = min((i for i in component if i in self.closures), default=None)
        witness = self.closures[inherited].witness if inherited else self._witness(component, saw)
        if inherited or witness or len(component) > self.people.rules.person_identifiers_max:
            for weak in component:
                self.closures.setdefault(weak, Closure(Closing.APART, witness))
            return False
        if self.before and not self.before.contested.isdisjoint(component):
            return False
        seen = {self.people.find(strong) for weak in component for strong in saw.get(weak, ())}
        return len(seen) <= 1 or self.people.rules.weak_bridges != "never"

    def _witness(
        self, component: Iterable[IdentifierId], saw: Mapping[IdentifierId, Sequence[IdentifierId]]
    ) -> Witness | None:
        """Return two people seen by *component* who hold values of one slot: whatever is bridged elsewhere, they always will."""
        ends = {self.people.find(strong): strong for weak in component for strong in saw.get(weak, ())}
        clash = self.people.clash(ends) if len(ends) > 1 else None
        return Witness(ends[clash[0]], ends[clash[1]], clash[2]) if clash else None

    def _candidate(
        self, component: Iterable[IdentifierId], saw: Mapping[IdentifierId, Sequence[IdentifierId]]
    ) -> _Candidate:
        weak = tuple(component)
        seen = {i: saw[i] for i in weak if i in saw}
        last = max((self._last_at(i, strong) for i, many in seen.items() for strong in many), default=0.0)
        return _Candidate(weak, seen, (-last, self.people.texts(weak)))

    def _last_at(self, one: IdentifierId, other: IdentifierId) -> float:
        return self.links[(one, other) if one < other else (other, one)].last_at.timestamp()

    def _carry_out(self, candidate: _Candidate) -> None:
        """Attach or bridge, asking again at this moment: an earlier bridge may have changed who is seen."""
        people = self.people
        roots = {people.find(strong) for seen in candidate.seen.values() for strong in seen}
        roots |= {people.find(weak) for weak in candidate.weak if weak in self.owned}
        if not roots and candidate.weak[0] in self.unfinished:
            return
        if not self._may_unite(candidate, roots):
            self._contest(candidate.weak)
            return
        for other in (*candidate.weak, *roots):
            people.unite(candidate.weak[0], other)
        if roots:
            self.owned.update(candidate.weak)
        if len(roots) > 1:
            self.bridges.update(weak for weak in candidate.weak if weak in candidate.seen)

    def _may_unite(self, candidate: _Candidate, roots: set[IdentifierId]) -> bool:
        if self.people.exceed(roots, more=sum(weak not in self.owned for weak in candidate.weak)):
            return False
        if len(roots) <= 1:
            return True
        if self.people.rules.weak_bridges == "never" or self.people.clash(roots):
            return False
        return not self._are_known_apart(roots)

    def _contest(self, weak: Iterable[IdentifierId]) -> None:
        """They are nobody's; but one that trusted sources gave to somebody stays his, whatever the public says."""
        self.contested.update(i for i in weak if i not in self.owned)

"""One round of deciding: strong identifiers are united link by link, then weak ones attach, bridge, or are contested. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import networkx as nx

from core.identifier import IdentifierId
from stitcher.decisions import Pair
from stitcher.graph import Basis, Weight
from stitcher.groups import Groups


class Reason(StrEnum):
    """Why a link does not unite its ends."""

    UNIQUE = "unique"
    GUARDED = "guarded"
    LIMIT = "limit"
    VOUCHING = "vouching"
    SIZE = "size"
    GENERIC = "generic"
    CONTESTED = "contested"
    BLOCKED = "blocked"
    CANNOT_LINK = "cannot_link"


class Closing(StrEnum):
    """How far an identifier is out of the game, whatever else may come to be known of its neighbours.

    *GENERIC*, *BLOCKED*: it links nothing. *CLOSED*: a weak one that itself saw people who can never be one; it joins nobody.
    *APART*: a weak one of a weak component that saw such people; it is asked alone. *OPENER*: a weak one that was first to open
    links of people who can never be one; it is presumed to be nobody.
    """

    GENERIC = "generic"
    BLOCKED = "blocked"
    CLOSED = "closed"
    APART = "apart"
    OPENER = "opener"


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
        if self.links_nothing(witness.one) or self.links_nothing(witness.other):
            return False
        return all(witness.slot in self.slots[core] for core in cores if core is not None)

    def witness(self, ids: Iterable[IdentifierId]) -> Witness | None:
        """Return two of the strong identifiers *ids* whose people no weak one can make one, where there are such two."""
        holders: dict[str, IdentifierId] = {}
        for node_id in ids:
            core = self.core[node_id]
            for slot in self.slots[core]:
                holder = holders.setdefault(slot, node_id)
                if self.core[holder] != core:
                    return Witness(holder, node_id, slot)
        return None

    def links_nothing(self, node_id: IdentifierId) -> bool:
        """Whether the identifier is generic or blocked in this round."""
        return _links_nothing(self.closures.get(node_id))

    def ignores(self, ends: Pair, weak: set[IdentifierId]) -> bool:
        """Whether the link between *ends* cannot matter in this round, whatever else comes to be known."""
        closures = [self.closures[end] for end in ends if end in self.closures]
        if any(closure.closing is not Closing.APART for closure in closures):
            return True
        return bool(closures) and weak.issuperset(ends)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Weak identifiers that would attach to, or bridge, the people whom they saw (the strong identifiers *seen* by each)."""

    weak: Sequence[IdentifierId]
    seen: Mapping[IdentifierId, Sequence[IdentifierId]]
    order: tuple[float, Sequence[str]]


class Decider:
    """Decides one round over *nodes*, by *links*.

    *before* is the trusted round, whose people can grow and no more; *unfinished* are those whom a further round will look at.
    """

    def __init__(
        self,
        people: Groups,
        nodes: set[IdentifierId],
        links: Mapping[Pair, Basis],
        settled: Closures,
        *,
        before: "Decider | None" = None,
        unfinished: Collection[IdentifierId] = (),
        blocked: Collection[IdentifierId] = (),
    ) -> None:
        self.people = people
        self.nodes = nodes
        self.links = links
        self.before = before
        self.unfinished = unfinished
        self.closures = dict(settled)
        self.closures.update((i, Closure(Closing.BLOCKED)) for i in blocked if i in nodes)
        self.contested: set[IdentifierId] = set(before.contested) if before else set()
        self.bridges: set[IdentifierId] = set(before.bridges) if before else set()
        self.refused: dict[Pair, Reason] = dict(before.refused) if before else {}

    def carried_out(self) -> Round:
        """Decide, and return what came of it."""
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
            if able and max(owners.values()) > rules.generic_owners_max and not self._links_nothing(node_id):
                self.closures[node_id] = Closure(Closing.GENERIC)

    def _links_nothing(self, node_id: IdentifierId) -> bool:
        return _links_nothing(self.closures.get(node_id))

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
        for end in ends:
            if self._links_nothing(end):
                return Reason.BLOCKED if self.closures[end].closing is Closing.BLOCKED else Reason.GENERIC
        if people.forbid(one, other):
            return Reason.CANNOT_LINK
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
        closed = {i for i in self.closures.keys() & self.nodes if self.closures[i].closing is Closing.CLOSED}
        self.contested = self._nobodys(self.contested | closed)

    def _nobodys(self, contested: Iterable[IdentifierId]) -> set[IdentifierId]:
        """Return whom *contested* leaves to nobody: with each of them those who must be one with it; but one that is somebody's,
        by directive or by the word of trusted sources, stays his."""
        people = self.people
        return {i for one in contested if not people.is_known(one) for i in people.members[people.find(one)]}

    def _who_saw_whom(self) -> Mapping[IdentifierId, list[IdentifierId]]:
        """Say which people's identifiers each weak one was linked to, those left out who by directive are never his."""
        people = self.people
        saw: dict[IdentifierId, list[IdentifierId]] = defaultdict(list)
        for ends in self.links:
            for weak, strong in (ends, ends[::-1]):
                if weak not in people.weak or strong in people.weak:
                    continue
                if self._links_nothing(weak) or self._links_nothing(strong):
                    continue
                if not people.forbid(people.find(weak), people.find(strong)):
                    saw[weak].append(strong)
        return saw

    def _weak_components(self) -> Iterator[set[IdentifierId]]:
        graph: nx.Graph[IdentifierId] = nx.Graph()
        weak = {i for ends in self.links for i in ends if i in self.people.weak and not self._links_nothing(i)}
        graph.add_nodes_from(weak)
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
                self.contested.add(weak)
            elif witness:
                self.closures[weak] = Closure(Closing.CLOSED, witness)
                self.contested.add(weak)
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
        roots = self._whose(component, saw)
        if self.people.clash(roots) or self.people.forbid_any(roots | {self.people.find(i) for i in component}):
            return False
        return len(roots) <= 1 or self.people.rules.weak_bridges != "never"

    def _whose(
        self, weak: Iterable[IdentifierId], saw: Mapping[IdentifierId, Sequence[IdentifierId]]
    ) -> set[IdentifierId]:
        """Return the people, by their roots, whom *weak* saw, and those whose they are already."""
        people = self.people
        roots = {people.find(strong) for i in weak for strong in saw.get(i, ())}
        return roots | {people.find(i) for i in weak if people.is_known(i)}

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
        roots = self._whose(candidate.weak, candidate.seen)
        if not roots and candidate.weak[0] in self.unfinished:
            return
        if not self._may_unite(candidate, roots):
            self.contested.update(candidate.weak)
            return
        for other in (*candidate.weak, *roots):
            people.unite(candidate.weak[0], other)
        if len(roots) > 1:
            self.bridges.update(weak for weak in candidate.weak if weak in candidate.seen)

    def _may_unite(self, candidate: _Candidate, roots: set[IdentifierId]) -> bool:
        people = self.people
        together = roots | {people.find(weak) for weak in candidate.weak}
        if people.exceed(together) or people.forbid_any(together):
            return False
        if len(roots) <= 1:
            return True
        if people.rules.weak_bridges == "never" or people.clash(roots):
            return False
        return not self._are_known_apart(roots)


def _links_nothing(closure: Closure | None) -> bool:
    return closure is not None and closure.closing in (Closing.GENERIC, Closing.BLOCKED)

"""Sets of identifiers that are one person so far, with what the judgement of a further union needs. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from core.identifier import IdentifierId, PersonId
from stitcher.decisions import Pair
from stitcher.graph import Node
from stitcher.rules import Rules


class Groups:
    """A union-find by size over *nodes*; a group is named by its *root*. *apart* are pairs that never are one person's."""

    def __init__(self, nodes: Mapping[IdentifierId, Node], rules: Rules, apart: Collection[Pair] = ()) -> None:
        self.nodes = nodes
        self.rules = rules
        self.weak = {i for i, n in nodes.items() if rules.namespaces[n.identifier.namespace].kind == "weak"}
        self.members = {i: [i] for i in nodes}
        self.slots = {i: {} if i in self.weak else {n.identifier.slot: 1} for i, n in nodes.items()}
        self.vouched = {i: n.vouched and i not in self.weak for i, n in nodes.items()}
        self._parent = {i: i for i in nodes}
        self._foes: dict[IdentifierId, set[IdentifierId]] = defaultdict(set)
        for one, other in apart:
            self._foes[one].add(other)
            self._foes[other].add(one)

    def find(self, node_id: IdentifierId) -> IdentifierId:
        """Return the root of the group of *node_id*."""
        parent = self._parent
        while parent[node_id] != node_id:
            parent[node_id] = node_id = parent[parent[node_id]]
        return node_id

    def unite(self, one: IdentifierId, other: IdentifierId) -> None:
        """Make one group of two, whoever their members are."""
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
        if joiner in self._foes:
            self._foes[keeper] |= self._foes.pop(joiner)

    def is_alone(self, node_id: IdentifierId) -> bool:
        """Whether the identifier is a group by itself."""
        return len(self.members[self.find(node_id)]) == 1

    def is_known(self, node_id: IdentifierId) -> bool:
        """Whether the group of *node_id* holds a strong identifier."""
        return bool(self.slots[self.find(node_id)])

    def exceed(self, roots: Iterable[IdentifierId]) -> bool:
        """Whether *roots*, which are different ones, would together have more identifiers than a person may have."""
        return sum(len(self.members[root]) for root in roots) > self.rules.person_identifiers_max

    def forbid(self, one: IdentifierId, other: IdentifierId) -> bool:
        """Whether a directive keeps the groups of the roots *one* and *other* apart."""
        return any(self.find(foe) == other for foe in self._foes.get(one, ()))

    def forbid_any(self, roots: Collection[IdentifierId]) -> bool:
        """Whether a directive keeps two of *roots* apart."""
        return any(self.find(foe) in roots for root in roots for foe in self._foes.get(root, ()))

    def clash(self, roots: Iterable[IdentifierId]) -> tuple[IdentifierId, IdentifierId, str] | None:
        """Return two of *roots* and a slot that both hold, or `None` where there are no such two."""
        holders: dict[str, IdentifierId] = {}
        for root in roots:
            for slot in self.slots[root]:
                if slot in holders:
                    return holders[slot], root, slot
                holders[slot] = root
        return None

    def named(self) -> dict[IdentifierId, PersonId]:
        """Say whose each identifier is: a person bears the id of the member with the least (first event time, rank, text)."""
        person = {}
        for members in self.members.values():
            canonical = min(members, key=lambda i: seniority(self.nodes[i], self.rules))
            person.update(dict.fromkeys(members, PersonId(canonical)))
        return person

    def rank(self, node_id: IdentifierId) -> int:
        """Return the rank of the namespace of *node_id*."""
        return self.rules.namespaces[self.nodes[node_id].identifier.namespace].rank

    def texts(self, node_ids: Iterable[IdentifierId]) -> list[str]:
        """Return the texts of *node_ids*, sorted."""
        return sorted(self.nodes[node_id].identifier.text for node_id in node_ids)


def seniority(node: Node, rules: Rules) -> tuple[datetime, int, str]:
    """What makes an identifier canonical: the least of first event time, rank and text."""
    return node.first_at, rules.namespaces[node.identifier.namespace].rank, node.identifier.text


def connected(ids: Iterable[IdentifierId], edges: Iterable[Pair]) -> list[set[IdentifierId]]:
    """Return the sets of *ids* that hang together by *edges*, which are all between some of them."""
    neighbours: dict[IdentifierId, list[IdentifierId]] = {i: [] for i in ids}
    for one, other in edges:
        neighbours[one].append(other)
        neighbours[other].append(one)
    found: list[set[IdentifierId]] = []
    seen: set[IdentifierId] = set()
    for start in neighbours:
        if start not in seen:
            component, ahead = {start}, [start]
            while ahead:
                further = [i for i in neighbours[ahead.pop()] if i not in component]
                component.update(further)
                ahead += further
            seen |= component
            found.append(component)
    return found

"""The share tree of an article: who came by whose link, from the push down. Pure.

The root is the push. A person stands below the one whose link brought him at his first touch; who came by no known link, or by
the link of somebody who entered later, stands right below the push. Opening one's own link brings nobody.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.identifier import PersonId


@dataclass(frozen=True, slots=True)
class Touch:
    """*person* came across the article at *at*, by a link of *sharer* (`None`: by no link, or by one that nobody knows)."""

    person: PersonId
    at: datetime
    sharer: PersonId | None


@dataclass(frozen=True, slots=True)
class Node:
    """A person in the tree: *generation* counts steps from the push (from 1), *descendants* all who stand below."""

    person: PersonId
    parent: PersonId | None
    generation: int
    children: int
    descendants: int
    entered_at: datetime


@dataclass(frozen=True, slots=True)
class Tree:
    """Everybody whom the article reached, in the order of entry; every parent stands before his children."""

    nodes: Mapping[PersonId, Node]

    @property
    def generations(self) -> Sequence[int]:
        """How many people each generation has, the first being those whom the push itself reached."""
        sizes = Counter(node.generation for node in self.nodes.values())
        return [sizes[generation] for generation in range(1, len(sizes) + 1)]

    @property
    def depth(self) -> int:
        """The greatest generation; 0 where nobody was reached."""
        return len(self.generations)

    @property
    def k_factor(self) -> float | None:
        """People brought by people, per person; `None` where there is nobody."""
        if not self.nodes:
            return None
        return sum(1 for node in self.nodes.values() if node.parent is not None) / len(self.nodes)

    def top_spreaders(self, most: int) -> Sequence[Node]:
        """Return up to *most* people who brought anybody, those with the most descendants first."""
        spreaders = [node for node in self.nodes.values() if node.descendants]
        return sorted(spreaders, key=lambda n: (-n.descendants, -n.children, n.person))[:most]

    def below(self, root: PersonId | None, depth: int | None) -> Sequence[Node]:
        """Return *root* and all below him (`None`: the push itself, so everybody), at most *depth* steps, in order."""
        if root is not None and root not in self.nodes:
            return []
        distance: dict[PersonId | None, int] = {root: 0}
        found = [] if root is None else [self.nodes[root]]
        for person, node in self.nodes.items():
            steps = distance.get(node.parent)
            if person != root and steps is not None and (depth is None or steps < depth):
                distance[person] = steps + 1
                found.append(node)
        return found


def grow(touches: Iterable[Touch]) -> Tree:
    """Return the tree that *touches*, in any order, make.

    Nobody can stand above one who entered before him, which is why there are no circles, whatever the clocks said.
    """
    by_person: dict[PersonId, list[Touch]] = defaultdict(list)
    for touch in touches:
        by_person[touch.person].append(touch)
    entered = {person: min(touch.at for touch in own) for person, own in by_person.items()}
    order = sorted(entered, key=lambda person: (entered[person], person))
    place = {person: position for position, person in enumerate(order)}
    parents = {person: _parent(by_person[person], place) for person in order}
    return Tree(_nodes(order, parents, entered))


def _parent(own: Sequence[Touch], place: Mapping[PersonId, int]) -> PersonId | None:
    brought = [touch for touch in own if touch.sharer != touch.person]
    if not brought:
        return None
    first = min(brought, key=lambda touch: (touch.at, touch.sharer is None, touch.sharer or ""))
    if first.sharer is None or place.get(first.sharer, len(place)) >= place[first.person]:
        return None
    return first.sharer


def _nodes(
    order: Sequence[PersonId], parents: Mapping[PersonId, PersonId | None], entered: Mapping[PersonId, datetime]
) -> Mapping[PersonId, Node]:
    generation: dict[PersonId | None, int] = {None: 0}
    for person in order:
        generation[person] = generation[parents[person]] + 1
    children = Counter(parents.values())
    descendants: Counter[PersonId | None] = Counter()
    for person in reversed(order):
        descendants[parents[person]] += descendants[person] + 1
    return {
        person: Node(
            person, parents[person], generation[person], children[person], descendants[person], entered[person]
        )
        for person in order
    }

"""Which links hold two identifiers together: a minimum cut of a person's graph. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import networkx as nx

from core.identifier import IdentifierId
from stitcher.decisions import Pair


@dataclass(frozen=True, slots=True)
class Cut:
    """The *links* without which the two fall apart, and into what: *parts*, each with one of the two, in their order."""

    links: Sequence[Pair]
    parts: tuple[frozenset[IdentifierId], frozenset[IdentifierId]]


def cut(
    members: Iterable[IdentifierId], strengths: Mapping[Pair, int], one: IdentifierId, other: IdentifierId
) -> Cut | None:
    """Return what has to be taken from a person, of whom *members* are held together by links of these *strengths*, to part
    *one* from *other*: the least in strength altogether. `None` where they are the same.

    Of several such cuts it is the one nearest to *other*, whatever the order of the links. What hangs on neither of the two stays
    on the side of *one*.
    """
    if one == other:
        return None
    graph: nx.Graph[IdentifierId] = nx.Graph()
    graph.add_nodes_from(sorted(members))
    graph.add_edges_from((*ends, {"capacity": strength}) for ends, strength in sorted(strengths.items()))
    _, (near, far) = nx.minimum_cut(graph, one, other)
    between = [ends for ends in sorted(strengths) if (ends[0] in near) != (ends[1] in near)]
    return Cut(between, (frozenset(near), frozenset(far)))

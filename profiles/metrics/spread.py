"""The K factor of an article: how many people each reader brought, over all and by generation of the share tree. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from profiles.metrics.rates import Part
from profiles.purchases import LeftOut
from profiles.sharetree import Tree


@dataclass(frozen=True, slots=True)
class Spread:
    """How an *article* travelled: *k* is people brought by people, per person; *generations* say the same of each, from
    those whom the push itself reached on. *left_out* are reads of robots, and of nobody in particular."""

    article: str
    title: str | None
    first_at: datetime
    k: Part
    generations: Sequence[Part]
    left_out: LeftOut


def spread(tree: Tree) -> tuple[Part, Sequence[Part]]:
    """Return the K factor of a share tree, and that of each of its generations."""
    sizes = tree.generations
    following = [*sizes[1:], 0]
    return Part(sum(sizes[1:]), sum(sizes)), [
        Part(*both) for both in zip(following, sizes, strict=True)
    ] if sizes else []

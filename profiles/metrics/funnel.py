"""Funnels: who took the first step, who of them the second, and so on, in this order and within some time. Pure.

Of each person the way counts that came furthest, and of those the one that came so far first. A step is measured from
the nearest one before it. One event is one step, and events of one moment count in the order of the steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from profiles.metrics.deeds import SECOND, Deeds
from profiles.metrics.rates import Part

STEPS_MAX = 10


@dataclass(frozen=True, slots=True)
class Stride:
    """A step of a funnel: how many *people* came so far, *of_former* and *of_first* step; *seconds* since the former
    are the median, `None` where nobody came or there is no former."""

    people: int
    of_former: Part
    of_first: Part
    seconds: float | None


def funnel(deeds: Deeds, steps: int, until: int, within: int) -> Sequence[Stride]:
    """Return how far people came on *steps*, which stand as bits in `numbers["steps"]`.

    A way begins before *until*, and may go on until *within* after its beginning.
    """
    at, bits = deeds.at.tolist(), deeds.numbers["steps"].tolist()
    ways = [furthest(at[rows], bits[rows], steps, until, within) for _, rows in deeds.by_person()]
    people = [sum(len(way) > step for way in ways) for step in range(steps)]
    return [
        Stride(
            people[step],
            Part(people[step], people[step - 1] if step else people[0]),
            Part(people[step], people[0]),
            _median([way[step] - way[step - 1] for way in ways if len(way) > step]) if step else None,
        )
        for step in range(steps)
    ]


def furthest(at: Sequence[int], bits: Sequence[int], steps: int, until: int, within: int) -> Sequence[int]:
    """Return the times of the steps of the best way of one person, whose events come in their order.

    For each step the way to it that began last is kept: no other one can lead further.
    """
    best: tuple[int, ...] = ()
    ways: list[tuple[int, ...]] = [()] * steps
    for moment, bit in zip(at, bits, strict=True):
        for step in range(steps - 1, -1, -1):
            if not bit >> step & 1:
                continue
            before = ways[step - 1] if step else ()
            if (moment < until) if step == 0 else (before and moment - before[0] <= within):
                ways[step] = (*before, moment)
                if len(ways[step]) > len(best):
                    best = ways[step]
    return best


def _median(times: Sequence[int]) -> float | None:
    return float(np.median(times)) / SECOND if times else None

"""Pareto: which share of the revenue comes from the few who spend most. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from profiles.purchases import Purchases

TOP_PERCENTS = (1, 5, 10, 20, 50, 80)


@dataclass(frozen=True, slots=True)
class Top:
    """The *percent* of buyers who spent most: so many *people* (rounded up), who spent *amount*."""

    percent: int
    people: int
    amount: int


@dataclass(frozen=True, slots=True)
class Pareto:
    """What all *people* spent, what the top of them did, and how unequal it is: *gini* is 0 where all spent the same,
    and near 1 where one spent all; `None` where nothing was spent."""

    people: int
    amount: int
    tops: Sequence[Top]
    gini: float | None


def pareto(of: Purchases) -> Pareto:
    """Return how what was spent is spread over those who made these purchases."""
    spent = np.sort(of.spent)
    people, amount = len(spent), int(spent.sum())
    most = np.cumsum(spent[::-1])
    tops = [(percent, ceil(people * percent / 100)) for percent in TOP_PERCENTS if people]
    ranks = np.arange(1, people + 1)
    return Pareto(
        people,
        amount,
        [Top(percent, count, int(most[count - 1])) for percent, count in tops],
        float(((2 * ranks - people - 1) * spent.astype(float)).sum() / (people * amount)) if amount else None,
    )

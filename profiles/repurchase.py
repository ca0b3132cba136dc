"""Repurchase: of those who bought so often, how many bought once more, and how long it took them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from profiles.purchases import Purchases, Whole

STEPS_MAX = 20
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True, slots=True)
class Step:
    """From the *nth* purchase to the next: *bought* people made it, *again* of these made the next one too, after *days* (by
    `QUANTILES`, between neighbours by proportion; empty where nobody did)."""

    nth: int
    bought: int
    again: int
    days: Sequence[float]

    @property
    def rate(self) -> float:
        """Who bought again, per who bought."""
        return self.again / self.bought


@dataclass(frozen=True, slots=True)
class Repurchase:
    """*steps* from the first purchase on, at most `STEPS_MAX`; *again* of all *people* bought more than once, and *days* lie
    between any purchase and the next."""

    people: int
    again: int
    days: Sequence[float]
    steps: Sequence[Step]


def repurchase(of: Purchases) -> Repurchase:
    """Return how those bought again who made these purchases.

    Who bought lately has had less time to: nothing is made up for that.
    """
    nth = np.arange(len(of.person)) - of.starts[of.person] + 1
    follows = nth[1:] > 1
    gaps, after = np.diff(of.day)[follows], nth[:-1][follows]
    bought = np.bincount(nth, minlength=3)
    steps = [
        Step(k, int(bought[k]), int(bought[k + 1]) if k + 1 < len(bought) else 0, _quantiles(gaps[after == k]))
        for k in range(1, min(STEPS_MAX, len(bought) - 1) + 1)
        if bought[k]
    ]
    return Repurchase(len(of.people), int(bought[2]), _quantiles(gaps), steps)


def _quantiles(days: Whole) -> list[float]:
    return [float(each) for each in np.quantile(days, QUANTILES)] if len(days) else []

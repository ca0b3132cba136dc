"""What people are worth, from their purchases: the models of `profiles.value` fitted to all, and asked about each.

Time is in weeks and money in minor units. A person's age runs from his first purchase to today; what he bought then only says
that he is here: repeated purchases alone say how often, and of how much they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.identifier import PersonId
from profiles.purchases import DAYS_A_WEEK, Purchases
from profiles.value import BgNbd, Fit, GammaGamma, Histories, Numbers, fit_bgnbd, fit_gamma_gamma

TOP_MAX = 20


@dataclass(frozen=True, slots=True)
class Buyers:
    """What the models ask about each person: *repeats*, *last* and *age* in weeks as `Histories` have them, and the *mean* amount
    of a repeated purchase (0 without any)."""

    repeats: Numbers
    last: Numbers
    age: Numbers
    mean: Numbers

    @classmethod
    def of(cls, purchases: Purchases) -> "Buyers":
        """Return who made *purchases*."""
        first = purchases.day[purchases.starts]
        repeats = (purchases.times - 1).astype(float)
        later = purchases.spent - purchases.amount[purchases.starts]
        return cls(
            repeats,
            (purchases.day[purchases.ends] - first) / DAYS_A_WEEK,
            (purchases.today - first) / DAYS_A_WEEK,
            np.where(repeats > 0, later / np.maximum(repeats, 1), 0.0),
        )


@dataclass(frozen=True, slots=True)
class Valued:
    """One person: how probably he is still there, and what is expected of him within the horizon (*amount* in minor units; `None`
    where no model of money could be had)."""

    person: PersonId
    purchases: int
    p_alive: float
    expected: float
    amount: float | None


@dataclass(frozen=True, slots=True)
class Worth:
    """What all are worth together, and the *top* of them. Models are `None` where too little was bought to have one; without
    *buying*, everything expected is."""

    people: int
    again: int
    horizon_weeks: float
    buying: tuple[BgNbd, Fit] | None
    spending: tuple[GammaGamma, Fit] | None
    alive: float | None
    expected: float | None
    amount: float | None
    correlation: float | None
    top: Sequence[Valued]


def worth(of: Purchases, horizon_weeks: float) -> Worth:
    """Return what those who made these purchases are expected to buy within *horizon_weeks* from today."""
    buyers = Buyers.of(of)
    buying = fit_bgnbd(Histories.of(buyers.repeats, buyers.last, buyers.age))
    spending = fit_gamma_gamma(buyers.repeats, buyers.mean)
    again = int(np.count_nonzero(buyers.repeats))
    if buying is None:
        return Worth(len(of.people), again, horizon_weeks, None, spending, None, None, None, None, [])
    alive = buying[0].p_alive(buyers.repeats, buyers.last, buyers.age)
    expected = buying[0].expected(buyers.repeats, buyers.last, buyers.age, horizon_weeks)
    amounts = _amounts(spending, buyers, expected)
    return Worth(
        people=len(of.people),
        again=again,
        horizon_weeks=horizon_weeks,
        buying=buying,
        spending=spending,
        alive=float(alive.sum()),
        expected=float(expected.sum()),
        amount=None if amounts is None else float(amounts.sum()),
        correlation=_correlation(buyers),
        top=_top(of, alive, expected, amounts),
    )


def _amounts(spending: tuple[GammaGamma, Fit] | None, buyers: Buyers, expected: Numbers) -> Numbers | None:
    """Return the amount expected of each, unless the model has no mean (q ≤ 1), so that nothing can be said of newcomers."""
    if spending is None or spending[0].q <= 1:
        return None
    return expected * spending[0].expected(buyers.repeats, buyers.mean)


def _correlation(buyers: Buyers) -> float | None:
    """Return how how often and for how much hang together (Pearson), which the model of money takes to be not at all."""
    kept = (buyers.repeats > 0) & (buyers.mean > 0)
    often, much = buyers.repeats[kept], buyers.mean[kept]
    if len(often) < 2 or not np.ptp(often) or not np.ptp(much):
        return None
    return float(np.corrcoef(often, much)[0, 1])


def _top(of: Purchases, alive: Numbers, expected: Numbers, amounts: Numbers | None) -> list[Valued]:
    best = np.argsort(-(expected if amounts is None else amounts), kind="stable")[:TOP_MAX]
    return [
        Valued(
            of.person_id(at),
            int(of.times[at]),
            float(alive[at]),
            float(expected[at]),
            None if amounts is None else float(amounts[at]),
        )
        for at in map(int, best)
    ]

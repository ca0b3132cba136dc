"""RFM: how recently, how often and for how much people bought, each as a score from 1 to 5.

A score says how large a share of all people stands strictly below: under a fifth 1, under two fifths 2, and so on. So those who
are equal have equal scores, whatever their number, and scores that ties take up are missing: where seven in ten bought once,
their frequency scores 1 and the next scores 4. (Fifths of exactly equal size would have to part equals by lot.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from profiles.purchases import Purchases, Whole

FIFTHS = 5


@dataclass(frozen=True, slots=True)
class Band:
    """Who has one *score*: so many *people*, whose values lie from *least* to *most*."""

    score: int
    people: int
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Cell:
    """Who has the same three scores, and what they spent in all."""

    recency: int
    frequency: int
    monetary: int
    people: int
    amount: int


@dataclass(frozen=True, slots=True)
class Rfm:
    """*bands* of `recency` (days since the last purchase; fewer is better), `frequency` (purchases) and `monetary` (minor units
    spent), the lowest score first; *cells* those of their 125 combinations that somebody is in, the best first."""

    people: int
    bands: Mapping[str, Sequence[Band]]
    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Fifths:
    """Between which values the scores of a set of buyers lie: a value scores 1, and one more for each edge that it is above.

    *recency* is of the day of the last purchase, as `Purchases` count days, so that scores stay as they are while none is made.
    """

    recency: Sequence[int] = ()
    frequency: Sequence[int] = ()
    monetary: Sequence[int] = ()

    def scores(self, last_day: int, times: int, spent: int) -> tuple[int, int, int]:
        """Return the three scores of one who bought so."""
        return _score(self.recency, last_day), _score(self.frequency, times), _score(self.monetary, spent)


def fifths(of: Purchases) -> Fifths:
    """Return between which values the scores of all who made one of these purchases lie."""
    return Fifths(_edges(of.day[of.ends]), _edges(of.times), _edges(of.spent))


def rfm(of: Purchases) -> Rfm:
    """Return the scores of all who made one of these purchases."""
    recency = of.today - of.day[of.ends]
    values = {"recency": recency, "frequency": of.times, "monetary": of.spent}
    scored = {name: scores(-each if name == "recency" else each) for name, each in values.items()}
    r, f, m = scored.values()
    kinds, which, people = np.unique(100 * r + 10 * f + m, return_inverse=True, return_counts=True)
    amounts = np.zeros(len(kinds), dtype=np.int64)
    np.add.at(amounts, which, of.spent)
    cells = [
        Cell(kind // 100, kind // 10 % 10, kind % 10, count, amount)
        for kind, count, amount in zip(kinds.tolist(), people.tolist(), amounts.tolist(), strict=True)
    ]
    bands = {name: _bands(scored[name], each) for name, each in values.items()}
    return Rfm(len(of.people), bands, cells[::-1])


def scores(values: Whole) -> Whole:
    """Return the score of each value among all of them; more is better."""
    below = np.searchsorted(np.sort(values), values, side="left")
    return 1 + FIFTHS * below // max(1, len(values))


def _bands(scored: Whole, values: Whole) -> list[Band]:
    found = ((int(score), values[scored == score]) for score in np.unique(scored))
    return [Band(score, len(own), int(own.min()), int(own.max())) for score, own in found]


def _edges(values: Whole) -> Sequence[int]:
    """Return, for each fifth, the greatest value of which less than that stand strictly below."""
    ordered = np.sort(values)
    return [int(ordered[-(-fifth * len(values) // FIFTHS) - 1]) for fifth in range(1, FIFTHS)] if len(values) else []


def _score(edges: Sequence[int], value: int) -> int:
    return 1 + sum(value > edge for edge in edges)

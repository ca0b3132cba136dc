"""Purchases as columns: who bought on which day, and for how much. What is asked about buying is asked about these.

A purchase is all that a person bought on one day, as in the CDNOW data that the models of `profiles.value` were published with.
"""

from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from core.clock import CHINA
from core.identifier import IdentifierId, PersonId

Whole = NDArray[np.int64]
People = NDArray[np.void]

HALVES = np.dtype([("high", ">u8"), ("low", ">u8")])

DAYS_A_WEEK = 7
ZONE = CHINA  # where days end for who does not say it


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Events that are in no figure of people: those that *robots* reported, and those of *nobody* known."""

    robots: int
    nobody: int


@dataclass(frozen=True, slots=True)
class Purchases:
    """Columns with a row a purchase, sorted by person and day, and no day twice of a person.

    *person* says whose it is, by the place in *people*: their ids in two halves, sorted, each of which has a row. A *day* is
    counted from 1970-01-01; *amount* is in minor units. *today* is the day as of which it is looked: no purchase is later.
    """

    people: People
    person: Whole
    day: Whole
    amount: Whole
    today: int
    left_out: LeftOut

    @property
    def starts(self) -> Whole:
        """The row of each person's first purchase."""
        return np.flatnonzero(np.diff(self.person, prepend=-1))

    @property
    def ends(self) -> Whole:
        """The row of each person's last purchase."""
        return np.flatnonzero(np.diff(self.person, append=len(self.people)))

    @property
    def times(self) -> Whole:
        """How often each person bought."""
        return self.ends - self.starts + 1

    @property
    def spent(self) -> Whole:
        """What each person spent in all."""
        return np.add.reduceat(self.amount, self.starts) if len(self.people) else self.amount

    def begun(self, since: int | None, until: int | None) -> "Purchases":
        """Return all purchases of those who first bought on a day with *since* ≤ day < *until* (`None`: no bound)."""
        return self._kept(_between(self.day[self.starts], since, until)[self.person])

    def made(self, since: int | None, until: int | None) -> "Purchases":
        """Return the purchases on days with *since* ≤ day < *until* (`None`: no bound), and who made them."""
        return self._kept(_between(self.day, since, until))

    def person_id(self, place: int) -> PersonId:
        """Return the id of the person at *place*."""
        return PersonId(IdentifierId(str(UUID(bytes=self.people[place].tobytes()))))

    def _kept(self, rows: NDArray[np.bool_]) -> "Purchases":
        whose, person = np.unique(self.person[rows], return_inverse=True)
        return replace(self, people=self.people[whose], person=person, day=self.day[rows], amount=self.amount[rows])


def number_of(day: date) -> int:
    """Return *day* as it is counted here: from 1970-01-01."""
    return (day - _EPOCH).days


_EPOCH = date(1970, 1, 1)


def _between(days: Whole, since: int | None, until: int | None) -> NDArray[np.bool_]:
    kept = np.ones(len(days), dtype=bool)
    if since is not None:
        kept &= days >= since
    if until is not None:
        kept &= days < until
    return kept

"""Retention: of those who began in one week or month, who was there again in the following ones. Pure.

A period that has not ended yet says nothing, and is `None`: not 0. Who began in it is a cohort already.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

import numpy as np

from profiles.metrics.deeds import Deeds, Whole
from profiles.metrics.rates import Part

PERIODS_MAX = 24

_EPOCH = date(1970, 1, 1)
_MONDAY = 3  # the first day of 1970 was a Thursday: its week began three days before


class Period(StrEnum):
    """How long a period is; a week begins on Monday."""

    WEEK = "week"
    MONTH = "month"

    def of(self, days: Whole) -> Whole:
        """Return the number of the period in which each of *days* (from 1970) lies."""
        if self is Period.WEEK:
            return (days + _MONDAY) // 7
        return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)

    def start(self, day: date) -> date:
        """Return the first day of the period that *day* lies in."""
        return day - timedelta(days=day.weekday()) if self is Period.WEEK else day.replace(day=1)

    def begins(self, number: int) -> date:
        """Return the first day of the period of a number."""
        if self is Period.WEEK:
            return _EPOCH + timedelta(days=7 * number - _MONDAY)
        return date(1970 + number // 12, number % 12 + 1, 1)


@dataclass(frozen=True, slots=True)
class Cohort:
    """Those who began in the period that *begins* on a day: so many *people*, of whom *active* were there in the first,
    second … period after it (`None`: it has not ended)."""

    begins: date
    people: int
    active: Sequence[Part | None]


@dataclass(frozen=True, slots=True)
class Retention:
    """All cohorts, the oldest first, and all of them together: *active* of those for whom the period has ended."""

    people: int
    cohorts: Sequence[Cohort]
    active: Sequence[Part | None]


def retention(days: Deeds, period: Period, since: int, until: int, today: int, periods: int) -> Retention:
    """Return who came again of those who began in the periods from that of the day *since* to that of the last day
    before *until*.

    *Days* have a row for each day (`numbers["day"]`) on which somebody did what counts as beginning (`begins`) or as
    being there (`acts`). *Today* is the first day that has not ended.
    """
    number = {name: period.of(np.array([day])).item() for name, day in (("first", since), ("last", until - 1))}
    current = period.of(np.array([today])).item()
    begun = _begun(days, period)
    acted = days.numbers["acts"] == 1
    # Each period of each person once, as how many periods it lies behind his beginning.
    pairs = np.unique(np.stack([days.person[acted], period.of(days.numbers["day"][acted])]), axis=1)
    behind = pairs[1] - begun[pairs[0]]
    cohorts = []
    for cohort in range(number["first"], number["last"] + 1):
        people = int(np.count_nonzero(begun == cohort))
        counts = np.bincount(behind[(begun[pairs[0]] == cohort) & (behind >= 0)], minlength=periods + 1)
        ended = max(0, current - cohort - 1)
        parts = [Part(int(counts[k]), people) if k <= ended else None for k in range(1, periods + 1)]
        cohorts.append(Cohort(period.begins(cohort), people, parts))
    whole = [_together([cohort.active[k] for cohort in cohorts]) for k in range(periods)]
    return Retention(sum(cohort.people for cohort in cohorts), cohorts, whole)


def _begun(days: Deeds, period: Period) -> Whole:
    """Return the period in which each person began; after all time for those who did not."""
    never = np.iinfo(np.int64).max // 2
    first = np.full(len(days.people), never, dtype=np.int64)
    begins = days.numbers["begins"] == 1
    np.minimum.at(first, days.person[begins], period.of(days.numbers["day"][begins]))
    return first


def _together(parts: Sequence[Part | None]) -> Part | None:
    ended = [part for part in parts if part is not None]
    return Part(sum(p.numerator for p in ended), sum(p.denominator for p in ended)) if ended else None

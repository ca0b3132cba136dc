"""Deeds as columns: who did what, when. What is asked about behaviour is asked about these. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from core.event import TYPES
from core.identifier import IdentifierId, PersonId
from profiles.purchases import LeftOut

Whole = NDArray[np.int64]
Rows = NDArray[np.bool_]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOBODY = -1
NOTHING = -1  # the code of what is not said

# What is done to somebody. Whoever is only sent something does nothing.
DONE_TO = frozenset(
    [
        "article.pushed",
        "sms.sent",
        "sms.delivered",
        "sms.failed",
        "mail.sent",
        "mail.delivered",
        "mail.bounced",
        "ad.impression",
        "coupon.issued",
        "support.answered",
        "wecom.contact_edited",
        "wecom.contact_removed",
        "order.refunded",
        "person.tagged",
    ]
)
DONE_BY = TYPES - DONE_TO


@dataclass(frozen=True, slots=True)
class Words:
    """A column of words: the *code* of a row is the place of its word in *names*, which are sorted; `NOTHING`: it has none."""

    code: Whole
    names: Sequence[str]

    def among(self, words: Collection[str]) -> Rows:
        """Return which rows have one of *words*."""
        is_one = np.array([name in words for name in self.names] + [False])  # the last is what `NOTHING` leads to
        rows: Rows = is_one[self.code]
        return rows

    @property
    def said_nothing(self) -> Rows:
        """Which rows have no word."""
        rows: Rows = self.code == NOTHING
        return rows

    def name(self, code: int) -> str | None:
        """Return the word of *code*."""
        return None if code == NOTHING else self.names[code]


@dataclass(frozen=True, slots=True)
class Deeds:
    """Columns with a row for each event, sorted by *person* and time *at* (microseconds from 1970), then by all the
    others, so that the order of those of one moment is the same however they were read.

    *person* is a place in *people*; `NOBODY` for events whose doer is nobody that is known. *words* and *numbers* are
    what else was asked for.
    """

    people: Sequence[PersonId]
    person: Whole
    at: Whole
    words: Mapping[str, Words]
    numbers: Mapping[str, Whole]

    def __len__(self) -> int:
        return len(self.at)

    def kept(self, rows: Rows | Whole) -> "Deeds":
        """Return only these *rows* (of a mask, or places in their order); *people* stay as they are."""
        return replace(
            self,
            person=self.person[rows],
            at=self.at[rows],
            words={name: Words(words.code[rows], words.names) for name, words in self.words.items()},
            numbers={name: numbers[rows] for name, numbers in self.numbers.items()},
        )

    @property
    def doers(self) -> int:
        """How many people did anything."""
        return len(np.unique(self.person))

    @property
    def none(self) -> "Deeds":
        """No deeds, of the same people."""
        return self.kept(np.zeros(0, dtype=np.int64))

    def of_types(self, types: Collection[str]) -> "Deeds":
        """Return the events of *types*."""
        return self.kept(self.words["type"].among(types))

    def between(self, since: int, until: int) -> "Deeds":
        """Return what happened with *since* ≤ time < *until*."""
        return self.kept((self.at >= since) & (self.at < until))

    def by_person(self) -> Iterator[tuple[int, slice]]:
        """Yield each person who did anything, with his rows."""
        people, starts = np.unique(self.person, return_index=True)
        ends = np.append(starts, len(self))[1:]
        yield from zip(people.tolist(), map(slice, starts.tolist(), ends.tolist()), strict=True)


@dataclass(frozen=True, slots=True)
class Told:
    """What was asked for: the *deeds* of people, those of *robots*, and those of *nobodys*, whose doer nobody knows.
    The latter two are in no figure of people. All have the same *people*, and the same names of words."""

    deeds: Deeds
    robots: Deeds
    nobodys: Deeds

    @property
    def left_out(self) -> LeftOut:
        """How many events are in no figure of people."""
        return LeftOut(len(self.robots), len(self.nobodys))

    def of_types(self, types: Collection[str]) -> "Told":
        """Return the events of *types*."""
        return Told(*(each.of_types(types) for each in (self.deeds, self.robots, self.nobodys)))


def in_order(
    people: Sequence[str], person: Whole, at: Whole, words: Mapping[str, Words], numbers: Mapping[str, Whole]
) -> Deeds:
    """Return deeds whose rows came in any order."""
    others = [*(words[name].code for name in sorted(words)), *(numbers[name] for name in sorted(numbers))]
    deeds = Deeds([PersonId(IdentifierId(each)) for each in people], person, at, words, numbers)
    order = np.lexsort((*others, at, person))
    return deeds.kept(order)


def instant(moment: datetime) -> int:
    """Return *moment* as deeds have it."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def micros(of: timedelta) -> int:
    """Return a time that passes as deeds have it."""
    return of // timedelta(microseconds=1)


DAY = micros(timedelta(days=1))
SECOND = micros(timedelta(seconds=1))

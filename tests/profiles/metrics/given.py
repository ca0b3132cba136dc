"""Deeds to ask about, as they are read: a row each, written as they are told of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from profiles.metrics.deeds import NOTHING, Deeds, Told, Whole, Words, in_order

HOUR = 3_600_000_000
DAY = 24 * HOUR
WORDS = ("account", "article", "campaign", "channel", "currency", "order")
NUMBERS = ("acts", "amount", "begins", "day", "events", "robot", "steps")


@dataclass(frozen=True, slots=True)
class Deed:
    """*who* (`None`: nobody known) did what, so many *days* after the beginning of 2026; *said* are words, *counted* numbers."""

    who: str | None
    days: float
    type: str
    said: Mapping[str, str] = field(default_factory=dict)
    counted: Mapping[str, int] = field(default_factory=dict)

    @property
    def at(self) -> int:
        """When, as columns have it."""
        return at(self.days)


def at(days: float) -> int:
    """So many *days* after the beginning of 2026, as columns have it."""
    return int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000 + round(days * DAY)


def columns(rows: Sequence[Deed]) -> Deeds:
    """The same as columns."""
    people = sorted({row.who for row in rows if row.who is not None})
    return in_order(
        people,
        _whole([people.index(row.who) if row.who is not None else -1 for row in rows]),
        _whole([row.at for row in rows]),
        {name: _words([row.said.get(name) for row in rows]) for name in WORDS}
        | {"type": _words([row.type for row in rows])},
        {name: _whole([row.counted.get(name, 0) for row in rows]) for name in NUMBERS},
    )


def told(deeds: Sequence[Deed], robots: Sequence[Deed] = ()) -> Told:
    """The same as it is read, with the deeds of *robots* beside; those of nobody are told apart."""
    everything = columns([*deeds, *[Deed(None, r.days, r.type, r.said, {**r.counted, "robot": 1}) for r in robots]])
    robot = everything.numbers["robot"] == 1
    somebodys = everything.person >= 0
    return Told(everything.kept(somebodys & ~robot), everything.kept(robot), everything.kept(~somebodys & ~robot))


def _whole(values: Sequence[int]) -> Whole:
    return np.array(values, dtype=np.int64)


def _words(values: Sequence[str | None]) -> Words:
    names = sorted({value for value in values if value is not None})
    return Words(_whole([NOTHING if value is None else names.index(value) for value in values]), names)

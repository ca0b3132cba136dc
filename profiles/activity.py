"""What many people did lately, reduced to a score of each and to how much he did in each of the last weeks. Pure.

The scores are those of `profiles.intent`, without the events behind them: of a hundred thousand people nobody looks at each. So
they are worked out in columns, a rule at a time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from core.identifier import PersonId
from profiles.intent import SCORE_MAX, Rules, horizon
from profiles.values import Value

DAY_SECONDS = 86_400.0
WEEK_SECONDS = 7 * DAY_SECONDS

Deed = Sequence[Any]
"""Who did something (his id), the type of the event, how many seconds ago, and each of its fields at `paths` as JSON."""

Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Active:
    """The *score* of somebody's intent, how many of his *events* speak for business in each week, the present one first, and of
    how many *deeds* that is made."""

    score: int
    events: Sequence[int]
    deeds: int


def paths(rules: Rules) -> Mapping[str, frozenset[str]]:
    """Return the fields of events that *rules* look at, each with the types of events in which they do."""
    return {
        path: frozenset().union(*(rule.types for rule in rules.values() if path in rule.conditions))
        for path in sorted({path for rule in rules.values() for path in rule.conditions})
    }


def active(deeds: Iterable[Deed], rules: Rules, weeks: int) -> Mapping[PersonId, Active]:
    """Return what *deeds*, in any order, come to, for each who did any, over *weeks*."""
    columns = list(zip(*deeds, strict=True))
    if not columns:
        return {}
    people, person = _numbered(columns[0])
    kinds, kind = _numbered(columns[1])
    age = np.maximum(np.array(columns[2], dtype=np.float64), 0.0)
    fields = {path: [_said(field) for field in column] for path, column in zip(paths(rules), columns[3:], strict=True)}
    is_fresh = age <= horizon(rules).total_seconds()
    is_business = np.zeros(len(age), dtype=bool)
    total = np.zeros(len(people))
    for rule in rules.values():
        rows = np.flatnonzero(np.isin(kind, [number for name, number in kinds.items() if name in rule.types]))
        for path, condition in rule.conditions.items():
            rows = _met(rows, fields[path], condition)
        if rule.points > 0:
            is_business[rows] = True
        rows = rows[is_fresh[rows]]
        points = rule.points * 0.5 ** (age[rows] / (rule.half_life_days * DAY_SECONDS))
        total += np.clip(np.bincount(person[rows], points, len(people)), -rule.cap, rule.cap)
    scores = np.rint(np.clip(total, 0.0, SCORE_MAX)).astype(int).tolist()
    events = _by_week(person, age, is_business, len(people), weeks).tolist()
    done = np.bincount(person).tolist()
    return {each: Active(scores[place], events[place], done[place]) for each, place in people.items()}


def _numbered(column: Sequence[Any]) -> tuple[Mapping[Any, int], Whole]:
    """Return a number for each value in *column*, and the column of them."""
    numbers: dict[Any, int] = {}
    return numbers, np.array([numbers.setdefault(value, len(numbers)) for value in column], dtype=np.int64)


def _said(field: str | None) -> object:
    return None if field is None else orjson.loads(field)


def _met(rows: Whole, said: Sequence[object], condition: Value) -> Whole:
    return rows[[condition.holds(said[row]) for row in rows.tolist()]] if len(rows) else rows


def _by_week(person: Whole, age: NDArray[np.float64], is_business: NDArray[np.bool_], people: int, weeks: int) -> Whole:
    rows = np.flatnonzero(is_business & (age < weeks * WEEK_SECONDS))
    week = (age[rows] / WEEK_SECONDS).astype(np.int64)
    return np.bincount(person[rows] * weeks + week, minlength=people * weeks).reshape(people, weeks)

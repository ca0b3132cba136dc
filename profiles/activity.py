"""What many people did lately, reduced to a score of each and to how much they did in each of the last weeks. Pure.

The scores are those of `profiles.intent`, without the events behind them: of a hundred thousand people nobody looks at each.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum

import orjson

from core.identifier import PersonId
from profiles.intent import SCORE_MAX, Condition, Rule, Rules, horizon, types

DAY_SECONDS = 86_400.0
WEEK_SECONDS = 7 * DAY_SECONDS

Deed = tuple[PersonId, str, float, Sequence[str | None]]
"""Who did something, the type of the event, how many seconds ago, and its fields at `paths`, each as JSON."""


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
    ordered = list(rules.values())
    looked_at = list(paths(rules))
    by_type = {
        type_: [(place, _terms(rule, looked_at), rule) for place, rule in enumerate(ordered) if type_ in rule.types]
        for type_ in types(rules)
    }
    horizon_seconds = horizon(rules).total_seconds()
    tallies: dict[PersonId, _Tally] = {}
    for person, type_, ago_seconds, fields in deeds:
        tally = tallies.get(person)
        if tally is None:
            tally = tallies[person] = _Tally([0.0] * len(ordered), [0] * weeks)
        tally.deeds += 1
        age, speaks_for_business = max(ago_seconds, 0.0), False
        for place, terms, rule in by_type[type_]:
            if not terms or _are_met(terms, fields):
                if age <= horizon_seconds:
                    tally.points[place] += rule.points * 0.5 ** (age / (rule.half_life_days * DAY_SECONDS))
                speaks_for_business |= rule.points > 0
        if speaks_for_business and age < weeks * WEEK_SECONDS:
            tally.events[int(age / WEEK_SECONDS)] += 1
    return {
        person: Active(_score(tally.points, ordered), tally.events, tally.deeds) for person, tally in tallies.items()
    }


@dataclass(slots=True)
class _Tally:
    points: list[float]
    events: list[int]
    deeds: int = 0


_Terms = Sequence[tuple[int, Condition]]


def _terms(rule: Rule, looked_at: Sequence[str]) -> _Terms:
    return [(looked_at.index(path), condition) for path, condition in rule.conditions.items()]


def _are_met(terms: _Terms, fields: Sequence[str | None]) -> bool:
    for place, condition in terms:
        field = fields[place]
        if not condition.holds(None if field is None else orjson.loads(field)):
            return False
    return True


def _score(points: Sequence[float], rules: Sequence[Rule]) -> int:
    total = fsum(rule.capped(own) for rule, own in zip(rules, points, strict=True))
    return round(max(0.0, min(float(SCORE_MAX), total)))

"""The intent of a company: the scores of its people as one, and whether it does more than it used to. Pure.

    score = at most 100: base + bonus
    base  = 100 · (1 − Π (1 − s / 100)) over the *people_max* highest scores s of its people
    bonus = *bonus* for each but the first of those who score *counts_from* or more, at most *bonus_max*

In descending order each person adds s · Π (1 − t / 100) to the base, over the scores t before his: these are the contributions,
and they sum up to the base. How much a company did within the last seven days is held against the mean of the *weeks* before:
z = (n − mean) / √mean, as numbers of events scatter by Poisson, and a mean is taken to be at least *expected_min*.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from math import sqrt
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter

from core.identifier import PersonId
from core.rules import read as read_rules
from profiles.activity import Active
from profiles.intent import SCORE_MAX

Score = Annotated[float, Field(ge=0, le=SCORE_MAX)]


@dataclass(frozen=True, slots=True)
class IntentRules:
    """The constants of the score; see the module."""

    people_max: Annotated[int, Field(ge=1, le=1_000)]
    counts_from: Score
    bonus: Score
    bonus_max: Score
    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class SurgeRules:
    """The constants of a surge: *z_min* is from where there is one; see the module."""

    weeks: Annotated[int, Field(ge=1, le=52)]
    expected_min: Annotated[float, Field(gt=0, le=1_000)]
    z_min: Annotated[float, Field(gt=0, le=100)]
    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class NameRules:
    """The *forms* of companies, in small letters, by which names are not told apart."""

    forms: tuple[Annotated[str, Field(min_length=1, max_length=64)], ...]
    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Rules:
    """By what companies are judged (`companies.toml`)."""

    intent: IntentRules
    surge: SurgeRules
    names: NameRules
    __pydantic_config__ = ConfigDict(extra="forbid")

    @property
    def weeks(self) -> int:
        """How many weeks are looked at: the baseline's, and the present one."""
        return self.surge.weeks + 1


@dataclass(frozen=True, slots=True)
class Contribution:
    """What *person*, whose own score is *score*, adds to the base."""

    person: PersonId
    score: int
    points: float


@dataclass(frozen=True, slots=True)
class Surge:
    """How many *events* there were within seven days, how many were *expected* (the mean of weeks before), how far off that is.

    *ratio* is `None` where there were none before. It *is_surging* from *z_min* on.
    """

    events: int
    expected: float
    ratio: float | None
    z: float
    is_surging: bool


@dataclass(frozen=True, slots=True)
class CompanyIntent:
    """A *score* from 0 to 100: *base* by *contributions*, the most first, and a *bonus* for how many *people* count."""

    score: int
    base: float
    bonus: float
    people: int
    contributions: Sequence[Contribution]
    surge: Surge


def judge(people: Mapping[PersonId, Active], rules: Rules) -> CompanyIntent:
    """Return the intent of the company of *people*, in any order; who did nothing may be missing."""
    scored = sorted(((active.score, person) for person, active in people.items()), key=lambda each: (-each[0], each[1]))
    left = float(SCORE_MAX)
    contributions = []
    for score, person in scored[: rules.intent.people_max]:
        points = left * score / SCORE_MAX
        left -= points
        if score:
            contributions.append(Contribution(person, score, points))
    counting = sum(score >= rules.intent.counts_from and score > 0 for score, _ in scored)
    bonus = min(rules.intent.bonus * max(counting - 1, 0), rules.intent.bonus_max)
    base = SCORE_MAX - left
    return CompanyIntent(
        score=round(min(base + bonus, float(SCORE_MAX))),
        base=base,
        bonus=bonus,
        people=counting,
        contributions=contributions,
        surge=_surge(people, rules.surge),
    )


def _surge(people: Mapping[PersonId, Active], rules: SurgeRules) -> Surge:
    events = sum(active.events[0] for active in people.values())
    expected = sum(sum(active.events[1:]) for active in people.values()) / rules.weeks
    assumed = max(expected, rules.expected_min)
    z = (events - assumed) / sqrt(assumed)
    return Surge(events, expected, events / expected if expected else None, z, z >= rules.z_min)


def read(written: str) -> Rules:
    """Read rules from TOML. Raises `InvalidSetting`, which names the rule and the field."""
    return read_rules(_RULES, written, "rules of companies")


def shipped() -> Rules:
    """Return the rules that Siyu ships with."""
    return read(resources.files("profiles").joinpath("companies.toml").read_text(encoding="utf-8"))


_RULES: TypeAdapter[Rules] = TypeAdapter(Rules)

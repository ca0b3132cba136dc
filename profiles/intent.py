"""Intent: how likely there is business with somebody, judged by what he did lately. Pure.

    score = between 0 and 100: Σ over rules of at most *cap*: Σ over events of *points* · 2^(−age / *half_life*)

The rules are data (`intent.toml`). A score is judged whenever it is asked for, from the events that are there: so it fades while
nothing happens, and a merge, a split or a retraction needs nothing to be counted again.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib import resources
from math import fsum, log2
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter

from core.event import TYPES, EventUid, Word
from core.rules import read as read_rules
from profiles.values import Value, at_path

SCORE_MAX = 100
FADED_POINTS = 0.05  # what an event gives no more than, when it is not looked at any longer
TREND = timedelta(days=7)


def _are_known(types: frozenset[str]) -> frozenset[str]:
    if not types <= TYPES:
        raise ValueError("these are not all event types")
    return types


@dataclass(frozen=True, slots=True)
class Rule:
    """*points* for an event of these *types* under all *conditions* (by the path of a field); see the module."""

    types: Annotated[frozenset[str], Field(min_length=1), AfterValidator(_are_known)]
    points: Annotated[float, Field(ge=-SCORE_MAX, le=SCORE_MAX)]
    half_life_days: Annotated[float, Field(gt=0, le=3_650)]
    cap: Annotated[float, Field(gt=0, le=SCORE_MAX)]
    conditions: Mapping[str, Value] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    __pydantic_config__ = ConfigDict(extra="forbid")

    def takes(self, signal: "Signal") -> bool:
        """Whether *signal* gives points by this rule."""
        return signal.type in self.types and all(
            condition.holds(at_path(signal.body, path)) for path, condition in self.conditions.items()
        )

    def worth(self, age: timedelta) -> float:
        """Return what an event gives that is so old."""
        halvings = max(age, timedelta()) / timedelta(days=self.half_life_days)
        return float(self.points * 0.5**halvings)

    def capped(self, points: float) -> float:
        """Return what *points* count for in the score."""
        return max(-self.cap, min(self.cap, points))

    @property
    def fades_in(self) -> timedelta:
        """After what time an event gives as good as nothing."""
        halvings = max(log2(abs(self.points) / FADED_POINTS), 0.0) if self.points else 0.0
        return timedelta(days=self.half_life_days * halvings)


Rules = Mapping[str, Rule]


@dataclass(frozen=True, slots=True)
class Signal:
    """An event of a person's, as far as intent is judged by it; *body* is the event as it stands in the log."""

    uid: EventUid
    type: str
    channel: str
    occurred_at: datetime
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one *rule* gives: *points* of the score, of *uncapped* ones; and the signals behind, the newest first, with theirs."""

    rule: str
    points: float
    uncapped: float
    signals: Sequence[tuple[Signal, float]]


@dataclass(frozen=True, slots=True)
class Intent:
    """A *score* from 0 to 100, by how much it rose within a week (*change*), and what it is made of, the most first."""

    score: int
    change: int
    contributions: Sequence[Contribution]


def judge(signals: Collection[Signal], rules: Rules, now: datetime) -> Intent:
    """Return the intent that *signals*, in any order, speak for *now*."""
    contributions = _contributions(signals, rules, now)
    before = _contributions([signal for signal in signals if signal.occurred_at <= now - TREND], rules, now - TREND)
    score = _score(contributions)
    return Intent(score, score - _score(before), contributions)


def types(rules: Rules) -> frozenset[str]:
    """Return the types of events that any of *rules* looks at."""
    return frozenset().union(*(rule.types for rule in rules.values()))


def horizon(rules: Rules) -> timedelta:
    """Return how far back one has to look, the trend included."""
    return max((rule.fades_in for rule in rules.values()), default=timedelta()) + TREND


def _contributions(signals: Iterable[Signal], rules: Rules, at: datetime) -> Sequence[Contribution]:
    newest = sorted(signals, key=lambda signal: (signal.occurred_at, signal.uid), reverse=True)
    found = []
    for name, rule in rules.items():
        own = [(each, rule.worth(at - each.occurred_at)) for each in newest if rule.takes(each)]
        if own:
            uncapped = fsum(points for _, points in own)
            found.append(Contribution(name, rule.capped(uncapped), uncapped, own))
    return sorted(found, key=lambda each: (-abs(each.points), each.rule))


def _score(contributions: Iterable[Contribution]) -> int:
    return round(max(0.0, min(float(SCORE_MAX), fsum(each.points for each in contributions))))


def read(written: str) -> Rules:
    """Read rules from TOML. Raises `InvalidSetting`, which names the rule and the field."""
    return read_rules(_RULES, written, "intent rules")


def shipped() -> Rules:
    """Return the rules that Siyu ships with."""
    return read(resources.files("profiles").joinpath("intent.toml").read_text(encoding="utf-8"))


_RULES: TypeAdapter[dict[Word, Rule]] = TypeAdapter(dict[Word, Rule])

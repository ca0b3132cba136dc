"""Traits: what events state of a person, and which of several statements survives. Pure.

The rules are data (`traits.toml`). Of the statements of one trait there is an order, and the greatest survives:

* latest         (time, uid)
* earliest       the least of (time, uid)
* trusted        (how far its source or channel is trusted, time, uid)
* most_frequent  (how often the same value was stated, time, uid)

So a merge, a split or a retraction leaves nothing behind: who survives is a function of the set of statements.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from importlib import resources
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter

from core.event import TYPES, EventUid, Key, Trust, Word
from core.rules import read as read_rules
from profiles.intent import Signal
from profiles.summary import TRAIT_LENGTH_MAX

OTHERS_MAX = 10  # statements that did not survive, shown beside the one that did

TraitValue = str | int


class Keep(StrEnum):
    """Which of several statements survives; see the module."""

    LATEST = "latest"
    EARLIEST = "earliest"
    TRUSTED = "trusted"
    MOST_FREQUENT = "most_frequent"


class Form(StrEnum):
    """Into what form a value is brought where its meaning is beyond doubt; any other stays as it came."""

    TEXT = "text"
    NUMBER = "number"
    GENDER = "gender"
    DATE = "date"


@dataclass(frozen=True, slots=True)
class Rule:
    """Which statement of a trait to *keep*, under which *properties* it is stated (none: under its own name), and in what *form*.

    *trusted* are sources and channels, the most trusted first; below them stand all others, and last what the public says.
    """

    keep: Keep = Keep.LATEST
    properties: Annotated[tuple[Key, ...], Field(max_length=20)] = ()
    trusted: Annotated[tuple[Key, ...], Field(max_length=50)] = ()
    form: Form = Form.TEXT
    __pydantic_config__ = ConfigDict(extra="forbid")

    def rank(self, of: "Statement") -> int:
        """Return how far down the order of trust a statement stands, 0 being the most trusted."""
        places = [place for place, name in enumerate(self.trusted) if name in (of.source, of.channel)]
        return min(places, default=len(self.trusted) + (of.trust == Trust.BROWSER))


def _are_known(types: frozenset[str]) -> frozenset[str]:
    if not types <= TYPES:
        raise ValueError("these are not all event types")
    return types


@dataclass(frozen=True, slots=True)
class Rules:
    """The *types* of events that state traits, and the rule of each trait by its name."""

    types: Annotated[frozenset[str], Field(min_length=1), AfterValidator(_are_known)]
    traits: Annotated[Mapping[Word, Rule], Field(max_length=200)] = field(default_factory=dict)
    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Statement:
    """That a *trait* is *value*: who said so, and when."""

    trait: str
    value: TraitValue
    source: str
    channel: str
    trust: str
    at: datetime
    uid: EventUid


@dataclass(frozen=True, slots=True)
class Trait:
    """The statement that survived by *rule*, and the newest of the *others*: one for each value and source."""

    statement: Statement
    rule: Keep
    others: Sequence[Statement]


def traits(signals: Iterable[Signal], rules: Rules) -> Mapping[str, Trait]:
    """Return the traits of the person of whom *signals*, in any order, are the events; by name, sorted."""
    stated: dict[str, list[Statement]] = defaultdict(list)
    for each in statements(signals, rules):
        stated[each.trait].append(each)
    return {name: _trait(own, rules.traits[name]) for name, own in sorted(stated.items())}


def statements(signals: Iterable[Signal], rules: Rules) -> Iterable[Statement]:
    """Return what *signals* state, in their order. An event states a trait once: by the first of its properties that says it."""
    for signal in signals:
        properties = signal.body.get("properties") or {}
        for name, rule in rules.traits.items() if signal.type in rules.types else ():
            said = (normal(properties.get(each), rule.form) for each in rule.properties or (name,))
            value = next((each for each in said if each is not None), None)
            if value is not None:
                source, trust = str(signal.body["source"]), str(signal.body["trust"])
                yield Statement(name, value, source, signal.channel, trust, signal.occurred_at, signal.uid)


def survivor(stated: Collection[Statement], rule: Rule) -> Statement:
    """Return which of the statements of one trait survives; there has to be one."""
    match rule.keep:
        case Keep.LATEST:
            return max(stated, key=_when)
        case Keep.EARLIEST:
            return min(stated, key=_when)
        case Keep.TRUSTED:
            return max(stated, key=lambda each: (-rule.rank(each), *_when(each)))
        case Keep.MOST_FREQUENT:
            often = Counter(each.value for each in stated)
            return max(stated, key=lambda each: (often[each.value], *_when(each)))


def _when(of: Statement) -> tuple[datetime, EventUid]:
    return of.at, of.uid


def _trait(stated: Collection[Statement], rule: Rule) -> Trait:
    kept = survivor(stated, rule)
    newest: dict[tuple[TraitValue, str], Statement] = {}
    for each in sorted(stated, key=_when):
        newest[each.value, each.source] = each
    newest.pop((kept.value, kept.source))
    return Trait(kept, rule.keep, sorted(newest.values(), key=_when, reverse=True)[:OTHERS_MAX])


def normal(said: object, form: Form) -> TraitValue | None:
    """Return what is *said* in its *form*; `None` where it says nothing, or no trait is like it."""
    if isinstance(said, bool) or not isinstance(said, str | int):
        return None
    written = str(said).strip()
    if not written or len(written) > TRAIT_LENGTH_MAX:
        return None
    return _FORMS[form](written) if form in _FORMS else said if isinstance(said, int) else written


def _number(written: str) -> TraitValue:
    return int(written) if re.fullmatch(r"-?[0-9]{1,18}", written) else written


_GENDERS = {
    "male": ("male", "m", "man", "男", "男性", "男士", "先生", "1"),
    "female": ("female", "f", "woman", "女", "女性", "女士", "2"),
    "other": ("other", "x", "non-binary", "nonbinary", "其他"),
}
_GENDER = {word: gender for gender, words in _GENDERS.items() for word in words}
_NO_GENDER = frozenset({"0", "unknown", "未知", "保密"})  # ISO 5218, and WeChat's words


def _gender(written: str) -> TraitValue | None:
    word = written.lower()
    return None if word in _NO_GENDER else _GENDER.get(word, written)


# What begins with the year leaves no doubt which number is the month; a time of day may be of another day elsewhere.
_DATE = re.compile(
    r"(\d{4})(?:-(\d{1,2})-|/(\d{1,2})/|\.(\d{1,2})\.|年(\d{1,2})月|(\d{2}))(\d{1,2})日?(?:[T ]00:00:00)?", re.A
)


def _date(written: str) -> TraitValue:
    found = _DATE.fullmatch(written)
    if found is None:
        return written
    year, *months, day = found.groups()
    try:
        return date(int(year), int(next(month for month in months if month)), int(day)).isoformat()
    except ValueError:
        return written


_FORMS: Mapping[Form, Callable[[str], TraitValue | None]] = {
    Form.NUMBER: _number,
    Form.GENDER: _gender,
    Form.DATE: _date,
}


def read(written: str) -> Rules:
    """Read rules from TOML. Raises `InvalidSetting`, which names the trait and the field."""
    return read_rules(_RULES, written, "trait rules")


def shipped() -> Rules:
    """Return the rules that Siyu ships with."""
    return read(resources.files("profiles").joinpath("traits.toml").read_text(encoding="utf-8"))


_RULES: TypeAdapter[Rules] = TypeAdapter(Rules)

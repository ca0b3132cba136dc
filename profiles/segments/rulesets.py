"""Rule sets: named conditions. A segment has one; layers and stages have several, of which the first that holds counts.

Pure, and data: an installation's own are kept in the database, those that Siyu ships with are `presets.toml`.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from importlib import resources
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

from core.errors import InvalidEvent
from core.event import Word
from core.rules import read
from profiles.segments.conditions import AllOf, AnyOf, Condition, In, Intends, Not, Tree, leaves

BANDS_MAX = 20
RULE_SETS_MAX = 200  # in one installation: each is asked of everybody who changes
EXPANDED_LEAVES_MAX = 500
MEMBERS = "members"

Title = Annotated[str, StringConstraints(max_length=200)]


class Kind(StrEnum):
    """What a rule set is called; an alert is a segment whose members' intent is high."""

    SEGMENT = "segment"
    LAYERS = "layers"
    STAGES = "stages"
    ALERT = "alert"


class Band(BaseModel):
    """One of some layers or stages, and what has to be so of those who are there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Word
    when: Tree
    labels: Annotated[Mapping[Word, Title], Field(default_factory=dict, max_length=20)]


def _each_once(bands: tuple[Band, ...]) -> tuple[Band, ...]:
    if len({band.name for band in bands}) < len(bands):
        raise ValueError("two bands have one name")
    return bands


Bands = Annotated[tuple[Band, ...], Field(min_length=1, max_length=BANDS_MAX), AfterValidator(_each_once)]


class RuleSet(BaseModel):
    """A segment, with one band, or layers or stages: a person is in the first of the *bands* whose condition holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Word
    kind: Kind
    bands: Bands
    labels: Annotated[Mapping[Word, Title], Field(default_factory=dict, max_length=20)]


def segment(name: str, when: Condition, labels: Mapping[str, str]) -> RuleSet:
    """Return the segment of those of whom *when* holds."""
    return RuleSet(name=name, kind=Kind.SEGMENT, bands=(Band(name=MEMBERS, when=when, labels={}),), labels=dict(labels))


def alert(threshold: int) -> RuleSet:
    """Return the segment of those whose intent has reached *threshold*."""
    when = Intends(kind="intent", at_least=threshold)
    return RuleSet(
        name=f"intent_{threshold}", kind=Kind.ALERT, bands=(Band(name=MEMBERS, when=when, labels={}),), labels={}
    )


def conditions(of: RuleSet, others: Mapping[str, RuleSet]) -> Sequence[Condition]:
    """Return what has to hold for each band of *of*, in order, with nothing in it that refers to the *others* by name.

    Raises `InvalidEvent` where something is referred to that is not there, or that refers back.
    """
    found = [_expanded(band.when, others, (of.name,)) for band in of.bands]
    if sum(1 for each in found for _ in leaves(each)) > EXPANDED_LEAVES_MAX:
        raise InvalidEvent("too_large", f"with all it refers to it has more than {EXPANDED_LEAVES_MAX} conditions")
    return found


def expanded(of: Condition, others: Mapping[str, RuleSet]) -> Condition:
    """Return *of* with nothing in it that refers to the *others* by name; raises as `conditions`."""
    return conditions(segment("asked", of, {}), others)[0]


def referred(of: RuleSet) -> Iterator[str]:
    """Return the names of the rule sets that *of* itself refers to."""
    for band in of.bands:
        for leaf in leaves(band.when):
            if isinstance(leaf, In):
                yield leaf.set


def _expanded(of: Condition, others: Mapping[str, RuleSet], within: tuple[str, ...]) -> Condition:
    match of:
        case AllOf() | AnyOf():
            return of.model_copy(update={"of": tuple(_expanded(each, others, within) for each in of.of)})
        case Not():
            return of.model_copy(update={"of": _expanded(of.of, others, within)})
        case In():
            return _of_set(of, others, within)
        case _:
            return of


def _of_set(of: In, others: Mapping[str, RuleSet], within: tuple[str, ...]) -> Condition:
    if of.set in within:
        raise InvalidEvent("circular", f"{of.set} refers to itself, by way of {', '.join(within)}")
    if of.set not in others:
        raise InvalidEvent("unknown_set", f"there is no segment, layers or stages called {of.set}")
    named = others[of.set]
    bands = [(band.name, _expanded(band.when, others, (*within, of.set))) for band in named.bands]
    if of.band is None:
        return AnyOf(kind="any", of=tuple(when for _, when in bands))
    if of.band not in [name for name, _ in bands]:
        raise InvalidEvent("unknown_band", f"{of.set} has no band called {of.band}")
    place = [name for name, _ in bands].index(of.band)
    before = tuple(Not(kind="not", of=when) for _, when in bands[:place])
    return AllOf(kind="all", of=(*before, bands[place][1]))


def presets() -> Mapping[str, RuleSet]:
    """Return the layers and stages that Siyu ships with, by name."""
    written = resources.files("profiles.segments").joinpath("presets.toml").read_text(encoding="utf-8")
    return {each.name: each for each in read(_PRESETS, written, "presets")["sets"]}


_PRESETS: TypeAdapter[dict[str, list[RuleSet]]] = TypeAdapter(dict[str, list[RuleSet]])

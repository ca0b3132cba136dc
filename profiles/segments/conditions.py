"""Conditions: what has to be so of a person for him to be in a segment. Pure, and data.

One tree of conditions is asked in two ways: of one person in memory (`judging`), of everybody in SQL (`everybody`). What it says
depends on the facts and on the time of asking alone. Windows look back from then: an event counts while it is younger than
*within_days*. A count has to be *at_least* and *at_most* so much; where neither is said, at least 1.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from core.event import Currency, Key, Type, Whole, Word
from profiles.consent import ADDRESSES, MARKETING
from profiles.frequency import SENDING
from profiles.rfm import FIFTHS
from profiles.tags import TAG_LENGTH_MAX
from profiles.values import VALUES_MAX, Path, Value

DEPTH_MAX = 10
LEAVES_MAX = 50
COUNT_MAX = 1_000_000
DAYS_MAX = 3_650

Count = Annotated[int, Field(ge=0, le=COUNT_MAX)]
Days = Annotated[float, Field(gt=0, le=DAYS_MAX)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Where = Annotated[Mapping[Path, Value], Field(default_factory=dict, max_length=10)]


class Bounded(_Frozen):
    at_least: Count | None = None
    at_most: Count | None = None

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        if self.low > self.high:
            raise ValueError("at_least is more than at_most")
        return self

    @property
    def low(self) -> int:
        """The least number that will do."""
        if self.at_least is None:
            return 1 if self.at_most is None else 0
        return self.at_least

    @property
    def high(self) -> int:
        """The greatest number that will do."""
        return COUNT_MAX * COUNT_MAX if self.at_most is None else self.at_most

    def will_do(self, count: int) -> bool:
        """Whether *count* lies between the bounds."""
        return self.low <= count <= self.high


class Windowed(Bounded):
    within_days: Days | None = None

    @property
    def window(self) -> timedelta | None:
        """How far it looks back; `None`: to the beginning."""
        return None if self.within_days is None else timedelta(days=self.within_days)


# What joins conditions


class AllOf(_Frozen):
    """All *of* these hold. Of none they do: it is everybody."""

    kind: Literal["all"]
    of: Annotated[tuple["Condition", ...], Field(max_length=LEAVES_MAX)]


class AnyOf(_Frozen):
    """Any *of* these holds."""

    kind: Literal["any"]
    of: Annotated[tuple["Condition", ...], Field(min_length=1, max_length=LEAVES_MAX)]


class Not(_Frozen):
    """It does not hold."""

    kind: Literal["not"]
    of: "Condition"


class In(_Frozen):
    """He is in the segment, or at the *band* of the layers or stages, called *set*, by its condition as it stands."""

    kind: Literal["in"]
    set: Word
    band: Word | None = None


# What is asked of one person


class Did(Windowed):
    """So many events of *types* (none: of any) on *channels* (none: on any) whose fields are as *where* says."""

    kind: Literal["did"]
    types: Annotated[tuple[Type, ...], Field(max_length=VALUES_MAX)] = ()
    channels: Annotated[tuple[Word, ...], Field(max_length=VALUES_MAX)] = ()
    where: Where


class Read(Windowed):
    """So many different articles read: any, or those among *articles*, or on one of *topics*."""

    kind: Literal["read"]
    articles: Annotated[tuple[Key, ...], Field(max_length=VALUES_MAX)] = ()
    topics: Annotated[tuple[Key, ...], Field(max_length=VALUES_MAX)] = ()


class Brought(Bounded):
    """So many people who came by a link of his: who stand right below him in the share tree of any article, or of *articles*."""

    kind: Literal["brought"]
    articles: Annotated[tuple[Key, ...], Field(max_length=VALUES_MAX)] = ()


class Ordered(Windowed):
    """So many orders paid within the window and not paid back in full; for *amount_min* to *amount_max* minor units together."""

    kind: Literal["ordered"]
    currency: Currency = "CNY"
    amount_min: Whole | None = None
    amount_max: Whole | None = None


class Scores(_Frozen):
    """A score from *min* to *max*."""

    min: Annotated[int, Field(ge=1, le=FIFTHS)] = 1
    max: Annotated[int, Field(ge=1, le=FIFTHS)] = FIFTHS

    def holds(self, score: int) -> bool:
        """Whether *score* is one of these."""
        return self.min <= score <= self.max


class Rfm(_Frozen):
    """He bought, and how recently, how often and for how much scores so among all who did; see `profiles.rfm`."""

    kind: Literal["rfm"]
    currency: Currency = "CNY"
    recency: Scores = Scores()
    frequency: Scores = Scores()
    monetary: Scores = Scores()


class Intends(Bounded):
    """His intent is so high."""

    kind: Literal["intent"]


class Trait(_Frozen):
    """The trait called *name* is so, as the statement of it that survives has it; see `profiles.traits`."""

    kind: Literal["trait"]
    name: Word
    value: Value = Value()


class Tagged(_Frozen):
    """He bears the tag called *name*, of the *tag_kind* (none: of any)."""

    kind: Literal["tag"]
    name: Annotated[str, StringConstraints(min_length=1, max_length=TAG_LENGTH_MAX)]
    tag_kind: Literal["stated", "model", "imported"] | None = None


class Company(_Frozen):
    """The company that he said to work for is so."""

    kind: Literal["company"]
    value: Value = Value()


class Known(_Frozen):
    """He has an identifier of *namespace*, and of *scope* where one is named."""

    kind: Literal["identifier"]
    namespace: Word
    scope: Key | None = None


class Follows(_Frozen):
    """He follows the *account*, or any."""

    kind: Literal["follows"]
    account: Key | None = None


class Reachable(_Frozen):
    """He may be reached on *channel* for *purpose*."""

    kind: Literal["reach"]
    channel: Literal[tuple(sorted(ADDRESSES))]  # type: ignore[valid-type] # the channels are declared once, there
    purpose: Word = MARKETING


class Messaged(Windowed):
    """So many messages went to him on *channel* for *purpose* (none: for any)."""

    kind: Literal["messaged"]
    channel: Literal[tuple(sorted(SENDING))]  # type: ignore[valid-type] # the channels are declared once, there
    purpose: Word | None = None


class Seen(_Frozen):
    """He was *first* or *last* met between *min_days_ago* and *max_days_ago*, of any event."""

    kind: Literal["seen"]
    when: Literal["first", "last"]
    min_days_ago: Annotated[float, Field(ge=0, le=DAYS_MAX)] | None = None
    max_days_ago: Days | None = None


Leaf = (
    Did
    | Read
    | Brought
    | Ordered
    | Rfm
    | Intends
    | Trait
    | Tagged
    | Company
    | Known
    | Follows
    | Reachable
    | Messaged
    | Seen
)
Condition = Annotated[AllOf | AnyOf | Not | In | Leaf, Field(discriminator="kind")]
EVERYBODY = AllOf(kind="all", of=())


def leaves(of: Condition) -> Iterator[Any]:
    """Return all that *of* asks of a person, in order, what is asked twice twice; references too."""
    match of:
        case AllOf() | AnyOf():
            for each in of.of:
                yield from leaves(each)
        case Not():
            yield from leaves(of.of)
        case _:
            yield of


def depth(of: Condition) -> int:
    """Return how deep *of* is nested; 1 for what joins nothing."""
    match of:
        case AllOf() | AnyOf():
            return 1 + max((depth(each) for each in of.of), default=0)
        case Not():
            return 1 + depth(of.of)
        case _:
            return 1


def _of_some_size(of: Condition) -> Condition:
    if depth(of) > DEPTH_MAX:
        raise ValueError(f"it is nested deeper than {DEPTH_MAX} levels")
    if sum(1 for _ in leaves(of)) > LEAVES_MAX:
        raise ValueError(f"it has more than {LEAVES_MAX} conditions")
    return of


Tree = Annotated[Condition, AfterValidator(_of_some_size)]
"""A condition as it may be written: of some size at most."""

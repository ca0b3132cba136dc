"""The shapes of what is answered about what people do."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from api.metrics_schemas import Figure, LeftOutOut
from core.event import Type
from profiles.metrics.funnel import STEPS_MAX
from profiles.values import Path, Value

CONDITIONS_MAX = 10
WITHIN_DAYS_MAX = 400


class Step(BaseModel):
    """A step of a funnel: an event of one of *types* whose fields, by their paths, are as *where* says."""

    model_config = ConfigDict(extra="forbid")

    types: Annotated[list[Type], Field(min_length=1)]
    where: Annotated[Mapping[Path, Value], Field(max_length=CONDITIONS_MAX)] = {}


class Way(BaseModel):
    """The steps of a funnel, in their order, and within how many days of the first all of them have to be taken."""

    model_config = ConfigDict(extra="forbid")

    steps: Annotated[list[Step], Field(min_length=1, max_length=STEPS_MAX)]
    within_days: Annotated[float, Field(gt=0, le=WITHIN_DAYS_MAX)] = 7


class RatioOut(BaseModel):
    """So many of so many; *rate* is null of none."""

    numerator: int
    denominator: int
    rate: float | None


class StageOut(BaseModel):
    """How many *people* came to a stage, by how many *events*; *robots* are events of robots, counted nowhere else."""

    people: int
    events: int
    robots: int


class MessagesOut(BaseModel):
    """What became of the messages of one channel (there of the campaign or article *of*). Null is what it does not tell."""

    channel: str
    of: str | None = Field(description="null: not said, or not asked.")
    stages: dict[str, StageOut | None]
    open_rate: RatioOut | None
    click_rate: RatioOut | None
    click_rate_of_opened: RatioOut | None
    bounce_rate: RatioOut | None = Field(description="Of those sent to.")
    unsubscribe_rate: RatioOut | None
    conversion_rate: RatioOut = Field(description="Of those delivered to, after the first delivery.")
    conversion_rate_of_clicked: RatioOut | None = Field(description="Of those who clicked, after the first click.")


class RatesOut(Figure):
    """Rates of messages by channel: of those delivered to where nothing else is said."""

    by: str
    conversion: list[str]
    messages: list[MessagesOut]


class PushOut(BaseModel):
    """A push, and who unfollowed soon after it: of those known to be pushed to, and of all who followed the account then."""

    article: str | None
    account: str | None = Field(description="The appid.")
    at: datetime
    pushed: RatioOut
    followers: RatioOut


class UnfollowsOut(Figure):
    """Who turned away after a push, push by push."""

    within_hours: float
    pushes: list[PushOut]


class StrideOut(BaseModel):
    """How many people came to a step; *median_seconds* passed since the one before."""

    types: list[str]
    people: int
    of_former: RatioOut
    of_first: RatioOut
    median_seconds: float | None


class FunnelOut(Figure):
    """How far people came on some steps, in this order, within so many days from the first."""

    within_days: float
    steps: list[StrideOut]


class CohortOut(BaseModel):
    """Who began in the period that *begins* on a day, and who of them was there in each later one (null: it has not ended)."""

    begins: date
    people: int
    active: list[RatioOut | None]


class RetentionOut(Figure):
    """Who came again, by when they began; *active* is of all cohorts for whom the period has ended."""

    period: str
    cohorts: list[CohortOut]
    active: list[RatioOut | None]


class OwedOut(BaseModel):
    """What is owed to a channel or campaign (null: nothing known led there) by each model, in conversions and in minor
    units; *touched* conversions it had a part in."""

    key: str | None
    touched: int
    conversions: dict[str, float]
    amount: dict[str, float]


class AttributionOut(Figure):
    """To what conversions are owed, by six models; each gives away all *conversions* and all of their *amount*."""

    by: str
    conversion: list[str]
    lookback_days: float
    currency: str
    conversions: int
    amount: int
    owed: list[OwedOut]


class SpreadOut(BaseModel):
    """How an article travelled: *k* people were brought by each; by each of a generation, from those whom the push reached on."""

    article: str
    title: str | None
    first_at: datetime
    k: RatioOut
    generations: list[RatioOut]
    left_out: LeftOutOut


class KOut(Figure):
    """K factors of the newest articles; *people* are counted once for each article."""

    articles: list[SpreadOut]


class EntryOut(BaseModel):
    """How many came in by a channel, and how many were last heard of there."""

    channel: str
    first: RatioOut
    last: RatioOut


class SourceMixOut(Figure):
    """By which channels people came in, and by which they were last heard of."""

    channels: list[EntryOut]


class WaitsOut(BaseModel):
    """How long it took to answer those whose wait began by an event of *type* (null: any)."""

    type: str | None
    people: int
    answered: RatioOut
    unanswered: int
    median_seconds: float | None
    p90_seconds: float | None


class ResponseTimeOut(Figure):
    """How long people wait for an answer. Who asks again while he waits still waits for the same answer."""

    waits: list[WaitsOut]

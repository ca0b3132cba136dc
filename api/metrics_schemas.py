"""The shapes of what is answered about buying, and of what every figure says of itself."""

from datetime import date, datetime

from pydantic import BaseModel, Field

from api.schemas import PersonId


class LeftOutOut(BaseModel):
    """Events that are not counted: what robots reported, and what stands under no identifier that is somebody's."""

    robots: int
    nobody: int


class Figure(BaseModel):
    """What a figure is of. *numerator* and *denominator* say it in words; robots are always left out."""

    numerator: str
    denominator: str
    as_of: datetime
    zone: str = Field(description="Where days begin: that of `as_of` as it was asked.")
    from_: date | None = Field(serialization_alias="from")
    to: date | None
    people: int
    left_out: LeftOutOut


class Metric(Figure):
    """A figure of buying, in one currency."""

    currency: str


class BandOut(BaseModel):
    """Who has one score: how many, and between which values."""

    score: int
    people: int
    least: int
    most: int


class CellOut(BaseModel):
    """People of the same three scores. *share* is of all people, *amount* in minor units."""

    recency: int
    frequency: int
    monetary: int
    people: int
    share: float
    amount: int


class RfmOut(Metric):
    """How recently (days since the last purchase), how often and for how much (minor units) people bought; 5 is best."""

    bands: dict[str, list[BandOut]]
    cells: list[CellOut]


class TopOut(BaseModel):
    """The *percent* of buyers who spent most, rounded up to so many *people*: what they spent, and its *share* of all."""

    percent: int
    people: int
    amount: int
    share: float | None


class ParetoOut(Metric):
    """How much of what was spent (*amount*, minor units) comes from the few who spend most. *gini* is 0 where all spent
    the same, and near 1 where one spent all."""

    amount: int
    tops: list[TopOut]
    gini: float | None


class DaysOut(BaseModel):
    """How long it took, by quantile."""

    p10: float
    p25: float
    p50: float
    p75: float
    p90: float


class StepOut(BaseModel):
    """From the nth purchase to the next: *rate* is *again* per *bought*."""

    nth: int
    bought: int
    again: int
    rate: float
    days: DaysOut | None


class RepurchaseOut(Metric):
    """Who bought again, of those who bought so often; *rate* is of all, and *days* lie between any two purchases."""

    again: int
    rate: float | None
    days: DaysOut | None
    steps: list[StepOut]


class BuyingOut(BaseModel):
    """The BG/NBD model (*alpha* in weeks). Where it is not *settled*, what was bought does not determine it."""

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float
    settled: bool


class SpendingOut(BaseModel):
    """The Gamma-Gamma model (*gamma* in minor units). Where it is not *settled*, what was bought does not determine it."""

    p: float
    q: float
    gamma: float
    log_likelihood: float
    settled: bool


class ValuedOut(BaseModel):
    """One person, and what is expected of him within the horizon."""

    person_id: PersonId
    purchases: int
    p_alive: float
    expected_purchases: float
    expected_amount: float | None


class ValueOut(Metric):
    """What people are expected to buy within *horizon_weeks* from `as_of`; null where too little was bought for a model."""

    again: int = Field(description="Who has bought more than once.")
    horizon_weeks: float
    buying: BuyingOut | None
    spending: SpendingOut | None
    alive: float | None = Field(description="How many are still there, as expected.")
    expected_purchases: float | None
    expected_amount: float | None = Field(description="In minor units; neither discounted nor a margin.")
    correlation: float | None = Field(description="Of how often and for how much: the model of money takes it to be 0.")
    top: list[ValuedOut]

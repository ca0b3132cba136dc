"""From what we know of buying to what is shown of it, with the words that say what each figure is of."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from api import metrics_schemas
from core.errors import InvalidEvent
from profiles.metrics.pareto import Pareto
from profiles.purchases import LeftOut, Purchases, number_of
from profiles.repurchase import Repurchase
from profiles.rfm import Rfm
from profiles.value import Fit
from profiles.worth import Worth

YEARS = range(1971, 2400)

_PURCHASE = "all that one person paid on one day, robots and what was paid back in full left out"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: purchases in *currency* before *as_of*, whose zone says where days end; days are *since* ≤ day < *until*.

    Raises `InvalidEvent` for an *as_of* in whose year nobody counts days from 1970.
    """

    currency: str
    as_of: datetime
    since: date | None
    until: date | None

    def __post_init__(self) -> None:
        if self.as_of.year not in YEARS:
            raise InvalidEvent("out_of_range", f"this should lie in {YEARS.start} to {YEARS.stop - 1}", "/query/as_of")

    @property
    def days(self) -> tuple[int | None, int | None]:
        """The bounds as `Purchases` have them."""
        return _day(self.since), _day(self.until)


def rfm(asked: Question, purchases: Purchases, of: Rfm) -> metrics_schemas.RfmOut:
    """Show RFM scores."""
    return metrics_schemas.RfmOut(
        numerator="people with the same three scores",
        denominator=f"people with a purchase from `from` until before `to`: {_PURCHASE}",
        **_metric(asked, purchases.left_out, of.people),
        bands={name: [metrics_schemas.BandOut(**asdict(band)) for band in bands] for name, bands in of.bands.items()},
        cells=[metrics_schemas.CellOut(**asdict(cell), share=cell.people / of.people) for cell in of.cells],
    )


def repurchase(asked: Question, purchases: Purchases, of: Repurchase) -> metrics_schemas.RepurchaseOut:
    """Show who bought again."""
    return metrics_schemas.RepurchaseOut(
        numerator="people with a purchase after the nth, before `as_of`",
        denominator=f"people with an nth purchase whose first was from `from` until before `to`: {_PURCHASE}",
        **_metric(asked, purchases.left_out, of.people),
        again=of.again,
        rate=of.again / of.people if of.people else None,
        days=_days(of.days),
        steps=[
            metrics_schemas.StepOut(
                nth=step.nth, bought=step.bought, again=step.again, rate=step.rate, days=_days(step.days)
            )
            for step in of.steps
        ],
    )


def pareto(asked: Question, purchases: Purchases, of: Pareto) -> metrics_schemas.ParetoOut:
    """Show what comes from the few."""
    return metrics_schemas.ParetoOut(
        numerator="minor units spent by those who spent most",
        denominator=f"minor units spent by people with a purchase from `from` until before `to`: {_PURCHASE}",
        **_metric(asked, purchases.left_out, of.people),
        amount=of.amount,
        tops=[
            metrics_schemas.TopOut(**asdict(top), share=top.amount / of.amount if of.amount else None)
            for top in of.tops
        ],
        gini=of.gini,
    )


def value(asked: Question, purchases: Purchases, of: Worth) -> metrics_schemas.ValueOut:
    """Show what people are worth."""
    return metrics_schemas.ValueOut(
        numerator="purchases, and minor units, expected within `horizon_weeks` from `as_of`",
        denominator=f"people whose first purchase was from `from` until before `to`: {_PURCHASE}",
        **_metric(asked, purchases.left_out, of.people),
        again=of.again,
        horizon_weeks=of.horizon_weeks,
        buying=metrics_schemas.BuyingOut(**asdict(of.buying[0]), **_fit(of.buying[1])) if of.buying else None,
        spending=metrics_schemas.SpendingOut(**asdict(of.spending[0]), **_fit(of.spending[1])) if of.spending else None,
        alive=of.alive,
        expected_purchases=of.expected,
        expected_amount=of.amount,
        correlation=of.correlation,
        top=[
            metrics_schemas.ValuedOut(
                person_id=each.person,
                purchases=each.purchases,
                p_alive=each.p_alive,
                expected_purchases=each.expected,
                expected_amount=each.amount,
            )
            for each in of.top
        ],
    )


def _metric(asked: Question, left_out: LeftOut, people: int) -> dict[str, Any]:
    return {
        "as_of": asked.as_of,
        "zone": asked.as_of.isoformat()[-6:],
        "currency": asked.currency,
        "from_": asked.since,
        "to": asked.until,
        "people": people,
        "left_out": metrics_schemas.LeftOutOut(robots=left_out.robots, nobody=left_out.nobody),
    }


def _fit(of: Fit) -> dict[str, Any]:
    return {"log_likelihood": of.log_likelihood, "settled": of.is_settled}


def _days(quantiles: Sequence[float]) -> metrics_schemas.DaysOut | None:
    if not quantiles:
        return None
    return metrics_schemas.DaysOut(**dict(zip(metrics_schemas.DaysOut.model_fields, quantiles, strict=True)))


def _day(of: date | None) -> int | None:
    return number_of(of) if of else None

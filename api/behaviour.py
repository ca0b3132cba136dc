"""Asking what people do: what becomes of messages, how far they come, who comes again, and to what it is owed."""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime

from api import behaviour_answers as answers
from api import behaviour_schemas as schemas
from api.behaviour_answers import By, OwedBy, Window
from api.context import Here
from api.metrics import CURRENCY
from api.transactions import Alone
from core.event import Currency, Key, Type
from core.problems import raises
from profiles.metrics.retention import PERIODS_MAX, Period
from profiles.purchases import ZONE
from profiles.summary import PAID

DAYS = 30
COHORT_DAYS = 90
LOOKBACK_DAYS = 30.0
LOOKBACK_DAYS_MAX = 400.0
WITHIN_HOURS = 48.0
WITHIN_HOURS_MAX = 720.0
PERIODS = 8

router = APIRouter(prefix="/v1/metrics", tags=["metrics"])


def window(days: int) -> Callable[..., Awaitable[Window]]:
    """Return what says which days are asked about: so many, where nobody says it."""

    @raises("out_of_range", "too_many_events")
    async def asked(
        here: Here,
        since: Annotated[
            date | None,
            Query(alias="from", description=f"The first day that counts; {days} days ago where it is not said."),
        ] = None,
        until: Annotated[
            date | None, Query(alias="to", description="The first day that does not count any more.")
        ] = None,
        as_of: Annotated[
            AwareDatetime | None,
            Query(description="As what happened until then; its zone says where days end (+08:00)."),
        ] = None,
    ) -> Window:
        return Window.of(since, until, as_of or here.clock().astimezone(ZONE), days)

    return asked


Asked = Annotated[Window, Depends(window(DAYS))]
AskedOfCohorts = Annotated[Window, Depends(window(COHORT_DAYS))]
Conversion = Annotated[tuple[Type, ...], Query(min_length=1, description="Events that are what was hoped for.")]


@router.get("/rates")
def rates(connection: Alone, asked: Asked, by: By = "channel", conversion: Conversion = PAID) -> schemas.RatesOut:
    """Return what became of messages by channel, and there by campaign or article: who opened, clicked, left and converted."""
    return answers.of_messages(connection, asked, by, conversion)


@router.get("/unfollows")
def unfollows(
    connection: Alone, asked: Asked, within_hours: Annotated[float, Query(gt=0, le=WITHIN_HOURS_MAX)] = WITHIN_HOURS
) -> schemas.UnfollowsOut:
    """Return who unfollowed within some hours of each push."""
    return answers.of_unfollows(connection, asked, within_hours)


@router.post("/funnel")
def funnel(connection: Alone, asked: Asked, way: schemas.Way) -> schemas.FunnelOut:
    """Return how far people came on some steps, who took the first one from `from` until before `to`."""
    return answers.of_funnel(connection, asked, way)


@router.get("/retention")
def retention(
    connection: Alone,
    asked: AskedOfCohorts,
    period: Period = Period.WEEK,
    periods: Annotated[int, Query(ge=1, le=PERIODS_MAX)] = PERIODS,
    begins: Annotated[
        tuple[Type, ...], Query(description="What makes one begin; anything one does, where none is named.")
    ] = (),
    active: Annotated[tuple[Type, ...], Query(description="What counts as being there; likewise.")] = (),
) -> schemas.RetentionOut:
    """Return who came again of those who began in each week or month; of whole ones, that `from` and `to` lie in."""
    return answers.of_retention(connection, asked, period, periods, begins, active)


@router.get("/attribution")
@raises("too_many_keys")
def attribution(
    connection: Alone,
    asked: Asked,
    by: OwedBy = "channel",
    conversion: Conversion = PAID,
    lookback_days: Annotated[float, Query(gt=0, le=LOOKBACK_DAYS_MAX)] = LOOKBACK_DAYS,
    currency: Currency = CURRENCY,
) -> schemas.AttributionOut:
    """Return to which channels or campaigns conversions are owed: first, last, linear, time decay, position, Markov."""
    return answers.of_attribution(connection, asked, by, conversion, lookback_days, currency)


@router.get("/k")
@raises("not_found")
def k(
    connection: Alone,
    asked: Asked,
    article: Annotated[Key | None, Query(description="This one only, whenever it was first touched.")] = None,
) -> schemas.KOut:
    """Return how many people each reader of an article brought, by generation; of the newest articles, or of one."""
    return answers.of_spread(connection, asked, article)


@router.get("/sources")
def sources(connection: Alone, asked: Asked) -> schemas.SourceMixOut:
    """Return by which channels people came in from `from` until before `to`, and by which they were last heard of."""
    return answers.of_sources(connection, asked)


@router.get("/response-time")
def response_time(connection: Alone, asked: Asked) -> schemas.ResponseTimeOut:
    """Return how long people wait for an answer, and how many still do."""
    return answers.of_response_time(connection, asked)

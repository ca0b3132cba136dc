"""Asking about buying: how recently, often and for how much; who came again; what people are worth.

What is bought is read in a transaction and then computed without one, for one request at a time: a fit to many people takes
seconds of a processor, in a thread, and the database has nothing to do with it.
"""

from collections.abc import AsyncIterator
from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.concurrency import run_in_threadpool
from pydantic import AwareDatetime

from api import metrics_schemas, metrics_shown
from api.access import Reader
from api.context import Context, Here, one_at_a_time, turn
from api.metrics_shown import Question
from api.reading import reading
from core.event import Currency
from core.problems import raises
from profiles import orders
from profiles.metrics.pareto import pareto as spread
from profiles.purchases import ZONE, Purchases
from profiles.repurchase import repurchase as repurchased
from profiles.rfm import rfm as scored
from profiles.worth import worth

CURRENCY = "CNY"
HORIZON_WEEKS = 26.0
HORIZON_WEEKS_MAX = 520.0
MEASURERS_MAX = 1

router = APIRouter(prefix="/v1/metrics", tags=["metrics"])


async def question(
    here: Here,
    since: Annotated[date | None, Query(alias="from", description="The first day that counts.")] = None,
    until: Annotated[date | None, Query(alias="to", description="The first day that does not count any more.")] = None,
    as_of: Annotated[
        AwareDatetime | None, Query(description="As what was paid until then; its zone says where days end (+08:00).")
    ] = None,
    currency: Currency = CURRENCY,
) -> Question:
    """Return what is asked."""
    return Question(currency, as_of or here.clock().astimezone(ZONE), since, until)


Asked = Annotated[Question, Depends(question)]


@raises("out_of_range", "too_many_purchases", "unavailable", "overloaded", "unstorable")
async def purchases(here: Here, _: Reader, asked: Asked) -> AsyncIterator[Purchases]:
    """Wait for one's turn, and read what was bought. Raises `Overloaded` where others take too long."""
    async with one_at_a_time(here):
        async with turn(here):
            found = await run_in_threadpool(_read, here, asked.currency, asked.as_of)
        yield found


def _read(here: Context, currency: str, as_of: datetime) -> Purchases:
    with reading(here.engine) as connection:
        return orders.purchases(connection, currency, as_of)


Bought = Annotated[Purchases, Depends(purchases, scope="function")]


@router.get("/rfm")
def rfm(asked: Asked, bought: Bought) -> metrics_schemas.RfmOut:
    """Return how recently, how often and for how much people bought from `from` until before `to`, as scores from 1 to 5."""
    return metrics_shown.rfm(asked, bought, scored(bought.made(*asked.days)))


@router.get("/pareto")
def pareto(asked: Asked, bought: Bought) -> metrics_schemas.ParetoOut:
    """Return how much of what was bought from `from` until before `to` comes from the few who spend most."""
    return metrics_shown.pareto(asked, bought, spread(bought.made(*asked.days)))


@router.get("/repurchase")
def repurchase(asked: Asked, bought: Bought) -> metrics_schemas.RepurchaseOut:
    """Return how many of those who first bought from `from` until before `to` came again, and after how long."""
    return metrics_shown.repurchase(asked, bought, repurchased(bought.begun(*asked.days)))


@router.get("/value")
def value(
    asked: Asked,
    bought: Bought,
    horizon_weeks: Annotated[float, Query(gt=0, le=HORIZON_WEEKS_MAX)] = HORIZON_WEEKS,
) -> metrics_schemas.ValueOut:
    """Return what those who first bought from `from` until before `to` are expected to buy within the weeks to come."""
    return metrics_shown.value(asked, bought, worth(bought.begun(*asked.days), horizon_weeks))

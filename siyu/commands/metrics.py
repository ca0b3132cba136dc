"""`siyu metrics`: who bought again, how recently, how often and for how much, and what people are worth."""

from datetime import datetime
from typing import Annotated

import typer
from pydantic import BaseModel

from api import metrics_shown
from api.metrics import CURRENCY, HORIZON_WEEKS, HORIZON_WEEKS_MAX
from api.metrics_schemas import DaysOut, Metric
from api.metrics_shown import Question
from api.reading import reading
from core.clock import Clock
from profiles import orders
from profiles.metrics.pareto import pareto as spread
from profiles.purchases import ZONE, Purchases
from profiles.repurchase import repurchase as repurchased
from profiles.rfm import rfm as scored
from profiles.worth import worth
from siyu.system import opened
from siyu.terminal import answering, out, say, write_json, write_table

app = typer.Typer(help="Ask what people do and buy, and what they are worth.", no_args_is_help=True)

_DAY = ["%Y-%m-%d"]
_MOMENT = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]

Since = Annotated[datetime | None, typer.Option("--from", formats=_DAY, help="the first day that counts")]
Until = Annotated[
    datetime | None, typer.Option("--to", formats=_DAY, help="the first day that does not count any more")
]
AsOf = Annotated[
    datetime | None,
    typer.Option("--as-of", formats=_MOMENT, help="as things were until then; days end in its zone (+08:00)"),
]
In = Annotated[str, typer.Option("--currency")]
AsJson = Annotated[bool, typer.Option("--json")]


@app.command()
def rfm(
    since: Since = None, until: Until = None, as_of: AsOf = None, currency: In = CURRENCY, as_json: AsJson = False
) -> None:
    """Say how recently, how often and for how much people bought, as scores from 1 to 5."""
    asked, bought = _bought(since, until, as_of, currency)
    told = metrics_shown.rfm(asked, bought, scored(bought.made(*asked.days)))
    if as_json:
        write_json_of(told)
        return
    _write_head(told)
    names = {"recency": say("days since"), "frequency": say("purchases"), "monetary": say("minor units spent")}
    for name, bands in told.bands.items():
        write_table((name, "people", "least", "most"), ((b.score, b.people, b.least, b.most) for b in bands))
        out.print(f"({names[name]})\n")
    cells = ((c.recency, c.frequency, c.monetary, c.people, f"{c.share:.1%}", c.amount) for c in told.cells)
    write_table(("recency", "frequency", "monetary", "people", "share", "minor units spent"), cells)


@app.command()
def pareto(
    since: Since = None, until: Until = None, as_of: AsOf = None, currency: In = CURRENCY, as_json: AsJson = False
) -> None:
    """Say how much of what was spent comes from the few who spend most."""
    asked, bought = _bought(since, until, as_of, currency)
    told = metrics_shown.pareto(asked, bought, spread(bought.made(*asked.days)))
    if as_json:
        write_json_of(told)
        return
    _write_head(told)
    tops = ((f"{top.percent} %", top.people, top.amount, top.share and f"{top.share:.1%}") for top in told.tops)
    write_table(("top", "people", "minor units spent", "share"), tops)
    out.print(f"Gini {_short(told.gini)}")


@app.command()
def repurchase(
    since: Since = None, until: Until = None, as_of: AsOf = None, currency: In = CURRENCY, as_json: AsJson = False
) -> None:
    """Say how many of those who bought so often came once more, and after how many days."""
    asked, bought = _bought(since, until, as_of, currency)
    told = metrics_shown.repurchase(asked, bought, repurchased(bought.begun(*asked.days)))
    if as_json:
        write_json_of(told)
        return
    _write_head(told)
    write_table(
        ("nth purchase", "people", "again", "rate", *DaysOut.model_fields),
        ((s.nth, s.bought, s.again, f"{s.rate:.1%}", *_cells(s.days)) for s in told.steps),
    )


@app.command()
def value(
    since: Since = None,
    until: Until = None,
    as_of: AsOf = None,
    currency: In = CURRENCY,
    horizon_weeks: Annotated[float, typer.Option(min=0.01, max=HORIZON_WEEKS_MAX)] = HORIZON_WEEKS,
    as_json: AsJson = False,
) -> None:
    """Say what people are expected to buy within the weeks to come, by BG/NBD and Gamma-Gamma."""
    asked, bought = _bought(since, until, as_of, currency)
    told = metrics_shown.value(asked, bought, worth(bought.begun(*asked.days), horizon_weeks))
    if as_json:
        write_json_of(told)
        return
    _write_head(told)
    for model in (told.buying, told.spending):
        if model:
            write_table(("", ""), ((say(name), _short(figure)) for name, figure in model.model_dump().items()))
    figures = ("again", "horizon_weeks", "alive", "expected_purchases", "expected_amount", "correlation")
    write_table(("", ""), ((say(name), _short(getattr(told, name))) for name in figures))
    write_table(
        ("person", "purchases", "p_alive", "expected_purchases", "expected_amount"),
        ((each.person_id, *map(_short, list(each.model_dump().values())[1:])) for each in told.top),
    )


def _bought(
    since: datetime | None, until: datetime | None, as_of: datetime | None, currency: str
) -> tuple[Question, Purchases]:
    with opened() as system, answering(), reading(system.engine) as connection:
        asked = Question(
            currency, moment(system.clock, as_of), since.date() if since else None, until.date() if until else None
        )
        return asked, orders.purchases(connection, currency, asked.as_of)


def moment(clock: Clock, written: datetime | None) -> datetime:
    """Return the moment as of which it is asked: now where none is *written*, in the usual zone where it has none."""
    if written is None:
        return clock().astimezone(ZONE)
    return written if written.tzinfo else written.replace(tzinfo=ZONE)


def write_json_of(told: BaseModel) -> None:
    """Write an answer as one line of JSON, as it stands in HTTP."""
    write_json([told.model_dump(mode="json", by_alias=True)])


def _write_head(told: Metric) -> None:
    out.print(f"{told.numerator}\n/ {told.denominator}")
    out.print(
        f"{told.as_of.isoformat()} · {told.currency} · {say('people')} {told.people} · "
        f"{say('left out')}: {say('robots')} {told.left_out.robots}, {say('nobody')} {told.left_out.nobody}\n"
    )


def _cells(days: DaysOut | None) -> tuple[object, ...]:
    return tuple(map(_short, days.model_dump().values())) if days else ()


def _short(figure: object) -> object:
    if not isinstance(figure, float):
        return figure
    return f"{figure:,.4g}" if abs(figure) < 1_000 else f"{figure:,.0f}"

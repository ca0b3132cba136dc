"""`siyu metrics`, of what people do: what becomes of messages, how far they come, who comes again, and to what it is owed."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection

from api import behaviour_answers as answers
from api.behaviour import (
    COHORT_DAYS,
    DAYS,
    LOOKBACK_DAYS,
    LOOKBACK_DAYS_MAX,
    PERIODS,
    WITHIN_HOURS,
    WITHIN_HOURS_MAX,
)
from api.behaviour_answers import By, OwedBy, Window
from api.behaviour_schemas import RatioOut, Way
from api.metrics import CURRENCY
from api.metrics_schemas import Figure
from api.reading import reading
from core.event import Type, first_fault
from profiles.metrics.credit import MODELS
from profiles.metrics.retention import PERIODS_MAX, Period
from profiles.summary import PAID
from siyu.commands.metrics import AsJson, AsOf, In, Since, Until, moment, write_json_of
from siyu.system import opened
from siyu.terminal import answering, out, say, write_table

app = typer.Typer()

Converting = Annotated[list[str], typer.Option("--conversion", help="a type of event that is what was hoped for")]
_TYPES: TypeAdapter[list[str]] = TypeAdapter(list[Type])


@app.command()
def rates(
    since: Since = None,
    until: Until = None,
    as_of: AsOf = None,
    by: Annotated[By, typer.Option()] = "channel",
    conversion: Converting = list(PAID),  # noqa: B006 - typer takes no tuple of any length
    as_json: AsJson = False,
) -> None:
    """Say what became of messages: who opened, clicked, left and converted."""
    with _asking(since, until, as_of, DAYS) as (connection, asked):
        told = answers.of_messages(connection, asked, by, _types(conversion))
    if as_json:
        write_json_of(told)
        return
    _write_head(told)
    names = ("open_rate", "click_rate", "click_rate_of_opened", "bounce_rate", "unsubscribe_rate", "conversion_rate")
    rows = ((each.channel, each.of, *(_part(getattr(each, name)) for name in names)) for each in told.messages)
    write_table(("channel", "of", *names), rows)
    stages = (
        (each.channel, each.of, name, stage.people, stage.events, stage.robots)
        for each in told.messages
        for name, stage in each.stages.items()
        if stage
    )
    out.print()
    write_table(("channel", "of", "stage", "people", "events", "robots"), stages)


@app.command()
def unfollows(
    since: Since = None,
    until: Until = None,
    as_of: AsOf = None,
    within_hours: Annotated[float, typer.Option(min=0.01, max=WITHIN_HOURS_MAX)] = WITHIN_HOURS,
    as_json: AsJson = False,
) -> None:
    """Say who unfollowed within some hours of each push."""
    with _asking(since, until, as_of, DAYS) as (connection, asked):
        told = answers.of_unfollows(connection, asked, within_hours)
    if as_json:
        write_json_of(told)
        return
    _write_head(told)
    rows = ((p.article, p.account, p.at.isoformat(), _part(p.pushed), _part(p.followers)) for p in told.pushes)
    write_table(("article", "account", "time", "of those pushed to", "of all followers"), rows)


@app.command()
def funnel(
    step: Annotated[
        list[str],
        typer.Option(help="a type of event, and what its fields have to be: 'article.read article.id=a1'"),
    ],
    since: Since = None,
    until: Until = None,
    as_of: AsOf = None,
    within_days: Annotated[float, typer.Option(min=0.0001)] = Way.model_fields["within_days"].default,
    as_json: AsJson = False,
) -> None:
    """Say how far people came on the steps, in this order."""
    with _asking(since, until, as_of, DAYS) as (connection, asked):
        told = answers.of_funnel(connection, asked, _way(step, within_days))
    if as_json:
        write_json_of(told)
        return
    _write_head(told)
    rows = (
        (" ".join(each.types), each.people, _part(each.of_former), _part(each.of_first), _time(each.median_seconds))
        for each in told.steps
    )
    write_table(("step", "people", "of former", "of first", "median"), rows)


@app.command()
def retention(
    since: Since = None,
    until: Until = None,
    as_of: AsOf = None,
    period: Annotated[Period, typer.Option()] = Period.WEEK,
    periods: Annotated[int, typer.Option(min=1, max=PERIODS_MAX)] = PERIODS,
    begins: Annotated[list[str], typer.Option(help="a type of event by which one begins; any, without it")] = [],  # noqa: B006
    active: Annotated[list[str], typer.Option(help="a type of event by which one is there; any, without it")] = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Say who came again of those who began in each week or month."""
    with _asking(since, until, as_of, COHORT_DAYS) as (connection, asked):
        told = answers.of_retention(connection, asked, period, periods, _types(begins), _types(active))
    if as_json:
        write_json_of(told)
        return
    _write_head(told)
    rows = [(each.begins, each.people, *map(_part, each.active)) for each in told.cohorts]
    write_table(
        (say(period.value), "people", *map(str, range(1, periods + 1))),
        [*rows, ("", told.people, *map(_part, told.active))],
    )


@app.command()
def attribution(
    since: Since = None,
    until: Until = None,
    as_of: AsOf = None,
    by: Annotated[OwedBy, typer.Option()] = "channel",
    conversion: Converting = list(PAID),  # noqa: B006
    lookback_days: Annotated[float, typer.Option(min=0.01, max=LOOKBACK_DAYS_MAX)] = LOOKBACK_DAYS,
    currency: In = CURRENCY,
    as_json: AsJson = False,
) -> None:
    """Say to what conversions are owed, by six models."""
    with _asking(since, until, as_of, DAYS) as (connection, asked):
        told = answers.of_attribution(connection, asked, by, _types(conversion), lookback_days, currency)
    if as_json:
        write_json_of(told)
        return
    _write_head(told)
    out.print(f"{say('conversions')} {told.conversions} · {say('minor units')} {told.amount:,} {told.currency}\n")
    for figures in ("conversions", "amount"):
        rows = (
            (
                each.key or say("nothing known"),
                each.touched,
                *(f"{getattr(each, figures)[model]:,.1f}" for model in MODELS),
            )
            for each in told.owed
        )
        write_table((f"{figures}: {by}", "touched", *MODELS), rows)
        out.print()


@app.command()
def k(
    since: Since = None,
    until: Until = None,
    as_of: AsOf = None,
    article: Annotated[str | None, typer.Option(help="this one only, whenever it was first touched")] = None,
    as_json: AsJson = False,
) -> None:
    """Say how many people each reader of an article brought, by generation."""
    with _asking(since, until, as_of, DAYS) as (connection, asked):
        told = answers.of_spread(connection, asked, article)
    if as_json:
        write_json_of(told)
        return
    _write_head(told)
    rows = (
        (each.article, each.title, _part(each.k), "  ".join(map(_part, each.generations)), each.left_out.robots)
        for each in told.articles
    )
    write_table(("article", "title", "k", "by generation", "robots"), rows)


@app.command()
def sources(since: Since = None, until: Until = None, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Say by which channels people came in, and by which they were last heard of."""
    with _asking(since, until, as_of, DAYS) as (connection, asked):
        told = answers.of_sources(connection, asked)
    if as_json:
        write_json_of(told)
        return
    _write_head(told)
    write_table(("channel", "first", "last"), ((e.channel, _part(e.first), _part(e.last)) for e in told.channels))


@app.command()
def response_time(since: Since = None, until: Until = None, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Say how long people wait for an answer."""
    with _asking(since, until, as_of, DAYS) as (connection, asked):
        told = answers.of_response_time(connection, asked)
    if as_json:
        write_json_of(told)
        return
    _write_head(told)
    rows = (
        (e.type or say("any"), e.people, _part(e.answered), e.unanswered, _time(e.median_seconds), _time(e.p90_seconds))
        for e in told.waits
    )
    write_table(("type", "people", "answered", "unanswered", "median", "p90"), rows)


@contextmanager
def _asking(
    since: datetime | None, until: datetime | None, as_of: datetime | None, days: int
) -> Iterator[tuple[Connection, Window]]:
    with opened() as system, answering(), reading(system.engine) as connection:
        window = Window.of(
            since.date() if since else None, until.date() if until else None, moment(system.clock, as_of), days
        )
        yield connection, window


def _types(written: Iterable[str]) -> list[str]:
    try:
        return _TYPES.validate_python(list(written))
    except ValidationError as error:
        raise typer.BadParameter(str(first_fault(error))) from None


def _way(steps: Iterable[str], within_days: float) -> Way:
    """Return the funnel of *steps*, each written as a type and conditions `path=value`."""
    read = []
    for type_, *conditions in (step.split() or [""] for step in steps):
        if not all("=" in condition for condition in conditions):
            raise typer.BadParameter("a condition is written path=value")
        where = {path: {"is_in": [value]} for path, _, value in (c.partition("=") for c in conditions)}
        read.append({"types": [type_], "where": where})
    try:
        return Way.model_validate({"steps": read, "within_days": within_days})
    except ValidationError as error:
        raise typer.BadParameter(str(first_fault(error))) from None


def _write_head(told: Figure) -> None:
    out.print(f"{told.numerator}\n/ {told.denominator}", markup=False)
    out.print(
        f"{told.from_} – {told.to or told.as_of.isoformat()} · {say('people')} {told.people} · "
        f"{say('left out')}: {say('robots')} {told.left_out.robots}, {say('nobody')} {told.left_out.nobody}\n"
    )


def _part(of: RatioOut | None) -> str:
    if of is None:
        return ""
    return f"{of.numerator}/{of.denominator}" + (f" {of.rate:.1%}" if of.rate is not None else "")


def _time(seconds: float | None) -> str:
    return "" if seconds is None else str(timedelta(seconds=round(seconds)))

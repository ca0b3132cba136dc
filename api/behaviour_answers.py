"""From a question about what people do to its answer: read, worked out, and shown with the words that say what it is of."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Literal

from sqlalchemy import Connection

from api import behaviour_schemas as schemas
from api.metrics_schemas import LeftOutOut
from api.metrics_shown import YEARS
from core.errors import InvalidEvent, NotFound
from profiles.metrics import credit, funnel, rates, reading, retention, sources, unfollows, waiting
from profiles.metrics.deeds import DONE_BY, EPOCH, Deeds, instant, micros
from profiles.metrics.rates import Part, Rates
from profiles.metrics.retention import Period
from profiles.purchases import LeftOut, number_of
from profiles.summary import REFUNDED

WINDOW_DAYS_MAX = 400

By = Literal["channel", "campaign", "article"]
OwedBy = Literal["channel", "campaign"]


@dataclass(frozen=True, slots=True)
class Window:
    """The days that are asked about, *since* ≤ day < *to* (`None`: until *as_of*), as what was known until *as_of*,
    whose zone says where days begin.

    Raises `InvalidEvent` for days that are out of order, or more than `WINDOW_DAYS_MAX`.
    """

    since: date
    to: date | None
    as_of: datetime

    @classmethod
    def of(cls, since: date | None, to: date | None, as_of: datetime, days: int) -> "Window":
        """Return the window from *since* to *to*; of so many *days* where nobody says since when."""
        for name, year in (("as_of", as_of.year), ("to", (to or as_of).year), ("from", (since or as_of).year)):
            if year not in YEARS:
                raise InvalidEvent(
                    "out_of_range", f"this should lie in {YEARS.start} to {YEARS.stop - 1}", f"/query/{name}"
                )
        return cls(since or min(to or as_of.date(), as_of.date()) - timedelta(days=days), to, as_of)

    def __post_init__(self) -> None:
        if not self.begin < self.end:
            raise InvalidEvent("out_of_range", "this should lie before `to` and `as_of`", "/query/from")
        if self.end - self.begin > timedelta(days=WINDOW_DAYS_MAX + 1):
            raise InvalidEvent("out_of_range", f"at most {WINDOW_DAYS_MAX} days can be asked about", "/query/from")

    @property
    def begin(self) -> datetime:
        """The first moment that counts."""
        return datetime.combine(self.since, time(), self.as_of.tzinfo)

    @property
    def end(self) -> datetime:
        """The first moment that does not count any more."""
        return min(self.as_of, datetime.combine(self.to, time(), self.as_of.tzinfo)) if self.to else self.as_of

    def after(self, more: timedelta) -> datetime:
        """Return when to stop looking at what follows within *more* of the end."""
        return min(self.as_of, self.end + more)


def of_messages(connection: Connection, asked: Window, by: By, conversion: Collection[str]) -> schemas.RatesOut:
    """Answer what became of messages."""
    words = () if by == "channel" else (by,)
    told = reading.told(connection, rates.TYPES | {*conversion}, asked.begin, asked.end, words=words)
    messages = told.of_types(rates.TYPES)
    found = rates.rates(messages, told.deeds.of_types(conversion), None if by == "channel" else by)
    return schemas.RatesOut(
        numerator="people who did it, once each",
        denominator="people to whom a message was delivered (bounces: sent), or as the rate says, from `from` until before `to`",
        **_figure(asked, messages.deeds.doers, told.left_out),
        by=by,
        conversion=sorted(conversion),
        messages=[_messages(each) for each in found],
    )


def _messages(of: Rates) -> schemas.MessagesOut:
    return schemas.MessagesOut(
        channel=of.channel,
        of=of.of,
        stages={
            name: stage and schemas.StageOut(people=stage.people, events=stage.events, robots=stage.robots)
            for name, stage in of.stages.items()
        },
        open_rate=_part_if(of.opened),
        click_rate=_part_if(of.clicked),
        click_rate_of_opened=_part_if(of.clicked_of_opened),
        bounce_rate=_part_if(of.bounced),
        unsubscribe_rate=_part_if(of.unsubscribed),
        conversion_rate=_part(of.converted),
        conversion_rate_of_clicked=_part_if(of.converted_of_clicked),
    )


def of_unfollows(connection: Connection, asked: Window, within_hours: float) -> schemas.UnfollowsOut:
    """Answer who turned away after pushes."""
    within = timedelta(hours=within_hours)
    names, until = ("article", "account"), asked.after(within)
    told = reading.told(connection, {unfollows.PUSHED, unfollows.UNFOLLOWED}, asked.begin, until, words=names)
    following = reading.told(connection, {unfollows.FOLLOWED, unfollows.UNFOLLOWED}, None, until, words=names)
    pushes = unfollows.unfollows(told, following.deeds, instant(asked.end), micros(within))
    return schemas.UnfollowsOut(
        numerator="people who unfollowed the account within so many hours of the push",
        denominator="people to whom it was pushed; people who followed the account when it was first pushed",
        **_figure(asked, told.of_types({unfollows.PUSHED}).deeds.doers, told.left_out),
        within_hours=within_hours,
        pushes=[
            schemas.PushOut(
                article=push.article,
                account=push.account,
                at=EPOCH + timedelta(microseconds=push.at),
                pushed=_part(push.pushed),
                followers=_part(push.followers),
            )
            for push in pushes
        ],
    )


def of_funnel(connection: Connection, asked: Window, way: schemas.Way) -> schemas.FunnelOut:
    """Answer how far people came."""
    within = timedelta(days=way.within_days)
    wanted = [reading.Step(frozenset(step.types), step.where) for step in way.steps]
    told = reading.steps(connection, wanted, asked.begin, asked.after(within))
    strides = funnel.funnel(told.deeds, len(wanted), instant(asked.end), micros(within))
    return schemas.FunnelOut(
        numerator="people who took this step after all the former ones, within so many days of the first",
        denominator="people who took the former step, or the first, which they took from `from` until before `to`",
        **_figure(asked, strides[0].people, told.left_out),
        within_days=way.within_days,
        steps=[
            schemas.StrideOut(
                types=sorted(step.types),
                people=stride.people,
                of_former=_part(stride.of_former),
                of_first=_part(stride.of_first),
                median_seconds=stride.seconds,
            )
            for step, stride in zip(way.steps, strides, strict=True)
        ],
    )


def of_retention(
    connection: Connection,
    asked: Window,
    period: Period,
    periods: int,
    begins: Collection[str],
    active: Collection[str],
) -> schemas.RetentionOut:
    """Answer who came again; who is not said to begin by one of the types *begins* does so by anything that he does himself."""
    start = period.start(asked.since)
    told = reading.days(connection, begins or DONE_BY, active or DONE_BY, start, asked.as_of)
    today = number_of(asked.as_of.date())
    until = min(today + 1, number_of(asked.to)) if asked.to else today + 1
    found = retention.retention(told.deeds, period, number_of(start), until, today, periods)
    return schemas.RetentionOut(
        numerator="people who did something themselves (or one of `active`) in the first, second … period after that",
        denominator="people who did something themselves (or one of `begins`) for the first time in the period",
        **_figure(asked, found.people, LeftOut(*(_events(each, start) for each in (told.robots, told.nobodys)))),
        period=period.value,
        cohorts=[
            schemas.CohortOut(begins=cohort.begins, people=cohort.people, active=_parts(cohort.active))
            for cohort in found.cohorts
        ],
        active=_parts(found.active),
    )


def _events(days: Deeds, since: date) -> int:
    """Return how many events there were since a day."""
    return int(days.numbers["events"][days.numbers["day"] >= number_of(since)].sum())


def of_attribution(
    connection: Connection, asked: Window, by: OwedBy, conversion: Collection[str], lookback_days: float, currency: str
) -> schemas.AttributionOut:
    """Answer to what conversions are owed."""
    lookback = timedelta(days=lookback_days)
    told = reading.told(
        connection,
        credit.TOUCHES | {*conversion, REFUNDED},
        asked.begin - lookback,
        asked.as_of,
        words=(by, "order", "currency"),
        numbers=("amount",),
    )
    question = credit.Question(
        frozenset(conversion), currency, by, instant(asked.begin), instant(asked.end), micros(lookback)
    )
    found = credit.credit(credit.paths(told.deeds, question))
    return schemas.AttributionOut(
        numerator="conversions, and minor units paid, owed to a channel or campaign",
        denominator="conversions from `from` until before `to`; orders less what was paid back",
        **_figure(asked, found.people, told.left_out),
        by=by,
        conversion=sorted(conversion),
        lookback_days=lookback_days,
        currency=currency,
        conversions=found.conversions,
        amount=found.amount,
        owed=[
            schemas.OwedOut(key=owed.key, touched=owed.touched, conversions=owed.conversions, amount=owed.amount)
            for owed in found.owed
        ],
    )


def of_spread(connection: Connection, asked: Window, article: str | None) -> schemas.KOut:
    """Answer how many people each reader brought. Raises `NotFound` for an article that nobody touched."""
    found = reading.spreads(connection, asked.begin, asked.end, article)
    if article is not None and not found:
        raise NotFound("nobody has touched this article")
    left_out = LeftOut(sum(each.left_out.robots for each in found), sum(each.left_out.nobody for each in found))
    return schemas.KOut(
        numerator="people brought by people: those who came by somebody's link",
        denominator="people whom the article reached, in all and in each generation",
        **_figure(asked, sum(each.k.denominator for each in found), left_out),
        articles=[
            schemas.SpreadOut(
                article=each.article,
                title=each.title,
                first_at=each.first_at,
                k=_part(each.k),
                generations=[_part(generation) for generation in each.generations],
                left_out=_left_out(each.left_out),
            )
            for each in found
        ],
    )


def of_sources(connection: Connection, asked: Window) -> schemas.SourceMixOut:
    """Answer by which channels people came in."""
    entered = reading.entrances(connection, asked.begin, asked.end)
    return schemas.SourceMixOut(
        numerator="people whose first event (last: whose latest, whenever that was) was on the channel",
        denominator="people whose first event was from `from` until before `to`",
        **_figure(asked, len(entered), reading.left_out(connection, asked.begin, asked.end)),
        channels=[
            schemas.EntryOut(channel=each.channel, first=_part(each.first), last=_part(each.last))
            for each in sources.sources(entered)
        ],
    )


def of_response_time(connection: Connection, asked: Window) -> schemas.ResponseTimeOut:
    """Answer how long people wait for an answer."""
    told = reading.told(connection, {*waiting.ASKING, waiting.ANSWERED}, asked.begin, asked.as_of)
    found = waiting.waits(told.deeds, instant(asked.end))
    return schemas.ResponseTimeOut(
        numerator="waits that were answered before `as_of`",
        denominator="waits that began from `from` until before `to`; who asks again while he waits still waits",
        **_figure(asked, found[0].people, told.left_out),
        waits=[
            schemas.WaitsOut(
                type=each.type,
                people=each.people,
                answered=_part(each.answered),
                unanswered=each.answered.denominator - each.answered.numerator,
                median_seconds=each.p50_seconds,
                p90_seconds=each.p90_seconds,
            )
            for each in found
        ],
    )


def _figure(asked: Window, people: int, left_out: LeftOut) -> dict[str, Any]:
    return {
        "as_of": asked.as_of,
        "zone": asked.as_of.isoformat()[-6:],
        "from_": asked.since,
        "to": asked.to,
        "people": people,
        "left_out": _left_out(left_out),
    }


def _left_out(of: LeftOut) -> LeftOutOut:
    return LeftOutOut(robots=of.robots, nobody=of.nobody)


def _part(of: Part) -> schemas.RatioOut:
    return schemas.RatioOut(numerator=of.numerator, denominator=of.denominator, rate=of.rate)


def _part_if(of: Part | None) -> schemas.RatioOut | None:
    return _part(of) if of else None


def _parts(of: Sequence[Part | None]) -> list[schemas.RatioOut | None]:
    return [_part_if(part) for part in of]

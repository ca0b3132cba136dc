"""Retention, counted a second time by the calendar."""

from datetime import UTC, date, datetime, timedelta
from random import Random

import numpy as np
import pytest

from profiles.metrics.rates import Part
from profiles.metrics.retention import Period, Retention, retention
from tests.profiles.metrics.given import Deed, columns

FIRST = date(2026, 1, 1)  # a Thursday


def number(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def there(who: str, day: int, *, begins: int = 1, acts: int = 1) -> Deed:
    numbers = {"day": number(FIRST) + day, "begins": begins, "acts": acts, "events": 1}
    return Deed(who, day, "page.viewed", counted=numbers)


def of(
    rows: list[Deed], since: date, until: date, today: date, period: Period = Period.WEEK, periods: int = 3
) -> Retention:
    return retention(columns(rows), period, number(since), number(until), number(today), periods)


def test_a_week_begins_on_monday_and_a_cohort_has_all_of_its_period() -> None:
    rows = [there("a", 3), there("a", 4), there("b", 4), there("c", 10), there("c", 12)]

    found = of(rows, date(2026, 1, 2), date(2026, 1, 8), date(2026, 1, 19))

    assert [(each.begins, each.people) for each in found.cohorts] == [(date(2025, 12, 29), 1), (date(2026, 1, 5), 2)]
    assert found.people == 3
    assert found.cohorts[0].active == [Part(1, 1), Part(0, 1), None]
    assert found.cohorts[1].active == [Part(1, 2), None, None]
    assert found.active == [Part(2, 3), Part(0, 1), None]


@pytest.mark.parametrize("period", list(Period))
def test_a_period_starts_on_its_first_day(period: Period) -> None:
    for day in range(400):
        date_ = FIRST + timedelta(days=day)

        assert period.start(date_) == period.begins(int(period.of(np.array([number(date_)]))[0]))


def test_a_period_that_has_not_ended_says_nothing() -> None:
    rows = [there("a", 0), there("a", 4)]

    assert of(rows, FIRST, date(2026, 1, 2), date(2026, 1, 11)).cohorts[0].active == [None] * 3
    assert of(rows, FIRST, date(2026, 1, 2), date(2026, 1, 12)).cohorts[0].active == [Part(1, 1), None, None]


def test_who_only_acts_has_not_begun_and_who_only_begins_does_not_act() -> None:
    rows = [there("a", 0, begins=0), there("a", 4), there("b", 4), there("b", 11, acts=0)]

    found = of(rows, FIRST, date(2026, 1, 8), date(2026, 2, 1))

    assert [each.people for each in found.cohorts] == [0, 2]
    assert found.cohorts[1].active[0] == Part(0, 2)


def test_nobody_is_retained_where_nobody_began() -> None:
    found = of([], FIRST, date(2026, 1, 8), date(2026, 2, 1))

    assert [each.people for each in found.cohorts] == [0, 0]
    assert found.active == [Part(0, 0)] * 3


@pytest.mark.parametrize("period", list(Period))
def test_retention_is_what_the_calendar_gives(period: Period) -> None:
    chance = Random(3)
    rows = [there(f"p{chance.randrange(40)}", chance.randrange(180)) for _ in range(300)]
    today = FIRST + timedelta(days=180)

    found = of(rows, FIRST, FIRST + timedelta(days=100), today, period, 4)

    def begins(day: date) -> date:
        return day.replace(day=1) if period is Period.MONTH else day - timedelta(days=day.weekday())

    def following(day: date, by: int) -> date:
        if period is Period.WEEK:
            return day + timedelta(weeks=by)
        return date(day.year + (day.month - 1 + by) // 12, (day.month - 1 + by) % 12 + 1, 1)

    days = {
        who: sorted(datetime.fromtimestamp(r.at / 1e6, UTC).date() for r in rows if r.who == who)
        for who in {r.who for r in rows}
    }
    for cohort in found.cohorts:
        people = {who for who, own in days.items() if begins(own[0]) == cohort.begins}
        assert cohort.people == len(people)
        for k, part in enumerate(cohort.active, 1):
            start = following(cohort.begins, k)
            there_again = {who for who in people if any(begins(day) == start for day in days[who])}
            ended = following(start, 1) <= today
            assert part == (Part(len(there_again), len(people)) if ended else None)
    assert any(part for cohort in found.cohorts for part in cohort.active if part and part.numerator)

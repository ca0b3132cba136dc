"""When what was not taken is sent again, and when nobody sends any more."""

from datetime import timedelta

import pytest

from api.webhooks.schedule import ATTEMPTS_MAX, GONE, WAITS, Outcome, Status, Verdict, verdict
from tests.api.world import NOW

DOWN = Outcome(None, "down", timedelta())


def answered(status: int, retry_after: timedelta | None = None) -> Outcome:
    return Outcome(status, "", timedelta(), retry_after)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_what_is_taken_is_done(status: int) -> None:
    assert verdict(answered(status), 1, NOW, lambda: 0.5) == Verdict(Status.DONE)


@pytest.mark.parametrize(
    "outcome", [DOWN, *map(answered, (100, 301, 302, 400, 401, 404, 408, 429, 500, 502, 503, 504))]
)
@pytest.mark.parametrize("attempts", range(1, ATTEMPTS_MAX))
def test_what_is_not_is_sent_again_at_its_time(outcome: Outcome, attempts: int) -> None:
    exactly = verdict(outcome, attempts, NOW, lambda: 0.5)

    assert exactly == Verdict(Status.WAITING, NOW + WAITS[attempts - 1])


@pytest.mark.parametrize("attempts", range(1, ATTEMPTS_MAX))
def test_those_that_fail_together_do_not_come_back_together(attempts: int) -> None:
    earliest, latest = (verdict(DOWN, attempts, NOW, lambda chance=chance: chance) for chance in (0.0, 1.0))  # type: ignore[misc] # bound early

    assert earliest.due_at
    assert latest.due_at
    assert (earliest.due_at - NOW) / WAITS[attempts - 1] == pytest.approx(0.9)
    assert (latest.due_at - NOW) / WAITS[attempts - 1] == pytest.approx(1.1)


def test_after_three_days_and_four_hours_it_is_given_up() -> None:
    assert sum(WAITS, timedelta()) == timedelta(hours=75, minutes=35, seconds=5)
    assert verdict(DOWN, ATTEMPTS_MAX, NOW, lambda: 0.5) == Verdict(Status.DEAD)


def test_who_asks_to_wait_is_waited_for() -> None:
    assert verdict(answered(503, timedelta(hours=1)), 1, NOW, lambda: 0.5).due_at == NOW + timedelta(hours=1)
    assert verdict(answered(429, timedelta(days=9)), 1, NOW, lambda: 0.5).due_at == NOW + timedelta(days=1)
    assert verdict(answered(503, timedelta(seconds=1)), 1, NOW, lambda: 0.5).due_at == NOW + WAITS[0]


def test_where_nobody_is_any_more_nothing_is_sent() -> None:
    assert verdict(answered(410), 1, NOW, lambda: 0.5) == Verdict(Status.DEAD, disables=GONE)

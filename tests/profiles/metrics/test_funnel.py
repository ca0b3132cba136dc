"""Funnels, compared with trying every way that a person could have taken."""

from collections.abc import Sequence
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from profiles.metrics.funnel import funnel, furthest
from profiles.metrics.rates import Part
from tests.profiles.metrics.given import DAY, HOUR, Deed, at, columns

STEPS = 3
EVENTS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 2**STEPS - 1)), max_size=9).map(sorted)


def by_trying(rows: Sequence[tuple[int, int]], until: int, within: int) -> int:
    """How far one can come, by trying all."""
    for length in range(STEPS, 0, -1):
        for way in combinations(rows, length):
            in_time = way[0][0] < until and way[-1][0] - way[0][0] <= within
            if in_time and all(bits >> step & 1 for step, (_, bits) in enumerate(way)):
                return length
    return 0


@given(EVENTS, st.integers(0, 40), st.integers(0, 40))
def test_nobody_came_further_than_was_found(rows: list[tuple[int, int]], until: int, within: int) -> None:
    way = furthest([row[0] for row in rows], [row[1] for row in rows], STEPS, until, within)

    assert len(way) == by_trying(rows, until, within)
    assert list(way) == sorted(way)
    assert not way or (way[0] < until and way[-1] - way[0] <= within)


def step(who: str, days: float, number: int) -> Deed:
    return Deed(who, days, "page.viewed", counted={"steps": 1 << number})


def test_each_step_is_of_the_former_and_of_the_first() -> None:
    rows = [step("a", 0, 0), step("a", 1, 1), step("a", 3, 2), step("b", 0, 0), step("b", 2, 1), step("c", 0, 0)]
    rows += [step("d", 0, 1), step("d", 1, 0)]

    found = funnel(columns(rows), 3, at(10), 30 * DAY)

    assert [each.people for each in found] == [4, 2, 1]
    assert [each.of_former for each in found] == [Part(4, 4), Part(2, 4), Part(1, 2)]
    assert [each.of_first for each in found] == [Part(4, 4), Part(2, 4), Part(1, 4)]
    assert [each.seconds for each in found] == [None, 1.5 * 86_400, 2 * 86_400]


def test_a_way_that_takes_too_long_does_not_arrive_unless_it_begins_again() -> None:
    late = [step("a", 0, 0), step("a", 8, 1)]
    again = [step("b", 0, 0), step("b", 7, 0), step("b", 8, 1)]

    found = funnel(columns([*late, *again]), 2, at(10), 7 * DAY)

    assert [each.people for each in found] == [2, 1]
    assert found[1].seconds == 86_400


def test_one_event_is_one_step() -> None:
    read = Deed("a", 0, "article.read", counted={"steps": 0b11})

    assert [each.people for each in funnel(columns([read]), 2, at(1), DAY)] == [1, 0]
    assert [each.people for each in funnel(columns([read, read]), 2, at(1), DAY)] == [1, 1]


def test_a_way_may_end_after_the_days_on_which_it_has_to_begin() -> None:
    rows = [step("a", 1, 0), step("a", 4, 1), step("b", 4, 0)]

    assert [each.people for each in funnel(columns(rows), 2, at(2), 5 * DAY)] == [1, 1]


def test_events_of_one_moment_count_in_the_order_of_the_steps() -> None:
    rows = [step("a", 0, 1), step("a", 0, 0)]

    assert [each.people for each in funnel(columns(rows), 2, at(1), HOUR)] == [1, 1]


def test_of_nobody_nothing_is_said() -> None:
    assert [(each.people, each.of_first.rate, each.seconds) for each in funnel(columns([]), 2, at(1), DAY)] == [
        (0, None, None)
    ] * 2

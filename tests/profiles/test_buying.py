"""RFM, repurchase and worth of a few people whose figures can be worked out by hand, or by a second way."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import isclose
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.identifier import PersonId
from profiles.purchases import HALVES, LeftOut, Purchases
from profiles.repurchase import STEPS_MAX, repurchase
from profiles.rfm import Band, Cell, fifths, rfm, scores
from profiles.worth import TOP_MAX, Buyers, worth

TODAY = 1_000

Bought = Mapping[int, Mapping[int, int]]
"""Amounts by day, by number of the person."""

PEOPLE: st.SearchStrategy[Bought] = st.dictionaries(
    st.integers(0, 50),
    st.dictionaries(st.integers(TODAY - 300, TODAY), st.integers(0, 5_000), min_size=1, max_size=12),
    max_size=25,
)


def columns(of: Bought) -> Purchases:
    """The same as columns."""
    rows = [(place, day, of[who][day]) for place, who in enumerate(sorted(of)) for day in sorted(of[who])]
    person, day, amount = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    people = np.array([(0, who) for who in sorted(of)], dtype=HALVES)
    return Purchases(people, person, day, amount, TODAY, LeftOut(0, 0))


def told(of: Purchases) -> Bought:
    """Columns as they were before."""
    found: dict[int, dict[int, int]] = {}
    for place, day, amount in zip(of.person, of.day, of.amount, strict=True):
        found.setdefault(int(of.people[place]["low"]), {})[int(day)] = int(amount)
    return found


def test_a_person_bears_his_id() -> None:
    assert columns({7: {1: 1}}).person_id(0) == PersonId(str(UUID(int=7)))  # type: ignore[arg-type] # any id will do


@given(PEOPLE, st.integers(TODAY - 310, TODAY + 2), st.integers(0, 310))
def test_purchases_can_be_narrowed_to_those_begun_or_those_made_between_days(of: Bought, since: int, days: int) -> None:
    between = range(since, since + days)

    begun = {who: own for who, own in of.items() if min(own) in between}
    made = {who: {day: own[day] for day in own if day in between} for who, own in of.items()}

    assert told(columns(of).begun(since, since + days)) == begun
    assert told(columns(of).made(since, since + days)) == {who: own for who, own in made.items() if own}
    assert told(columns(of).begun(None, None)) == told(columns(of).made(None, None)) == of


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5]),
        ([5, 3, 4, 1, 2, 10, 9, 8, 7, 6], [3, 2, 2, 1, 1, 5, 5, 4, 4, 3]),
        ([1, 1, 1, 1, 1, 1, 1, 2, 2, 3], [1, 1, 1, 1, 1, 1, 1, 4, 4, 5]),
        ([4, 4, 4], [1, 1, 1]),
        ([9], [1]),
        ([], []),
    ],
)
def test_a_score_is_the_fifth_that_the_share_of_those_below_is_in(values: list[int], expected: list[int]) -> None:
    assert scores(np.array(values, dtype=np.int64)).tolist() == expected


@given(st.lists(st.integers(0, 20), max_size=60))
def test_who_is_equal_has_equal_scores_and_who_is_better_none_lower(values: list[int]) -> None:
    scored = scores(np.array(values, dtype=np.int64)).tolist()

    ordered = sorted(zip(values, scored, strict=True))
    assert all(one[1] <= other[1] for one, other in pairwise(ordered))
    assert len({pair[0] for pair in ordered}) == len(set(ordered))
    assert set(scored) <= {1, 2, 3, 4, 5}


def test_rfm_says_who_is_in_which_cell_and_between_which_values() -> None:
    of = columns(
        {
            who: dict.fromkeys(range(TODAY - who - count + 1, TODAY - who + 1), 100)
            for who, count in enumerate([5, 4, 3, 2, 1])
        }
    )

    found = rfm(of)

    assert found.people == 5
    assert found.cells[0] == Cell(5, 5, 5, 1, 500)
    assert found.cells[-1] == Cell(1, 1, 1, 1, 100)
    assert found.bands["recency"] == [Band(score, 1, 5 - score, 5 - score) for score in range(1, 6)]
    assert found.bands["monetary"][-1] == Band(5, 1, 500, 500)


@given(PEOPLE)
def test_one_buyer_scores_by_the_edges_as_he_does_among_all(of: Bought) -> None:
    purchases = columns(of)
    last, times, spent = purchases.day[purchases.ends], purchases.times, purchases.spent

    edges = fifths(purchases)

    one_by_one = [edges.scores(*map(int, own)) for own in zip(last, times, spent, strict=True)]
    assert one_by_one == list(zip(scores(last).tolist(), scores(times).tolist(), scores(spent).tolist(), strict=True))


@given(PEOPLE)
def test_rfm_loses_nobody_and_no_money(of: Bought) -> None:
    found = rfm(columns(of))

    assert sum(cell.people for cell in found.cells) == found.people == len(of)
    assert sum(cell.amount for cell in found.cells) == sum(sum(own.values()) for own in of.values())
    assert all(sum(band.people for band in bands) == len(of) for bands in found.bands.values())


@given(PEOPLE)
def test_repurchase_counts_who_bought_so_often_and_measures_what_lay_between(of: Bought) -> None:
    times = Counter(len(own) for own in of.values())
    gaps: dict[int, list[int]] = {}
    for own in of.values():
        days = sorted(own)
        for nth, (day, following) in enumerate(pairwise(days), start=1):
            gaps.setdefault(nth, []).append(following - day)

    found = repurchase(columns(of))

    assert [step.nth for step in found.steps] == list(range(1, max(times, default=0) + 1))
    for step in found.steps:
        assert step.bought == sum(n for k, n in times.items() if k >= step.nth)
        assert step.again == sum(n for k, n in times.items() if k > step.nth) == len(gaps.get(step.nth, []))
        assert isclose(step.rate, step.again / step.bought)
        assert list(step.days) == quantiles(gaps.get(step.nth, []))
    assert list(found.days) == quantiles([gap for own in gaps.values() for gap in own])


def quantiles(of: Sequence[int]) -> list[object]:
    ordered = sorted(of)
    found: list[object] = []
    for part in (0.1, 0.25, 0.5, 0.75, 0.9) if ordered else ():
        at = part * (len(ordered) - 1)
        below, above = ordered[int(at)], ordered[min(int(at) + 1, len(ordered) - 1)]
        found.append(pytest.approx(below + (above - below) * (at - int(at))))
    return found


def test_repurchase_follows_no_further_than_so_many_steps() -> None:
    found = repurchase(columns({1: dict.fromkeys(range(TODAY - 50, TODAY), 1)}))

    assert len(found.steps) == STEPS_MAX
    assert found.steps[-1].again == 1


def test_the_first_purchase_only_says_that_somebody_is_here() -> None:
    buyers = Buyers.of(columns({1: {TODAY - 21: 9_999, TODAY - 14: 100, TODAY - 7: 300}, 2: {TODAY - 70: 5}}))

    assert buyers.repeats.tolist() == [2, 0]
    assert buyers.last.tolist() == [2, 0]
    assert buyers.age.tolist() == [3, 10]
    assert buyers.mean.tolist() == [200, 0]


@settings(max_examples=30)  # each is fitted
@given(PEOPLE)
def test_of_everybody_whatever_he_bought_a_number_is_expected(of: Bought) -> None:
    found = worth(columns(of), 26.0)

    assert (found.people, found.again) == (len(of), sum(len(own) > 1 for own in of.values()))
    assert (found.buying is None) == (found.again == 0) == (found.expected is None)
    if found.expected is not None and found.alive is not None:
        assert 0 <= found.alive <= found.people + 1e-9
        assert np.isfinite(found.expected)
        assert found.expected >= -1e-9
        assert len(found.top) == min(TOP_MAX, found.people)
    if found.amount is not None:
        assert np.isfinite(found.amount)

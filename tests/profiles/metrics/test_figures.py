"""Unfollows, waits, sources, Pareto and K of a few people, worked out by hand or by a second way."""

from datetime import UTC, datetime, timedelta
from random import Random

import numpy as np
import pytest

from core.identifier import IdentifierId, PersonId
from profiles.metrics.pareto import pareto
from profiles.metrics.rates import Part
from profiles.metrics.sources import Source, sources
from profiles.metrics.spread import spread
from profiles.metrics.unfollows import FOLLOWED, PUSHED, UNFOLLOWED, unfollows
from profiles.metrics.waiting import ANSWERED, waits
from profiles.purchases import HALVES, LeftOut, Purchases
from profiles.sharetree import Touch, grow
from tests.profiles.metrics.given import HOUR, Deed, at, columns, told

IN = {"account": "gh1", "article": "a1"}
HERE = {"account": "gh1"}


def test_unfollows_are_of_those_pushed_to_and_of_all_followers() -> None:
    follows = [Deed(who, 0, FOLLOWED, HERE) for who in ("a", "b", "c", "d")] + [Deed("d", 1, UNFOLLOWED, HERE)]
    gone = [Deed("a", 11, UNFOLLOWED, HERE), Deed("c", 11.5, UNFOLLOWED, HERE), Deed("b", 13, UNFOLLOWED, HERE)]
    pushes = [
        Deed("a", 10, PUSHED, IN),
        Deed("c", 21, PUSHED, IN),
        Deed("b", 10.5, PUSHED, IN),
        Deed("d", 10.5, PUSHED, IN),
    ]

    (push,) = unfollows(told([*pushes, *gone]), columns([*follows, *gone]), at(20), 48 * HOUR)

    assert (push.article, push.account, push.at) == ("a1", "gh1", at(10))
    assert push.pushed == Part(1, 3)
    assert push.followers == Part(2, 3)


def test_who_unfollows_another_account_stays() -> None:
    rows = [Deed("a", 10, PUSHED, IN), Deed("a", 11, UNFOLLOWED, {"account": "gh2"})]
    follows = [Deed("a", 0, FOLLOWED, HERE), Deed("a", 0, FOLLOWED, {"account": "gh2"}), rows[1]]

    (push,) = unfollows(told(rows), columns(follows), at(20), 48 * HOUR)

    assert (push.pushed, push.followers) == (Part(0, 1), Part(0, 1))


def test_a_push_to_nobody_in_particular_is_a_push_to_all_followers() -> None:
    gone = [Deed("a", 11, UNFOLLOWED, HERE)]

    (push,) = unfollows(
        told([Deed(None, 10, PUSHED, IN), *gone]), columns([Deed("a", 0, FOLLOWED, HERE), *gone]), at(20), HOUR * 48
    )

    assert (push.pushed, push.followers) == (Part(0, 0), Part(1, 1))


def test_a_wait_begins_when_one_first_asks_and_ends_with_the_next_answer() -> None:
    rows = [
        Deed("a", 0, "support.opened"),
        Deed("a", 0.5, "form.submitted"),
        Deed("a", 1, ANSWERED),
        Deed("a", 1.1, ANSWERED),
    ]
    rows += [
        Deed("a", 2, "form.submitted"),
        Deed("b", 0, ANSWERED),
        Deed("b", 1, "support.opened"),
        Deed("b", 4, ANSWERED),
    ]
    rows += [Deed("c", 9, "form.submitted")]

    found = {each.type: each for each in waits(columns(rows), at(5))}

    assert (found[None].people, found[None].answered) == (2, Part(2, 3))
    assert found[None].p50_seconds == 2 * 86_400
    assert found[None].p90_seconds == pytest.approx(2.8 * 86_400)
    assert found["support.opened"].answered == Part(2, 2)
    assert (found["form.submitted"].answered, found["form.submitted"].p50_seconds) == (Part(0, 1), None)


def test_nobody_waits_where_nobody_asked() -> None:
    assert [(each.people, each.answered) for each in waits(columns([]), at(5))] == [(0, Part(0, 0))]


def test_first_and_last_sources_are_kept_apart() -> None:
    assert sources([("ads", "web"), ("ads", "ads"), ("sms", "web")]) == [
        Source("ads", Part(2, 3), Part(1, 3)),
        Source("sms", Part(1, 3), Part(0, 3)),
        Source("web", Part(0, 3), Part(2, 3)),
    ]
    assert sources([]) == []


def bought(*spent: int) -> Purchases:
    people = np.array([(0, who) for who in range(len(spent))], dtype=HALVES)
    whole = np.arange(len(spent))
    return Purchases(people, whole, whole, np.array(spent, dtype=np.int64), 1_000, LeftOut(0, 0))


def test_pareto_says_what_the_few_spent_who_spent_most() -> None:
    found = pareto(bought(10, 70, 0, 20))

    assert (found.people, found.amount) == (4, 100)
    assert [(top.percent, top.people, top.amount) for top in found.tops] == [
        (1, 1, 70),
        (5, 1, 70),
        (10, 1, 70),
        (20, 1, 70),
        (50, 2, 90),
        (80, 4, 100),
    ]


def test_gini_is_half_the_mean_difference_between_two_buyers_per_mean() -> None:
    spent = [Random(2).randrange(1_000) for _ in range(50)]

    differences = [abs(one - other) for one in spent for other in spent]

    expected = sum(differences) / len(differences) / (2 * sum(spent) / len(spent))
    assert pareto(bought(*spent)).gini == pytest.approx(expected)
    assert pareto(bought(5, 5, 5)).gini == pytest.approx(0)
    assert pareto(bought(0, 0)).gini is None
    assert (pareto(bought()).tops, pareto(bought()).gini) == ([], None)


def test_k_of_a_generation_is_the_size_of_the_next_per_its_own() -> None:
    a, b, c, d = (PersonId(IdentifierId(name)) for name in "abcd")
    start = datetime(2026, 1, 1, tzinfo=UTC)
    came = [(a, None), (b, a), (c, a), (d, b)]

    whole, generations = spread(grow(Touch(p, start + timedelta(hours=n), by) for n, (p, by) in enumerate(came)))

    assert whole == Part(3, 4)
    assert generations == [Part(2, 1), Part(1, 2), Part(0, 1)]
    assert spread(grow([])) == (Part(0, 0), [])

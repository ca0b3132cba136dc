"""Intent as a function: what fades, what is capped, what a condition takes, and what never matters."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidSetting
from core.event import TYPES, EventUid
from profiles import intent
from profiles.intent import SCORE_MAX, Rule, Signal, judge, read, shipped
from profiles.values import Value

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
FORM = Rule(frozenset({"form.submitted"}), points=40, half_life_days=10, cap=50)
READ = Rule(frozenset({"article.read"}), points=4, half_life_days=7, cap=20)


def signal(kind: str = "form.submitted", days: float = 0, uid: str = "u", **properties: Any) -> Signal:
    return Signal(EventUid(uid), kind, "h5", NOW - timedelta(days=days), {"channel": "h5", "properties": properties})


signals = st.lists(
    st.builds(
        signal,
        st.sampled_from(sorted(TYPES)),
        st.floats(-0.006, 700),
        st.uuids().map(str),
        scroll=st.floats(0, 1),
        dwell_ms=st.integers(0, 200_000),
        path=st.sampled_from(["/", "/pricing"]),
    ),
    max_size=12,
    unique_by=lambda each: each.uid,
)


def test_what_somebody_did_counts_for_half_after_its_half_life() -> None:
    scores = [judge([signal()], {"form": FORM}, NOW + timedelta(days=days)).score for days in (0, 10, 20, 30)]

    assert scores == [40, 20, 10, 5]


def test_a_rule_gives_no_more_than_its_cap() -> None:
    many = [signal(uid=str(number)) for number in range(9)]

    judged = judge(many, {"form": FORM}, NOW)

    assert judged.score == 50
    (contribution,) = judged.contributions
    assert (contribution.points, contribution.uncapped, len(contribution.signals)) == (50, 360, 9)


def test_what_takes_away_leaves_no_less_than_nothing() -> None:
    leaving = replace(FORM, types=frozenset({"mail.unsubscribed"}), points=-30.0)
    rules = {"form": FORM, "left": leaving}

    assert judge([signal(), signal("mail.unsubscribed", uid="v")], rules, NOW).score == 10
    assert judge([signal("mail.unsubscribed")], rules, NOW).score == 0


def test_a_rise_is_said_against_a_week_ago_as_it_stood_then() -> None:
    assert judge([signal(days=1)], {"form": FORM}, NOW).change == judge([signal(days=1)], {"form": FORM}, NOW).score
    assert judge([signal(days=7)], {"form": FORM}, NOW).change == round(40 * 0.5**0.7) - 40
    assert judge([], {"form": FORM}, NOW).change == 0


def test_a_clock_that_is_ahead_gives_no_more_than_now() -> None:
    assert judge([signal(days=-0.006)], {"form": FORM}, NOW).score == 40


@pytest.mark.parametrize(
    ("condition", "taken", "left"),
    [
        (Value(min=0.8), [0.8, 1, 3.5], [0.79, "1", True, None]),
        (Value(max=5), [5, -1], [5.1, "", None]),
        (Value(min=1, max=2), [1, 2], [0, 3, float("nan")]),
        (Value(is_in=frozenset({"a", 7})), ["a", 7], ["b", None, ["a"], {}]),
        (Value(contains="pric"), ["/Pricing", "price"], ["/", 7, None]),
        (Value(min=1, contains="x"), [], [1, "x"]),
    ],
)
def test_a_condition_takes_what_is_so(condition: Value, taken: list[object], left: list[object]) -> None:
    assert [condition.holds(each) for each in taken] == [True] * len(taken)
    assert [condition.holds(each) for each in left] == [False] * len(left)


def test_a_condition_names_a_field_by_its_path() -> None:
    closely = replace(READ, conditions={"properties.scroll": Value(min=0.8), "channel": Value(contains="h5")})

    assert closely.takes(signal("article.read", scroll=0.9))
    assert not closely.takes(signal("article.read", scroll=0.1))
    assert not closely.takes(signal("article.read"))


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("x", "TOML"),
        ('[form]\ntypes = ["form.sent"]\npoints = 1\nhalf_life_days = 1\ncap = 1', "form.types"),
        ("[form]\ntypes = []\npoints = 1\nhalf_life_days = 1\ncap = 1", "form.types"),
        ('[form]\ntypes = ["track"]\npoints = 101\nhalf_life_days = 1\ncap = 1', "form.points"),
        ('[form]\ntypes = ["track"]\npoints = 1\nhalf_life_days = 0\ncap = 1', "form.half_life_days"),
        ('[form]\ntypes = ["track"]\npoints = 1\nhalf_life_days = 1\ncap = 1\nwhen = "full moon"', "form.when"),
    ],
)
def test_rules_that_are_none_are_refused_by_name(written: str, named: str) -> None:
    with pytest.raises(InvalidSetting, match=named):
        read(written)


@given(signals, st.randoms())
def test_neither_order_nor_repeating_the_question_matters(found: list[Signal], random: Any) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)

    assert judge(shuffled, shipped(), NOW) == judge(found, shipped(), NOW)


@given(signals)
def test_a_score_is_what_its_contributions_say(found: list[Signal]) -> None:
    judged = judge(found, shipped(), NOW)

    assert 0 <= judged.score <= SCORE_MAX
    assert judged.score == round(max(0, min(SCORE_MAX, sum(each.points for each in judged.contributions))))
    for each in judged.contributions:
        rule = shipped()[each.rule]
        assert abs(each.points) <= rule.cap
        assert each.uncapped == pytest.approx(sum(points for _, points in each.signals))
        assert all(rule.takes(one) for one, _ in each.signals)


@given(signals, st.floats(0, 400))
def test_who_does_nothing_more_is_not_wanted_more(found: list[Signal], days: float) -> None:
    glad = {name: rule for name, rule in shipped().items() if rule.points > 0}
    later = NOW + timedelta(minutes=10)

    assert judge(found, glad, later + timedelta(days=days)).score <= judge(found, glad, later).score


@given(signals)
def test_what_is_past_the_horizon_changes_nothing_that_is_shown(found: list[Signal]) -> None:
    since = NOW - intent.horizon(shipped())
    seen = [each for each in found if each.occurred_at >= since and each.type in intent.types(shipped())]

    assert abs(judge(seen, shipped(), NOW).score - judge(found, shipped(), NOW).score) <= 1
